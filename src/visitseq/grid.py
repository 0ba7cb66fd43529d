"""Which combinations of the configuration can be run, and why the others cannot.

The grid of a study is the product of the lists in ``run``. A kind of task may ask for what a kind
of model or an encoding cannot give: such a combination is left out of the grid and named, and
refused with the reason where somebody asks for it.
"""

from collections.abc import Mapping
from typing import Any

Section = Mapping[str, Any]


def refusal(
    task: Section, encoding: Section | None = None, model: Section | None = None
) -> str | None:
    """Why these sections of the configuration do not go together, in words; None if they do."""
    if task["kind"] != "forecast":
        return None
    if model is not None and model["kind"] != "seq2seq":
        return (
            f"a model of kind {model['kind']} gives each person one score, and a forecast is of "
            "visits; take kind seq2seq"
        )
    if encoding is not None and encoding["sequence"] == "code":
        return "a forecast is of visits, and with sequence code a step is a code; take visit"
    if encoding is not None:
        missing = sorted(set(task["labels"]) - set(encoding["domains"]))
        if missing:
            return f"the labels' domain {missing[0]} is not among the encoding's domains"
    return None


def left_out(config: Section) -> list[str]:
    """What the study leaves out of the product of its lists, a sentence each."""
    sentences = []
    for name in config["run"]["tasks"]:
        task = config["tasks"][name]
        for section in ("encoding", "model"):
            for other in config["run"][f"{section}s"]:
                reason = refusal(task, **{section: config[f"{section}s"][other]})
                if reason is not None:
                    sentences.append(f"{section} {other} is left out of task {name}: {reason}.")
    return sentences

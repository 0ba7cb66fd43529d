"""The numbers that the Doctor AI paper printed, and which of them a model answers to.

As in ``published``: other data, in a panel or column of their own, and nothing is computed from
them and ours. A model answers to one of the paper's where its kind is the same: its networks are of
one layer of GRU (RNN-1) or two (RNN-2), and those that start from code vectors end in -IR. A task
answers to the paper's of diagnoses, of drugs or of both by the domains of its labels.
"""

import json
from functools import cache
from typing import Any

from visitseq.figures.published import PUBLISHED_NUMBERS, Section

SOURCE = "Choi et al. 2016"

_NAMES = {
    "most_frequent": "Most frequent",
    "last_visit": "Last visit",
    "logistic": "Logistic",
    "mlp": "MLP",
}
_TASKS = {("condition",): "dx", ("drug",): "rx", ("condition", "drug"): "dx_rx"}


@cache
def doctor_ai() -> dict[str, Any]:
    """All numbers of Choi et al., MLHC 2016 (PMLR 56:301-318), by its figures and tables."""
    numbers: dict[str, Any] = json.loads(PUBLISHED_NUMBERS.read_text("utf-8"))["next_visit"]
    return numbers


def published_next_visit(model: Section, encoding: Section) -> str | None:
    """The paper's name of the model that the sections describe, if it is one."""
    if model["kind"] != "recurrent":
        return _NAMES.get(model["kind"])
    if model["cell"] != "gru" or model["layers"] > 2 or not model["duration"]:
        return None
    return f"RNN-{model['layers']}" + ("" if encoding["vectors"] == "none" else "-IR")


def published_labels(task: Section) -> str | None:
    """Which of the paper's tasks (dx, rx, dx_rx) has labels of a task's domains, if one has."""
    return _TASKS.get(tuple(sorted(task["labels"])))


def published_recalls(name: str | None, labels: str | None) -> dict[int, str]:
    """The recall at each k that the paper's Table 2 has for its model and task; "" if none.

    Of the last visit it has one number, whatever k.
    """
    table = doctor_ai()["table2"]
    if name is None or labels is None:
        return dict.fromkeys(table["cuts"], "")
    numbers = [f"{number / 100:.4f}" for number in table["per_cent"][name][labels]]
    texts = [f"{numbers[0]} (any k)"] * len(table["cuts"]) if len(numbers) == 1 else numbers
    return dict(zip(table["cuts"], texts, strict=True))


def published_r2(name: str | None, labels: str | None) -> str:
    """The R2 of the log days that Table 2 has, which it has for both kinds of label together."""
    number = doctor_ai()["table2"]["per_cent"][name]["r2"] if name and labels == "dx_rx" else None
    return "" if number is None else f"{number:.4f}"

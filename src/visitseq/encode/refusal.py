"""Why a task and an encoding do not go together.

A module of its own, which knows of no models: what is encoded depends on it.
"""

from collections.abc import Mapping
from typing import Any


def refusal_of_encoding(task: Mapping[str, Any], encoding: Mapping[str, Any]) -> str | None:
    """Why the sections of a task and an encoding do not go together, in words; None if they do.

    Parameters
    ----------
    task
        Filled section: kind; of a forecast and a next visit labels, of the latter rollup.
    encoding
        Filled section: vocabulary, sequence, domains.
    """
    if encoding["vocabulary"] == "rollup" and task.get("rollup", "none") == "none":
        return _NO_ROLLUP[task["kind"]]
    return None if task["kind"] == "onset" else _refusal_of_steps(task, encoding)


#: Why vocabulary rollup means nothing to a kind of task, or to one whose rollup is none.
_NO_ROLLUP = {
    "onset": "an onset has no labels whose rollup its codes could share; take vocabulary groups",
    "forecast": "the labels of a forecast are codes; take vocabulary codes",
    "next_visit": "with rollup none the labels are codes; take vocabulary codes",
}


def _refusal_of_steps(task: Mapping[str, Any], encoding: Mapping[str, Any]) -> str | None:
    """Why visits cannot be predicted with an encoding, in words; None if they can."""
    what = {"forecast": "a forecast is of visits", "next_visit": "the next visit is asked"}
    if encoding["sequence"] == "code":
        return f"{what[task['kind']]}, and with sequence code a step is a code; take visit"
    missing = sorted(set(task["labels"]) - set(encoding["domains"]))
    if missing:
        return f"the labels' domain {missing[0]} is not among the encoding's domains"
    return None

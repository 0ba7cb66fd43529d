"""attrition.csv: how many persons each criterion leaves, in order."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Step:
    """A criterion, and how many persons are left when it and all before it are met."""

    criterion: str
    left: int


def attrition_table(groups: dict[str, list[Step]]) -> pd.DataFrame:
    """One row a group and criterion: group, step (from 1), criterion, in, out, left.

    The first step of a group takes nobody out: it says how many there are to begin with.
    """
    rows = []
    for group, steps in groups.items():
        entering = steps[0].left
        for number, step in enumerate(steps, start=1):
            out = entering - step.left
            rows.append((group, number, step.criterion, entering, out, step.left))
            entering = step.left
    return pd.DataFrame(rows, columns=["group", "step", "criterion", "in", "out", "left"])


def describe(steps: list[Step]) -> str:
    """Write the steps on one line, for a log or an error."""
    return "; ".join(f"{step.criterion}: {step.left}" for step in steps)


def number_of(count: float, noun: str) -> str:
    """Write a number with its noun: "1 visit", "3 visits"."""
    return f"{count:g} {noun}" + ("" if count == 1 else "s")

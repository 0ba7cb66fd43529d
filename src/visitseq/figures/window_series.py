"""Tasks that differ in one window alone: the rows of the paper's Table 1 and of its Table 2.

Tasks form a series where all of their sections (cohort, phenotype codes and so on) is equal but the
length of one window, which takes two values or more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visitseq.figures.study import Study

#: What a series varies, with the paper's table of it.
TABLES = {"observation": "table1", "prediction": "table2"}
#: The window that stays.
OTHER = {"observation": "prediction", "prediction": "observation"}


@dataclass(frozen=True)
class Series:
    """Tasks by the length of the window that differs.

    Attributes
    ----------
    varies
        observation or prediction.
    fixed
        Months of the other window.
    tasks
        Names of the tasks by months of the window that varies, ascending.
    """

    varies: str
    fixed: float
    tasks: dict[float, str]

    @property
    def title(self) -> str:
        """What stays the same, in words."""
        if self.varies == "prediction":
            return f"{self.fixed:g} months observed"
        return f"gap of {self.fixed:g} months" if self.fixed else "no gap"


def window_series(study: Study, varies: str) -> list[Series]:
    """The study's series in which ``varies`` (observation or prediction) differs."""
    groups: dict[str, dict[float, str]] = {}
    fixed: dict[str, float] = {}
    for name, task in study.onsets.items():
        key = repr(sorted(_same(task, varies).items()))
        # Two tasks may be equal but for their names; the first stands for both.
        groups.setdefault(key, {}).setdefault(task[f"{varies}_months"], name)
        fixed[key] = task[f"{OTHER[varies]}_months"]
    return [
        Series(varies, fixed[key], dict(sorted(tasks.items())))
        for key, tasks in groups.items()
        if len(tasks) > 1
    ]


def _same(task: Mapping[str, Any], varies: str) -> dict[str, Any]:
    return {key: value for key, value in task.items() if key != f"{varies}_months"}

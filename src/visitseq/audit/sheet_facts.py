"""What the sheets of a study are answered from: its configuration and the files that it wrote.

Numbers of persons and estimates are taken from the tables of 7_figures as these show them, so that
no sheet says more than they do.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from visitseq.figures.study import Setting, Study

Section = Mapping[str, Any]

CONFIGURATION = "results/run_config.yaml"
FIGURES = "results/7_figures"


class Answer(NamedTuple):
    """A sentence or more, and the files that it was read from."""

    text: str
    files: tuple[str, ...]


class Open(NamedTuple):
    """Why the results do not answer."""

    reason: str


Reply = Answer | Open
Question = Callable[["Facts"], Reply]


@dataclass(frozen=True)
class Facts:
    """A study whose results are there.

    Attributes
    ----------
    study
        Its names, as the figures know them.
    sections
        Sections of the configuration by name: sites, cohorts, tasks, encodings, models.
    code_numbers
        How many concepts and codes each cohort's phenotype names.
    """

    study: Study
    sections: Mapping[str, Mapping[str, Section]]
    code_numbers: Mapping[str, int]

    @property
    def onsets(self) -> dict[str, Section]:
        """The sections of the tasks with an outcome."""
        return self.study.onsets

    @property
    def cohorts(self) -> dict[str, Section]:
        """The sections of the cohorts of cases and controls, or of persons at risk."""
        names = dict.fromkeys(self.study.outcomes.values())
        return {name: self.sections["cohorts"][name] for name in names}

    @property
    def models(self) -> dict[str, Section]:
        """The sections of the models that are run in an onset task."""
        scored = dict.fromkeys(model for _, _, model in self.study.scored)
        return {name: self.study.model_sections[name] for name in scored}

    @property
    def encodings(self) -> dict[str, Section]:
        """The sections of the encodings that are run in an onset task."""
        used = dict.fromkeys(encoding for _, encoding in self.study.encoded)
        return {name: self.study.encoding_sections[name] for name in used}

    @property
    def records(self) -> str:
        """Whether the sites' records are synthetic, real or both."""
        return " and ".join(sorted({self.study.records(site) for site in self.study.synthetic}))

    def table(self, name: str) -> pd.DataFrame:
        """Read a table of 7_figures as text."""
        path = self.study.results / "7_figures" / f"table_{name}.csv"
        return pd.read_csv(path, dtype=str, keep_default_na=False)

    def summary(self, site: str) -> Section:
        """Read summary.json of a site."""
        path = self.study.results / "1_ingest" / site / "summary.json"
        content: Section = json.loads(path.read_text(encoding="utf-8"))
        return content

    def card(self, setting: Setting, model: str) -> Section:
        """Read model.json of a model in the first fold."""
        path = self.study.trained(setting, model, self.study.folds[0])
        content: Section = json.loads(path.read_text(encoding="utf-8"))
        return content

    def audit(self, *checks: str) -> pd.DataFrame:
        """Rows of audit.csv of some checks, or of all."""
        table = pd.read_csv(
            self.study.results / "7_figures/audit.csv", dtype=str, keep_default_na=False
        )
        return table[table["check"].isin(checks)] if checks else table


def shown(name: str) -> str:
    """Path of a table of 7_figures."""
    return f"{FIGURES}/table_{name}.csv"


def joined(words: Sequence[str]) -> str:
    """Write a list: "a", "a and b", "a, b and c"."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def named(count: int, noun: str) -> str:
    """Write how many there are of something: "1 fold", "3 folds"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")

"""The sheets of three reporting guidelines, filled from the results: TRIPOD+AI, PROBAST+AI, RECORD.

An item is answered in sentences with numbers from the study's files, which stand beside it, or is
open, for a person to answer: what no result can know (ethics, interpretation), and what this study
has no results of. Nothing is guessed.
"""

import logging
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from visitseq.audit import sheet_models, sheet_participants
from visitseq.audit.sheet_facts import Answer, Facts, Question
from visitseq.cohort.phenotype import read_phenotype
from visitseq.figures.study import Study

log = logging.getLogger(__name__)

#: File of each sheet, by the name of its table.
SHEETS = {
    "tripod_ai": "tripod_ai.yaml",
    "probast_ai": "probast_ai.yaml",
    "record": "record.yaml",
}
COLUMNS = ["records", "item", "section", "asked", "answer", "from", "answered_by"]
PERSON = "person"
_TO_WRITE = "open: to be answered by the authors"


def fill_sheets(
    *,
    study: Mapping[str, Any],
    sections: Mapping[str, Mapping[str, Mapping[str, Any]]],
    phenotypes: Mapping[str, Path],
    results: Path,
    folder: Path,
) -> None:
    """Write table_tripod_ai.csv, table_probast_ai.csv and table_record.csv.

    Parameters
    ----------
    study
        As ``draw_figures`` takes it.
    sections
        Sections of the configuration by name: sites, cohorts.
    phenotypes
        The phenotype file of each cohort that has one.
    results
        Folder of the results of all stages.
    folder
        Where the tables go.
    """
    numbers = {name: _codes(path) for name, path in phenotypes.items()}
    facts = Facts(Study.from_mapping(study, results), sections, numbers)
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHEETS:
        table = sheet(facts, name)
        table.to_csv(folder / f"table_{name}.csv", index=False, lineterminator="\n")
        answered = int((table["answered_by"] == "results").sum())
        log.info("%s: %d of %d items answered from the results", name, answered, len(table))


def sheet(facts: Facts, name: str) -> pd.DataFrame:
    """Fill one of ``SHEETS``, in the columns of ``COLUMNS``."""
    lines = [{"records": facts.records, **_line(facts, item)} for item in read_sheet(name)]
    return pd.DataFrame(lines, columns=COLUMNS)


def read_sheet(name: str) -> list[dict[str, str]]:
    """Items of one of ``SHEETS``: item, section, asked, and the question that answers."""
    path = files("visitseq") / "data" / "sheets" / SHEETS[name]
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    items: list[dict[str, str]] = content["items"]
    return items


def question(name: str) -> Question:
    """Find the function that answers an item."""
    module = sheet_models if hasattr(sheet_models, name) else sheet_participants
    found: Question = getattr(module, name)
    return found


def _line(facts: Facts, item: Mapping[str, str]) -> dict[str, str]:
    place = {key: item[key] for key in ("item", "section", "asked")}
    if item["answer"] == PERSON:
        return {**place, "answer": _TO_WRITE, "from": "", "answered_by": "person: open"}
    reply = question(item["answer"])(facts)
    if isinstance(reply, Answer):
        return {
            **place,
            "answer": reply.text,
            "from": "; ".join(dict.fromkeys(reply.files)),
            "answered_by": "results",
        }
    return {**place, "answer": f"open: {reply.reason}", "from": "", "answered_by": "person: open"}


def _codes(path: Path) -> int:
    """How many concepts and source codes a phenotype file names."""
    phenotype = read_phenotype(path)
    return sum(map(len, (phenotype.concepts, phenotype.icd9cm, phenotype.icd10cm)))

"""The folder in which a model leaves: its files, and what has to be the same where it arrives.

    manifest.json       format, names, what the model reads and predicts, SHA-256 of each other file
    model.json          with the weights, all that scoring needs
    model.safetensors   the weights of a network; model.skops those of a classical model
    vocabulary.parquet  id, code and description of the codes that it knows; ids from 0 on
    labels.parquet      the same of the labels, of a model of the next visit
    phenotype.yaml      the code set of an onset
    metrics.json        what the model is worth at home, as it is here
    model_card.md       in words
    study.yaml          a configuration to lay over that of the other installation

A task, an encoding and a phenotype of two installations fit where what decides which codes a model
reads and what it predicts is the same; names, cohorts and all else may differ.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from visitseq.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Section = Mapping[str, Any]

#: Of the layout above; another number is another layout.
FORMAT = 1

MANIFEST = "manifest.json"
#: All files that a folder may hold besides the manifest.
FILES = (
    *("model.json", "model.safetensors", "model.skops", "vocabulary.parquet", "labels.parquet"),
    *("phenotype.yaml", "metrics.json", "model_card.md", "study.yaml"),
)

#: Those that persons write into: the licence, and what they want to run. No program reads them.
FOR_PERSONS = ("model_card.md", "study.yaml")

#: What of a task decides what is read and predicted, by its kind.
_TASK_KEYS = {
    "onset": ("kind", "observation_months", "prediction_months", "phenotype_codes"),
    "next_visit": ("kind", "labels", "rollup"),
}
#: What of a phenotype file decides who has it; the rest explains.
_PHENOTYPE_KEYS = ("domain", "concepts", "exclude", "listed", "icd9cm", "icd10cm")


def task_that_counts(task: Section) -> dict[str, Any]:
    """What of a task's section has to be the same."""
    keys = [*_TASK_KEYS[task["kind"]], *(["level"] if task.get("rollup", "none") != "none" else [])]
    return {key: _plain(task[key]) for key in keys}


def encoding_that_counts(encoding: Section) -> dict[str, Any]:
    """What of an encoding's section has to be the same."""
    level = ["level"] if encoding["vocabulary"] == "groups" else []
    return {key: _plain(encoding[key]) for key in ("vocabulary", *level, "sequence", "domains")}


def phenotype_digest(path: Path) -> str:
    """SHA-256 of what decides who has a phenotype, whatever the order and the words.

    Raises
    ------
    UserError
        The file is no YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"The phenotype file {path} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"The phenotype file {path} is not valid: it holds no mapping.")
    counts = {key: _sorted(content.get(key) or []) for key in _PHENOTYPE_KEYS if key != "domain"}
    if content.get("patterns"):
        counts["patterns"] = _sorted(content["patterns"])
    return digest_of({"domain": content.get("domain", "condition"), **counts})


def vocabulary_digest(table: "pa.Table") -> str:
    """SHA-256 of the names of a vocabulary.parquet or labels.parquet, by id."""
    return digest_of([table["id"].to_pylist(), table["code"].to_pylist()])


def digest_of(content: Any) -> str:
    """SHA-256 of the JSON of ``content``, its keys sorted, in hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    """A value of the configuration; equal ones are written alike (18 as 18.0, lists sorted)."""
    if isinstance(value, list | tuple):
        return sorted(value)
    return float(value) if isinstance(value, int | float) else value


def _sorted(entries: list[Any]) -> list[Any]:
    """Entries of a list of a phenotype file: concepts without their names, in one order."""
    plain = [
        {"id": entry.get("id"), "descendants": entry.get("descendants", False)}
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]
    return sorted(plain, key=str)

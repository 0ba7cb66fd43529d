"""Write the folder in which a model leaves (``folder.py`` says what is in it).

It is made of the model without rare codes and of what that was worth when it was scored. Ids are
numbered anew, in the same order, so that they tell nothing of the codes that were left out.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.export.folder import (
    FILES,
    FORMAT,
    MANIFEST,
    digest_of,
    encoding_that_counts,
    file_digest,
    phenotype_digest,
    task_that_counts,
    vocabulary_digest,
)
from visitseq.export.model_card import model_card
from visitseq.export.public_files import public_card, public_metrics
from visitseq.export.study_overlay import study_overlay
from visitseq.tables import vocabulary_schema, write_parquet

log = logging.getLogger(__name__)

Section = Mapping[str, Any]


def write_model(
    *,
    reduced: Path,
    metrics: Path,
    vocabulary: Path,
    labels: Path | None,
    phenotype: Path | None,
    names: Mapping[str, str],
    sections: Mapping[str, Section],
    synthetic: bool,
    minimum_cell: int,
    folder: Path,
) -> None:
    """Write what another installation needs to score its own site with a model.

    Parameters
    ----------
    reduced
        Folder of the model without rare codes.
    metrics
        Its metrics.json at home.
    vocabulary, labels
        Files vocabulary.parquet and labels.parquet of the task and encoding; None for a task
        without labels.
    phenotype
        The cohort's phenotype file; None where it has none.
    names
        Names of site, task, encoding and model.
    sections
        Sections of the configuration, filled: task, cohort, encoding and model.
    synthetic
        Whether the site's records were made up.
    minimum_cell
        Smallest number of persons that may leave.
    folder
        Where the files go; what an earlier export left there is removed.
    """
    _clear(folder)
    card, own = _read(reduced / "model.json"), public_metrics(_read(metrics), minimum_cell)
    public = public_card(card, minimum_cell)
    if "task" not in public:
        public["task"] = dict(sections["task"])
    for weights in ("model.safetensors", "model.skops"):
        if (reduced / weights).exists():
            shutil.copyfile(reduced / weights, folder / weights)
    named = {"vocabulary": _named(vocabulary, card["known"])}
    if labels is not None:
        named["labels"] = _named(labels, card["known_labels"])
    for name, table in named.items():
        write_parquet(table, folder / f"{name}.parquet")
    if phenotype is not None:
        shutil.copyfile(phenotype, folder / "phenotype.yaml")
    # A phenotype is a name here, and may be a path of this machine.
    cohort = {**sections["cohort"], **({"phenotype": phenotype.stem} if phenotype else {})}
    chosen = {**sections, "cohort": cohort, "model": public["model"]}
    _write(public, folder / "model.json")
    _write(own, folder / "metrics.json")
    text = model_card(names, public, own, chosen, synthetic=synthetic)
    (folder / "model_card.md").write_text(text, encoding="utf-8")
    overlay = study_overlay(names, chosen, public["fold"])
    (folder / "study.yaml").write_text(overlay, encoding="utf-8")
    _write_manifest(folder, names, sections, named, public, synthetic=synthetic)


def _write_manifest(
    folder: Path,
    names: Mapping[str, str],
    sections: Mapping[str, Section],
    named: Mapping[str, pa.Table],
    card: Section,
    *,
    synthetic: bool,
) -> None:
    """Write manifest.json, the last of the files."""
    task = task_that_counts(sections["task"])
    phenotype = folder / "phenotype.yaml"
    content = {
        "format": FORMAT,
        "names": dict(names),
        "fold": card["fold"],
        "kind": card["kind"],
        "synthetic": synthetic,
        "task": task,
        "encoding": encoding_that_counts(sections["encoding"]),
        "digests": {
            "task": digest_of(task),
            **({"phenotype": phenotype_digest(phenotype)} if phenotype.exists() else {}),
            **{name: vocabulary_digest(table) for name, table in named.items()},
        },
        "files": {name: file_digest(folder / name) for name in FILES if (folder / name).exists()},
    }
    _write(content, folder / MANIFEST)
    log.info(
        "%d codes in the vocabulary; SHA-256 of %s: %s",
        len(named["vocabulary"]),
        MANIFEST,
        file_digest(folder / MANIFEST),
    )


def _named(vocabulary: Path, known: list[int]) -> pa.Table:
    """Codes that a model knows, with new ids: id, code, description."""
    table = pq.read_table(vocabulary).sort_by("id")
    own = table.take(pa.array(np.searchsorted(table["id"].to_numpy(), known)))
    numbered = {
        "id": np.arange(len(known), dtype=np.int32),
        "code": own["code"],
        "description": own["description"],
    }
    return pa.table(numbered).cast(vocabulary_schema(0))


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MANIFEST, *FILES):
        (folder / name).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _write(content: Section, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

"""Is nobody on both sides? Persons and sets by part, and what was fitted, by whom it saw.

A person's part is computed again from the id. No person and no matched set may be in two parts, in
any cohort or task of a site. Every model carries a digest of the persons it was trained and
validated on, and so do skip-gram vectors and pre-trained encoders: each has to be that of the
persons of its fold's parts (fitted.py). The persons who were scored have to be those of the test
part. manifest.csv says who is where, without saying who.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from visitseq.audit.findings import Finding, write_findings
from visitseq.audit.fitted import Encoded, fitted_findings
from visitseq.audit.verdicts import of_count, share, shown
from visitseq.cohort.parts import assign_parts, digest_of_persons, validation_part
from visitseq.encode.sequences import read_visit_lists
from visitseq.figures.small_cells import may_show, show_count

log = logging.getLogger(__name__)

Section = Mapping[str, Any]


class _Rows(NamedTuple):
    """The rows of a site's task: cohort.parquet, with each person's part computed anew."""

    site: str
    task: str
    table: pd.DataFrame
    own_part: npt.NDArray[np.int32]


def check_splits(*, study: Section, results: Path, folder: Path) -> None:
    """Write findings.json and manifest.csv of a study.

    Parameters
    ----------
    study
        ``tasks`` ({name: its cohort}), ``encoded`` ([site, task, encoding] of each visits.arrow),
        ``models`` ([site, task, encoding, model, fold] of each that was trained and evaluated),
        ``moved`` ([folder, target, task, fold] of each that was moved to another site), ``seed``,
        ``parts`` and ``minimum_cell`` of the run.
    results
        Folder of the results of all stages.
    folder
        Where the files go.
    """
    rows = list(_rows(study, results))
    encoded = {
        (site, task, encoding): Encoded(
            read_visit_lists(results.joinpath("3_encode", site, task, encoding, "visits.arrow")),
            results / "1_ingest" / site / "events.parquet",
            study["seed"],
            study["parts"],
        )
        for site, task, encoding in study["encoded"]
    }
    findings = [
        _recomputed(rows, encoded, study["minimum_cell"]),
        _persons_in_one_part(rows, study["minimum_cell"]),
        _sets_in_one_part(rows),
        *fitted_findings(encoded, study["models"], results),
        _tested(rows, study, results),
    ]
    write_findings(findings, folder / "findings.json")
    manifest = pd.DataFrame(_manifest(rows, study["minimum_cell"]), columns=_COLUMNS)
    manifest.to_csv(folder / "manifest.csv", index=False, lineterminator="\n")
    log.info("%d cohorts, %d models", len(rows), len(study["models"]))


def _rows(study: Section, results: Path) -> Iterator[_Rows]:
    pairs = dict.fromkeys((site, task) for site, task, _ in study["encoded"])
    for site, task in pairs:
        path = results / "2_cohort" / site / study["tasks"][task] / "cohort.parquet"
        table = pq.read_table(path).to_pandas()
        subjects = table["subject_id"].to_numpy()
        yield _Rows(site, task, table, assign_parts(subjects, study["seed"], study["parts"]))


def _recomputed(
    rows: list[_Rows], encoded: Mapping[tuple[str, str, str], Encoded], minimum: int
) -> Finding:
    """Whether the parts that are written are those of the ids."""
    own = sum(int((of.table["part"] != of.own_part).sum()) for of in rows)
    read = sum(int((of.visits.part != of.own_parts).sum()) for of in encoded.values())
    total = sum(len(of.table) for of in rows)
    return of_count(
        "parts_recomputed",
        own + read,
        f"{shown(own, minimum)} of {total:,} rows of cohorts, and {shown(read, minimum)} of their "
        "visits.arrow, have another part than the hash of the person's id says.",
        "Persons moved between parts after the cohort was built: build it anew.",
        numbers={"rows": total},
    )


def _persons_in_one_part(rows: list[_Rows], minimum: int) -> Finding:
    """Whether a person has the same part in every cohort and task of the site."""
    frames = [of.table[["subject_id", "part"]].assign(site=of.site) for of in rows]
    frames = frames or [pd.DataFrame(columns=["subject_id", "part", "site"])]
    parts = pd.concat(frames).groupby(["site", "subject_id"])["part"].nunique()
    several = int((parts > 1).sum())
    sites, tasks = len({of.site for of in rows}), len({of.task for of in rows})
    return of_count(
        "person_in_one_part",
        several,
        f"{share(several, len(parts), minimum)} persons are in more than one part, over the tasks "
        f"({tasks}) of all sites ({sites}).",
        "A model is tested on persons it was trained on: build the cohorts anew with one seed.",
        numbers={"persons": len(parts), "tasks": tasks, "sites": sites},
    )


def _sets_in_one_part(rows: list[_Rows]) -> Finding:
    counts = [of.table.dropna(subset="set_id").groupby("set_id")["part"].nunique() for of in rows]
    sets = sum(len(parts) for parts in counts)
    several = sum(int((parts > 1).sum()) for parts in counts)
    return of_count(
        "set_in_one_part",
        several,
        f"{several:,} of {sets:,} matched sets straddle parts.",
        "Cases and their controls are on two sides: build the cohort anew.",
        numbers={"sets": sets, "several": several},
    )


def _tested(rows: list[_Rows], study: Section, results: Path) -> Finding:
    """Whether predictions are of the test part, and of validation of the part beside it."""
    of_task = {(of.site, of.task): of for of in rows}
    files = wrong = 0
    for path, site, task, part in _scored(study, results):
        own = of_task[site, task]
        allowed = own.table.loc[own.own_part == part, "subject_id"]
        scored = np.unique(pq.read_table(path, columns=["subject_id"])["subject_id"].to_numpy())
        files += 1
        wrong += not np.isin(scored, allowed.to_numpy()).all()
    return of_count(
        "test_part_alone",
        wrong,
        f"{wrong:,} of {files:,} files of predictions hold a person of another part than they are "
        "of.",
        "The score is of persons that the model or its threshold was fitted to: evaluate anew.",
        numbers={"files": files, "wrong": wrong},
    )


def _scored(study: Section, results: Path) -> Iterator[tuple[Path, str, str, int]]:
    """Each file of predictions, with its site, task and part."""
    for site, task, encoding, model, fold in study["models"]:
        own = results.joinpath("5_evaluate", site, task, encoding, model, f"fold{fold}")
        yield own / "predictions.parquet", site, task, fold
        yield own / "validation.parquet", site, task, validation_part(fold, study["parts"])
    for place, target, task, fold in study["moved"]:
        yield Path(place) / "predictions.parquet", target, task, fold


_COLUMNS = ("site", "task", "part", "rows", "persons", "cases", "sha256")


def _manifest(rows: list[_Rows], minimum: int) -> Iterator[tuple[str, ...]]:
    """Rows of manifest.csv; of few persons there is no digest, which could be found by trying."""
    for own in rows:
        for part, of_part in own.table.groupby("part"):
            persons = of_part["subject_id"].nunique()
            cases = int(of_part["label"].fillna(value=False).astype(bool).sum())
            controls = len(of_part) - cases
            shown = may_show(cases, minimum) and may_show(controls, minimum)
            many = may_show(persons, minimum)
            yield (
                own.site,
                own.task,
                str(part),
                show_count(len(of_part), minimum).replace(",", ""),
                show_count(persons, minimum).replace(",", ""),
                str(cases) if shown else "suppressed",
                digest_of_persons(of_part["subject_id"].to_numpy()) if many else "",
            )

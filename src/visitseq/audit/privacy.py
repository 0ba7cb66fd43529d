"""Whether what is shared tells of a person: ids, dates, small numbers.

What leaves the house is read again as it stands in its files, whatever wrote them: tables, figures
and exported models, and beside them logs, benchmarks and the configuration, which are sent to
whoever is asked for help. What is found is told by file, column and kind, never by its value.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.audit.findings import Finding, read_findings, write_findings, write_passed
from visitseq.audit.shared_files import read_shared
from visitseq.audit.table import audit_table
from visitseq.audit.traces import (
    DATE,
    ID,
    ID_COLUMN,
    LONG_ID,
    SMALL_CELL,
    Integers,
    Known,
    Trace,
    days_in,
    tellable,
    traces,
)
from visitseq.errors import UserError

log = logging.getLogger(__name__)

_CONCEPT = re.compile(r"\b[0-9]{1,18}\b")

#: How many places a finding names.
NAMED = 5

#: What is asked, by what is looked for, with what stands in a sentence and what to do.
_QUESTIONS = {
    ID_COLUMN: ("no_id_columns", "columns named as ids", "Leave the column out of the file."),
    DATE: ("no_dates", "dates", "Write the year alone, or days between two events."),
    ID: ("no_ids", "ids of persons or visits", "Leave the ids out of the file."),
    SMALL_CELL: (
        "no_small_cells",
        "numbers of persons under the minimum",
        "Write them with figures/small_cells.py.",
    ),
}


def check_privacy(
    *,
    shared: Sequence[Path],
    beside: Sequence[Path],
    configuration: Path,
    sites: Mapping[str, Mapping[str, Path]],
    phenotypes: Sequence[Path],
    synthetic: Mapping[str, bool],
    minimum_cell: int,
    findings: Path,
    table: Path,
) -> None:
    """Write findings.json and the same as a table.

    Parameters
    ----------
    shared
        Folders whose files are shared; those that are absent are passed over.
    beside
        Folders that are not, but are read by others: no small number is looked for there.
    configuration
        File run_config.yaml: no date in it is a person's.
    sites
        Files persons, events and codes of each site.
    phenotypes
        Phenotype files, whose numbers are concepts.
    synthetic
        Of each site whether its records are synthetic.
    minimum_cell
        Smallest number of persons that may show.
    findings, table
        Files that are written.
    """
    ids, codes = _ids(sites), _concepts(sites, phenotypes)
    own = read_shared(configuration)
    assert own is not None
    known = Known(tellable(ids, codes), days_in(own.texts), minimum_cell)
    log.info("%d of %d ids can be told from counts", len(known.ids), len(ids))
    table.unlink(missing_ok=True)  # of an earlier check
    files, found, unread = _read(shared, known, cells=True)
    others = _read(beside, known, cells=False)
    found += [*others[1], *traces(str(configuration), own, known, cells=False)]
    answers = [_answer(kind, found, files) for kind in _QUESTIONS]
    answers += [_reach(len(ids), len(known.ids)), *_unread(unread)]
    write_findings(answers, findings)
    named = {str(findings): {"check": "check_privacy"}}
    table.parent.mkdir(parents=True, exist_ok=True)
    audit_table(named, synthetic).to_csv(table, index=False, lineterminator="\n")


def pass_privacy(*, findings: Path, on_failure: str, passed: Path) -> None:
    """Write passed.json, unless something of a person was found in what is shared.

    Parameters
    ----------
    findings
        File of ``check_privacy``.
    on_failure
        ``run.audit``: ``stop`` or ``warn``.
    passed
        File that is written: how many answers have each verdict.

    Raises
    ------
    UserError
        Something was found and ``on_failure`` is stop.
    """
    found = read_findings(findings)
    failed = [finding for finding in found if finding.verdict == "fail"]
    if failed:
        sentences = " ".join(f"{finding.evidence} {finding.advice}" for finding in failed)
        sentence = f"Do not share these results, they are written: {sentences}"
        if on_failure == "stop":
            raise UserError(f"{sentence} (run.audit: warn goes on all the same.)")
        log.warning("%s", sentence)
    write_passed([finding.verdict for finding in found], passed)


def _ids(sites: Mapping[str, Mapping[str, Path]]) -> Integers:
    """Ids of all persons and visits, each once."""
    columns = []
    for files in sites.values():
        columns.append(pq.read_table(files["persons"], columns=["subject_id"])["subject_id"])
        # By row group: of a large site the column alone would not fit in memory.
        events = pq.ParquetFile(files["events"])
        for group in range(events.num_row_groups):
            visits = events.read_row_group(group, columns=["visit_id"])["visit_id"]
            columns.append(pc.unique(pc.drop_null(visits)))
    return np.unique(np.concatenate([np.empty(0, np.int64), *map(np.asarray, columns)]))


def _concepts(sites: Mapping[str, Mapping[str, Path]], phenotypes: Sequence[Path]) -> Integers:
    """Numbers of the codes and of their ancestors, and those of phenotypes."""
    texts = [path.read_text(encoding="utf-8") for path in phenotypes]
    found = {int(number) for text in texts for number in _CONCEPT.findall(text)}
    for files in sites.values():
        table = pq.read_table(files["codes"], columns=["code", "parent_codes"])
        parents = pc.unique(pc.list_flatten(table["parent_codes"]))
        names = [*table["code"].to_pylist(), *parents.to_pylist()]
        found.update(int(number) for name in names for number in _CONCEPT.findall(name))
    return np.array(sorted(found), dtype=np.int64)


def _read(
    folders: Sequence[Path], known: Known, *, cells: bool
) -> tuple[int, list[Trace], list[str]]:
    """Read every file below folders: how many, what was found, and which could not be read."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found: list[Trace] = []
    unread = []
    for path in files:
        content = read_shared(path)
        if content is None:
            unread.append(path.suffix or path.name)
        else:
            found += traces(path.as_posix(), content, known, cells=cells)
    return len(files), found, unread


def _answer(kind: str, found: Sequence[Trace], files: int) -> Finding:
    question, words, advice = _QUESTIONS[kind]
    own = [trace for trace in found if trace.kind == kind]
    numbers = {"files": files, "places": len(own)}
    if not own:
        where = f"None among {files:,} files of tables, figures and exports"
        where += "." if kind == SMALL_CELL else ", nor in logs, benchmarks and the configuration."
        return Finding(question, "pass", f"{words[0].upper()}{words[1:]}: {where}", "", numbers)
    places = "; ".join(_place(trace) for trace in own[:NAMED])
    more = f"; and {len(own) - NAMED} more places" if len(own) > NAMED else ""
    return Finding(question, "fail", f"Found {words}: {places}{more}.", advice, numbers)


def _place(trace: Trace) -> str:
    column = f", {trace.field}" if trace.field else ""
    return f"{trace.file}{column} ({trace.count:,})"


def _reach(ids: int, told: int) -> Finding:
    """Say which ids could not be looked for."""
    evidence = (
        f"{told:,} of {ids:,} ids of persons and visits were looked for; the others have fewer "
        f"than {LONG_ID} digits, are dense among the numbers of their length or are concepts' "
        "too, and cannot be told from counts and codes."
    )
    return Finding("ids_looked_for", "pass", evidence, "", {"ids": ids, "looked_for": told})


def _unread(suffixes: Sequence[str]) -> list[Finding]:
    if not suffixes:
        return []
    evidence = (
        f"{len(suffixes)} shared files could not be read ({', '.join(sorted(set(suffixes)))})."
    )
    advice = "Look at them before you share them, or move them elsewhere."
    return [Finding("every_file_read", "warn", evidence, advice, {"files": len(suffixes)})]

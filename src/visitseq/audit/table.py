"""All that the checks found, in one table and on one page: audit.csv and audit.html.

Both are written whatever was found, so that the evidence is there when a failed check stops the
study (gate.py).
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from visitseq.audit.findings import VERDICTS, read_findings
from visitseq.audit.page import audit_page

log = logging.getLogger(__name__)

#: What a check is of, as far as it applies.
PLACES = ("site", "target", "task", "cohort", "encoding", "model", "fold")
COLUMNS = ("verdict", "check", "records", *PLACES, "question", "evidence", "advice", "file")


def write_audit(
    *, checks: Mapping[str, Mapping[str, str]], synthetic: Mapping[str, bool], folder: Path
) -> None:
    """Write audit.csv and audit.html.

    Parameters
    ----------
    checks
        By the path of each findings.json: ``check``, the name of what wrote it, and what it is of
        (``PLACES``; ``source`` is a site).
    synthetic
        Of each site whether its records are synthetic.
    folder
        Where the files go.
    """
    table = audit_table(checks, synthetic)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "audit.csv", index=False, lineterminator="\n")
    (folder / "audit.html").write_text(audit_page(table), encoding="utf-8")
    counts = table["verdict"].value_counts()
    log.info("%s", ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS))


def audit_table(
    checks: Mapping[str, Mapping[str, str]], synthetic: Mapping[str, bool]
) -> pd.DataFrame:
    """Table of audit.csv (``COLUMNS``), the gravest verdicts first, then by name.

    The parameters are those of :func:`write_audit`; what does not apply is empty.
    """
    rows = [
        {
            **_places(named),
            "check": named["check"],
            "records": _records(named, synthetic),
            "question": finding.question,
            "verdict": finding.verdict,
            "evidence": finding.evidence,
            "advice": finding.advice,
            "file": path,
        }
        for path, named in sorted(checks.items())
        for finding in read_findings(Path(path))
    ]
    rows.sort(key=lambda row: [str(row[name]) for name in ("check", *PLACES)])
    rows.sort(key=lambda row: -VERDICTS.index(row["verdict"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _places(named: Mapping[str, str]) -> dict[str, str]:
    own = {"site": named["source"], **named} if "source" in named else named
    return {place: own.get(place, "") for place in PLACES}


def _records(named: Mapping[str, str], synthetic: Mapping[str, bool]) -> str:
    """Whether a check's records are synthetic or real; of a check of all sites that of them all."""
    sites = [named[key] for key in ("site", "source", "target") if key in named] or synthetic
    kinds = {"synthetic" if synthetic[site] else "real" for site in sites if site in synthetic}
    return " and ".join(sorted(kinds))

"""The gate before the figures: a study of which a check failed shows none, unless it says so."""

import logging
from pathlib import Path

import pandas as pd

from visitseq.audit.findings import write_passed
from visitseq.errors import UserError

log = logging.getLogger(__name__)

#: How many failed findings the error quotes.
QUOTED = 3


def pass_audit(*, audit: Path, on_failure: str, passed: Path) -> None:
    """Write passed.json, how many findings have each verdict, unless a failed one stops the study.

    Parameters
    ----------
    audit
        File audit.csv.
    on_failure
        ``run.audit``: ``stop`` or ``warn``.
    passed
        File that is written.

    Raises
    ------
    UserError
        A check failed and ``on_failure`` is stop.
    """
    table = pd.read_csv(audit, dtype=str, keep_default_na=False)
    failed = table[table["verdict"] == "fail"]
    if len(failed):
        sentence = _failure(failed, audit)
        if on_failure == "stop":
            raise UserError(f"{sentence}; run.audit: warn draws the figures all the same.")
        log.warning("%s. The figures are drawn all the same, as run.audit is warn.", sentence)
    write_passed(table["verdict"].tolist(), passed)


def _failure(failed: pd.DataFrame, audit: Path) -> str:
    checks = ", ".join(dict.fromkeys(failed["check"]))
    quoted = " ".join(failed["evidence"][:QUOTED])
    rest = len(failed) - QUOTED
    more = f" And {rest} more." if rest > 0 else ""
    return f"The audit failed ({checks}): {quoted}{more} See {audit}"

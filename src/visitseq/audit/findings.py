"""What a check of the audit found: a verdict, the evidence for it, and what to do.

A check answers one question about a part of the study (its windows, say) in one or more findings.
Its file findings.json is a list of objects with the keys of :class:`Finding`. A finding is counts,
shares and estimates with intervals; it never holds an id, a date of a patient or a row.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["pass", "warn", "fail"]

#: From the mildest to the gravest.
VERDICTS: tuple[Verdict, ...] = ("pass", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """One answer of a check.

    Attributes
    ----------
    question
        What was asked, a name in snake case that is the same in every study (``window_end``).
    verdict
        ``pass``; ``warn``, where a reader has to know of it; ``fail``, where the study's results
        should not be believed as they are.
    evidence
        What was found, in one sentence with its numbers.
    advice
        What to do; empty where it passed.
    numbers
        What the sentence says, by name: counts of persons below the minimum of the study do not
        stand here either.
    """

    question: str
    verdict: Verdict
    evidence: str
    advice: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write findings.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [asdict(finding) for finding in findings]
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_findings(path: Path) -> list[Finding]:
    """Read findings.json back."""
    return [Finding(**content) for content in json.loads(path.read_text(encoding="utf-8"))]


def write_passed(verdicts: Sequence[str], path: Path) -> None:
    """Write the passed.json of a gate: how many findings have each verdict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = {verdict: verdicts.count(verdict) for verdict in VERDICTS}
    path.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")

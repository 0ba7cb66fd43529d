"""The patient of the schematic figures, whom somebody made up: seven visits before an index date.

The days are shares of a task's observation window, so that they lie in it whatever its length.
"""

from collections.abc import Sequence
from typing import NamedTuple

#: When each visit is, as the share of the observation window that is left after it.
LEFT_AFTER = (0.95, 0.8, 0.66, 0.47, 0.3, 0.13, 0.04)


class Code(NamedTuple):
    """An invented code: its domain, its name and the group that it belongs to."""

    domain: str
    name: str
    group: str


_HYPERTENSION = Code("condition", "hypertension", "hypertension")
_LIPIDS = Code("condition", "cholesterol", "lipid disorders")
_DIABETES = Code("condition", "diabetes", "diabetes")
_BREATH = Code("condition", "dyspnoea", "breathing")
_OEDEMA = Code("condition", "oedema", "oedema")
_LISINOPRIL = Code("drug", "lisinopril", "ACE inhibitors")
_RAMIPRIL = Code("drug", "ramipril", "ACE inhibitors")
_ATORVASTATIN = Code("drug", "atorvastatin", "statins")
_METFORMIN = Code("drug", "metformin", "biguanides")
_FUROSEMIDE = Code("drug", "furosemide", "diuretics")
_ECG = Code("procedure", "ECG", "heart tests")
_ECHO = Code("procedure", "echocardiogram", "heart tests")
_XRAY = Code("procedure", "chest X-ray", "radiography")

#: The codes of each visit.
VISITS: tuple[tuple[Code, ...], ...] = (
    (_HYPERTENSION, _LISINOPRIL),
    (_ATORVASTATIN, _LIPIDS),
    (_HYPERTENSION, _RAMIPRIL),
    (_METFORMIN, _DIABETES),
    (_HYPERTENSION, _ECG),
    (_XRAY, _BREATH, _ECHO),
    (_OEDEMA, _FUROSEMIDE),
)


def visits_of(domains: Sequence[str]) -> list[list[Code]]:
    """Codes of each visit in ``domains``; a visit without any is none."""
    kept = [[code for code in visit if code.domain in domains] for visit in VISITS]
    return [visit for visit in kept if visit]


def rows_of(visits: Sequence[Sequence[Code]], vocabulary: str) -> dict[str, str]:
    """Names of the rows of the patient's vectors, by domain and first use, with their domains.

    Parameters
    ----------
    visits
        Codes of each visit.
    vocabulary
        codes or groups: what a row stands for.
    """
    codes = sorted((code for visit in visits for code in visit), key=lambda code: code.domain)
    return {row_of(code, vocabulary): code.domain for code in codes}


def row_of(code: Code, vocabulary: str) -> str:
    """The row in which a code has its 1."""
    return code.group if vocabulary == "groups" else code.name

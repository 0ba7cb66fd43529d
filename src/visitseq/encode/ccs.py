"""Clinical Classifications Software: one of 283 diagnosis categories for each ICD-9-CM code.

The single-level list of the Agency for Healthcare Research and Quality, whole, with its 15,072
codes (Appendix A, January 1980 to September 2015, revised 2016-03-24, public domain), is the data
file ``ccs_diagnoses.csv``. A code that is not in the list, such as a heading (428) that was never
to be billed, has no category.
"""

import re
from functools import cache

from visitseq.code_tables import read_rows

# As phenotypes read them: ICD9CM, ICD9 and the like, but not the procedures of ICD9Proc.
_ICD9 = re.compile(r"ICD9(?:[^P/][^/]*)?/([^/]+)")
# Without a vocabulary, what can be nothing else: 428.0, E880.1. ICD-10 has a letter first and two
# characters before the point; 4280 may be a local number and V10.1 is written in both.
_ICD9_ALONE = re.compile(r"([0-9]{3}\.[0-9]{1,2}|E[0-9]{3}\.[0-9])")


def ccs_category(source_code: str) -> int | None:
    """CCS category of an event's source code, None where it has none.

    Parameters
    ----------
    source_code
        ``<vocabulary>/<code>``, or a code alone. With the vocabulary any spelling is read (dots,
        case and blanks are nothing); without it only one that ICD-9-CM alone has.
    """
    spelt = re.sub(r"\s", "", source_code).upper()
    found = _ICD9.fullmatch(spelt) or _ICD9_ALONE.fullmatch(spelt)
    return None if found is None else _categories().get(found[1].replace(".", ""))


@cache
def ccs_labels() -> dict[int, str]:
    """Label of each category."""
    return {int(row["category"]): row["label"] for row in read_rows("ccs_diagnoses.csv")}


@cache
def _categories() -> dict[str, int]:
    """Category of each code, without its dot."""
    return {
        code.replace(".", ""): int(row["category"])
        for row in read_rows("ccs_diagnoses.csv")
        for code in row["codes"].split()
    }

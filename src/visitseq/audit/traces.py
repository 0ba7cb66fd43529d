"""What of a person may not stand in a file that is shared, and how each is told.

    id_column   a column or key that is named as an id and holds numbers
    date        a day of the calendar, or a column or key named as a date whose values are none of
                a number; a number such as 20101231 where the name or all values say so; the days
                that the configuration itself names are the study's own
    id          a number that is the id of a person or visit of the site
    small_cell  a number of persons, but 0, under the study's minimum

An id is looked for as a number of its own: of seven digits or more, not a decimal's and not a
concept's (``condition/316139``). Shorter ones look like counts, and so do those of a site that
numbers its persons through.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visitseq.audit.shared_files import Content
from visitseq.figures.small_cells import may_show

Integers = npt.NDArray[np.int64]

#: Digits from which on a number is taken for an id.
LONG_ID = 7
#: More ids among the numbers of so many digits than this share could be there by chance.
BY_CHANCE = 0.0001

ID_COLUMN, DATE, ID, SMALL_CELL = "id_column", "date", "id", "small_cell"

_ID_NAME = re.compile(
    r"^(subject|person|patient|set|visit|visit_occurrence|visit_detail|encounter|case|control|"
    r"provider|stay|hadm|admission)(_?ids?)$|^(case|control|mrn|person_source_value)$",
    re.IGNORECASE,
)
_DATE_NAME = re.compile(r"(^|_)(date|datetime|timestamp|time|birthday)$", re.IGNORECASE)
_COUNT_NAME = re.compile(
    r"^((training_|validation_)?(rows|cases|controls)|persons|patients|n|empty|censored|in_both)$"
)
#: Columns that say what a row holds, and in which column it stands.
_NAMED_VALUES = (("measure", "estimate"), ("quantity", "value"))
_NUMBER = re.compile(r"^-?\d+(\.\d+)?(e[+-]?\d+)?$", re.IGNORECASE)
_DAY = re.compile(
    r"(?<!\d)(?:1[89]|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?<![\d/])\d{1,2}/\d{1,2}/(?:1[89]|20)\d\d(?!\d)|/(?:Creation|Mod)Date\b"
    r"|(?<![\d.])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?:1[89]|20)\d\d(?!\.?\d)"
    r"|(?<![\d/])(?:1[89]|20)\d\d/(?:0[1-9]|1[0-2])/(?:0[1-9]|[12]\d|3[01])(?![\d/])"
)
#: A day without separators (20101231), which a count may look like too.
_BARE_DAY = re.compile(r"^(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\.0)?$")
# "731552084", "person_731552084", "731552084.0"; not "0.731552084" and no concept.
_LONG = re.compile(rf"(?<![A-Za-z0-9./])\d{{{LONG_ID},18}}(?![A-Za-z0-9]|\.0*[1-9])")
# "49", "1,150", "24 (49.0%)", "3 persons"; no mean and no year with quartiles.
_COUNT = re.compile(r"^(\d[\d,]*)(?: \(\d+(?:\.\d+)?%\)| persons)?$")
_COUNTED = re.compile(
    r"(?<![\w.,/<-])(\d[\d,]*)(?: of (?:the )?(\d[\d,]*))? "
    r"(?:persons?|patients?|cases?|controls?)\b(?! (?:a|an|per|each|for each) )"
)


@dataclass(frozen=True)
class Trace:
    """Something of a person: where it stands, what it is and how often; never what it says.

    ``field`` is the column or key, empty in a text.
    """

    file: str
    field: str
    kind: str
    count: int


@dataclass(frozen=True, eq=False)
class Known:
    """What the study knows.

    Attributes
    ----------
    ids
        The ids of persons and visits that can be told from counts, sorted, shape (ids,).
    days
        Days of the calendar that the configuration names.
    minimum
        Smallest number of persons that may show.
    """

    ids: Integers
    days: frozenset[str]
    minimum: int


def tellable(ids: Integers, codes: Integers) -> Integers:
    """Give the ids that can be told from counts and from codes, without their sign, sorted.

    Parameters
    ----------
    ids
        Of persons and visits.
    codes
        Concepts of the site's codes.
    """
    numbers = np.setdiff1d(np.abs(ids), codes)
    digits = np.searchsorted(10 ** np.arange(19, dtype=np.int64), numbers, side="right")
    held = np.bincount(digits, minlength=20)
    there_are = 9.0 * 10.0 ** np.arange(-1, 19)
    can_be_told = (np.arange(20) >= LONG_ID) & (held <= BY_CHANCE * there_are)
    return numbers[can_be_told[digits]]


def traces(file: str, content: Content, known: Known, *, cells: bool) -> Iterator[Trace]:
    """Everything of a person in a file; numbers of persons only where ``cells``."""
    for name, values in content.fields.items():
        for kind, count in _of_field(name, values, known, cells=cells):
            if count:
                yield Trace(file, name, kind, count)
    small = sum(_is_small(value, known.minimum) for value in _named_counts(content))
    if cells and small:
        yield Trace(file, "measure", SMALL_CELL, small)
    named = {value for values in content.fields.values() for value in values}
    texts = [text for text in content.texts if text not in named]
    for kind, count in _of_values(texts, known, cells=cells):
        if count:
            yield Trace(file, "", kind, count)


def _named_counts(content: Content) -> Iterator[str]:
    """Numbers of persons of a table whose rows say what they are."""
    for measure, value in _NAMED_VALUES:
        names, values = (content.fields.get(column, []) for column in (measure, value))
        yield from (
            own for name, own in zip(names, values, strict=False) if _COUNT_NAME.match(name)
        )


def days_in(texts: Iterable[str]) -> frozenset[str]:
    """Days of the calendar that texts name, and numbers that could be one."""
    texts = list(texts)
    named = frozenset(day for text in texts for day in _DAY.findall(text))
    return named | {text for text in texts if _BARE_DAY.match(text)}


def _of_field(
    name: str, values: list[str], known: Known, *, cells: bool
) -> Iterator[tuple[str, int]]:
    if _ID_NAME.match(name):
        yield ID_COLUMN, sum(bool(_NUMBER.match(value)) for value in values)
    if _DATE_NAME.search(name):
        # A duration is a number.
        written = [value for value in values if value not in ("", "None", "null")]
        yield DATE, sum(not _NUMBER.match(v) and not _is_own(v, known) for v in written)
    else:
        yield from _of_values(values, known, cells=False, kinds=(DATE,))
    yield DATE, _bare_days(name, values, known)
    yield from _of_values(values, known, cells=False, kinds=(ID,))
    if cells:
        small = [_is_small(value, known.minimum) for value in values]
        yield SMALL_CELL, sum(small) if _COUNT_NAME.match(name) else _sentences(values, known)


def _bare_days(name: str, values: list[str], known: Known) -> int:
    """How many values are days without separators: in a field of dates, or of nothing else."""
    written = [value for value in values if value not in ("", "None", "null", "nan")]
    days = [value for value in written if _BARE_DAY.match(value)]
    are_all = len(days) > 1 and len(days) == len(written)
    if not (are_all or _DATE_NAME.search(name)):
        return 0
    return sum(day not in known.days for day in days)


def _of_values(
    texts: Iterable[str], known: Known, *, cells: bool, kinds: tuple[str, ...] = (DATE, ID)
) -> Iterator[tuple[str, int]]:
    texts = list(texts)
    if DATE in kinds:
        yield DATE, sum(day not in known.days for text in texts for day in _DAY.findall(text))
    if ID in kinds:
        yield ID, _known_ids(texts, known.ids)
    if cells:
        yield SMALL_CELL, _sentences(texts, known)


def _known_ids(texts: Iterable[str], ids: Integers) -> int:
    """How many numbers of texts are ids."""
    numbers = [int(token) for text in texts for token in _LONG.findall(text)]
    return int(np.isin(np.array(numbers, dtype=np.int64), ids).sum())


def _is_own(value: str, known: Known) -> bool:
    return value[:10] in known.days


def _is_small(value: str, minimum: int) -> bool:
    number = _COUNT.match(value)
    return number is not None and not may_show(_integer(number[1]), minimum)


def _sentences(texts: Iterable[str], known: Known) -> int:
    """How many small numbers of persons are written out ("3 cases", "3 of 250 controls")."""
    numbers = (number for text in texts for pair in _COUNTED.findall(text) for number in pair)
    return sum(not may_show(_integer(number), known.minimum) for number in numbers)


def _integer(text: str) -> int:
    return int(text.replace(",", "") or 0)

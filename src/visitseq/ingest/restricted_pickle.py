"""Read pickles of lists and numbers, and run nothing.

Doctor AI's released code keeps its data in pickles, and a pickle is a program: it can name any
function and call it. Whatever is named is looked up through ``find_class``, which here always
refuses, so that nothing but plain lists, dictionaries, strings and numbers can come out and nothing
can be called. What comes out is then checked to the last entry.

A few bytes can ask for more memory than there is, in two ways. A pickle numbers its lists to point
to them again, and the unpickler makes room up to the largest number: so all steps are looked
through before any is taken, and one that no such list has, or a number above that of the steps so
far, is refused. And many places may point to one list: a pickle that unfolds to more entries than
the file has bytes, which no plain list does, is refused before it is unfolded.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from visitseq.errors import UserError

#: What the unpickler raises on bytes that are no such pickle.
_BROKEN = (
    *(pickle.UnpicklingError, EOFError, ArithmeticError, AttributeError, LookupError),
    *(MemoryError, TypeError, ValueError),
)

_REMEDY = (
    "Only lists of plain numbers are read (and for the types a dictionary of strings to whole "
    "numbers); of arrays or numbers of NumPy write array.tolist() instead."
)

#: The steps of a pickle of lists, dictionaries, strings and numbers, by what they do; of tuples and
#: booleans too, of which is said what they stand in the place of.
_STEPS = frozenset(
    (
        *("PROTO", "FRAME", "MARK", "STOP", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
        *("GET", "BINGET", "LONG_BINGET", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
        *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "INT", "BININT", "BININT1", "BININT2"),
        *("LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"),
        *("SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWTRUE", "NEWFALSE"),
    )
)

#: The steps that number what was made, with the number.
_NUMBERING = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))

#: Name of each step, by its byte, and what reads its argument. pickletools takes a text for ASCII,
#: which that of Python 2 need not be: it is one line.
_READERS = {
    step.code.encode("latin-1"): (
        step.name,
        io.BytesIO.readline if step.name == "STRING" else step.arg and step.arg.reader,
    )
    for step in pickletools.opcodes
    if step.name in _STEPS
}

#: Half of a character of UTF-16, which no text that is written may hold.
_NO_TEXT = re.compile("[\ud800-\udfff]")

#: Codes are numbered with 32 bits.
_LARGEST = 2**31 - 1


class _Plain(pickle.Unpickler):
    """Unpickler to which nothing can be named."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        """Refuse: lists and numbers are never looked up by name."""
        raise pickle.UnpicklingError("a name")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        """Refuse: lists and numbers do not lie elsewhere."""
        raise pickle.UnpicklingError("a reference")


def read_visits(path: Path) -> list[list[list[int]]]:
    """Read a visit file: the code numbers of each visit of each patient.

    Raises
    ------
    UserError
        The file is anything but a list of patients, each a list of visits, each a list of whole
        numbers from 0 on.
    """
    content = _load(path)
    patients = _lists(path, [content], "patients")
    visits = _lists(path, patients, "visits")
    codes = _lists(path, visits, "codes")
    _check_numbers(path, codes, (int,), "codes", "a whole number")
    if codes and not 0 <= min(codes) <= max(codes) <= _LARGEST:
        raise UserError(f"{path}: a code is below 0 or above {_LARGEST}. Number codes from 0 on.")
    return content  # type: ignore[no-any-return]


def read_times(path: Path) -> list[list[float]]:
    """Read a time file: the days since the visit before, of each visit of each patient.

    Raises
    ------
    UserError
        The file is anything but a list of patients, each a list of numbers.
    """
    content = _load(path)
    times = _lists(path, _lists(path, [content], "patients"), "times")
    _check_numbers(path, times, (int, float), "times", "a number")
    # A whole number may be too large for any array; which days may be is asked later.
    if any(type(time) is int and abs(time) > _LARGEST for time in times):
        raise UserError(f"{path}: a time is beyond {_LARGEST}. Write days since the visit before.")
    return content  # type: ignore[no-any-return]


def read_types(path: Path) -> dict[str, int]:
    """Read a types file: the number of each code, by its name.

    Raises
    ------
    UserError
        The file is anything but a dictionary of names to numbers, no two the same.
    """
    content = _load(path)
    if type(content) is not dict:
        raise UserError(f"{path} is no dictionary of code names to numbers. {_REMEDY}")
    _check_numbers(path, list(content), (str,), "names", "a string")
    if any(map(_NO_TEXT.search, content)):
        raise UserError(f"{path}: a name holds half a character. Write the names as UTF-8.")
    _check_numbers(path, list(content.values()), (int,), "numbers", "a whole number")
    if len(set(content.values())) < len(content):
        repeated = len(content) - len(set(content.values()))
        raise UserError(f"{path}: {repeated} codes have the number of another. Number each once.")
    return content


def _load(path: Path) -> Any:
    try:
        content = path.read_bytes()
        _look_through(io.BytesIO(content))
        # Python 2 wrote strings as bytes of no stated encoding: Latin-1 reads all of them.
        return _Plain(io.BytesIO(content), encoding="latin-1").load()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except _BROKEN:
        # What the unpickler says may hold what the file says: it is not passed on.
        raise UserError(
            f"{path} is no pickle of plain lists and numbers, or broke off; nothing of it was run. "
            f"{_REMEDY}"
        ) from None


def _look_through(file: io.BytesIO) -> None:
    """Raise unless each step to the end is one of ``_STEPS``, with numbers that it can need."""
    name, steps = "", 0
    while name != "STOP":
        name, reader = _READERS.get(file.read(1), ("", None))
        argument: Any = reader(file) if reader else None
        steps += 1
        if not name or (name in _NUMBERING and argument > steps):
            raise pickle.UnpicklingError("a step")


def _lists(path: Path, lists: Collection[Any], inside: str) -> list[Any]:
    """Entries of ``lists``, one after the other; each of them must be a list."""
    wrong = [place for place, each in enumerate(lists) if type(each) is not list]
    if wrong:
        raise UserError(
            f"{path}: {_count(lists, len(wrong), 'is', 'are')} no list of {inside} (the first is "
            f"number {wrong[0] + 1}). A visit file is a list of patients, each a list of visits, "
            f"each a list of codes; a time file has a number for each visit. {_REMEDY}"
        )
    entries = sum(map(len, lists))
    if entries > path.stat().st_size:
        raise UserError(f"{path} unfolds to {entries} {inside}, more than it has bytes; refused.")
    return list(chain.from_iterable(lists))


def _count(lists: Collection[Any], wrong: int, one: str, many: str) -> str:
    return f"{wrong} of {len(lists)} entries {one if wrong == 1 else many}"


def _check_numbers(
    path: Path, values: Iterable[Any], types: tuple[type, ...], inside: str, wanted: str
) -> None:
    """Raise unless each of ``values`` is exactly of one of ``types``: True is no whole number."""
    found = list(map(type, values))
    if set(found) <= set(types):
        return
    wrong = [place for place, each in enumerate(found) if each not in types]
    raise UserError(
        f"{path}: {len(wrong)} of {len(found)} {inside} are not each {wanted} (the first is number "
        f"{wrong[0] + 1}). {_REMEDY}"
    )

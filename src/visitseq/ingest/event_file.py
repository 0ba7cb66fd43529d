"""events.parquet, written from blocks of events while the next ones are prepared.

The bytes depend on the rows alone, not on where one block ends.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.errors import UserError
from visitseq.ingest.event_counts import EventCounts, NumberedCodes
from visitseq.tables import EVENTS

_ROW_GROUP = 122_880  # rows; small enough that a block of persons is found without a whole scan
#: Readers skip row groups by their persons, and look at no other column's least and greatest value.
_FORM = {
    "compression": "zstd",
    "use_dictionary": ["code", "source_code"],
    "write_statistics": ["subject_id"],
    "store_schema": False,
}
_CODE = EVENTS.get_field_index("code")
#: The names that the numbers of the codes stand for are written once a row group, not once a row.
_NAMED = EVENTS.set(_CODE, pa.field("code", pa.dictionary(pa.int32(), pa.string())))

_NUMBERED = EVENTS.set(_CODE, pa.field("code_id", pa.int32()))


class EventFile:
    """The file while it is written; ``open_event_file`` opens it.

    Parameters
    ----------
    counts
        What the events hold that were appended.
    """

    def __init__(
        self, writer: pq.ParquetWriter, codes: NumberedCodes, writing: ThreadPoolExecutor
    ) -> None:
        self.counts = EventCounts(codes)
        self._codes, self._writer, self._writing = codes.code, writer, writing
        self._block: Future[None] | None = None
        self._rest: list[pa.Table] = []

    def append(self, events: pa.Table) -> None:
        """Append the events of persons who come after all that were appended before.

        Returns before they are written, and waits where the block before them is not.

        Parameters
        ----------
        events
            Sorted, each once (``sort_events``); has the columns of ``tables.EVENTS``, ``code_id``
            in the place of ``code``.
        """
        self.counts.add(events)
        self._wait()
        self._rest.append(events.select(_NUMBERED.names))
        self._block = self._writing.submit(self._write_groups, last=False)

    def close(self) -> None:
        """Wait until all events are written."""
        self._wait()
        self._write_groups(last=True)

    def _wait(self) -> None:
        if self._block is not None:
            self._block.result()

    def _write_groups(self, *, last: bool) -> None:
        """Write what is left in whole row groups, and what is left of it if nothing comes after."""
        rest = pa.concat_tables([_NUMBERED.empty_table(), *self._rest])
        whole = len(rest) if last else len(rest) - len(rest) % _ROW_GROUP
        for start in range(0, whole, _ROW_GROUP):
            # In one piece: the writer's pages end where pieces end, which is where blocks do.
            group = rest.slice(start, min(_ROW_GROUP, whole - start)).combine_chunks()
            self._writer.write_table(_named(group, self._codes), row_group_size=_ROW_GROUP)
        self._rest = [rest.slice(whole)]


@contextmanager
def open_event_file(path: Path, codes: NumberedCodes) -> Iterator[EventFile]:
    """Open the file ``path``, events.parquet, for blocks of events.

    Parameters
    ----------
    path
        File events.parquet.
    codes
        The code that each ``code_id`` stands for.

    Raises
    ------
    UserError
        The file cannot be written, or another one while it is open.
    """
    try:
        with (
            pq.ParquetWriter(path, _NAMED, **_FORM) as writer,
            ThreadPoolExecutor(max_workers=1) as writing,
        ):
            file = EventFile(writer, codes, writing)
            yield file
            file.close()
    except OSError as error:
        raise UserError(
            f"{path} or a table beside it cannot be written ({type(error).__name__}). Is there "
            "room on the disk, and may files be made in that folder?"
        ) from error


def _named(events: pa.Table, codes: pa.Array) -> pa.Table:
    """Events with the names of their codes, of which a row group holds only those it needs."""
    code_id = events["code_id"].to_numpy()
    is_there = np.zeros(len(codes), dtype=bool)
    is_there[code_id] = True
    place = np.cumsum(is_there, dtype=np.int32) - np.int32(1)
    names = codes.take(pa.array(np.flatnonzero(is_there)))
    code = pa.DictionaryArray.from_arrays(place[code_id], names)
    return events.set_column(_CODE, _NAMED.field(_CODE), code).cast(_NAMED)

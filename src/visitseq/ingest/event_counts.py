"""What is counted of events: how many have each code, and each person's first and last."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.tables import TIME

#: A person is observed at events of these domains: births, sexes, deaths, ends and sites are none.
_OBSERVED = ("visit", "condition", "drug", "procedure", "measurement", "observation")
_SEEN = pa.schema([("subject_id", pa.int64()), ("first_event", TIME), ("last_event", TIME)])


@dataclass(frozen=True)
class NumberedCodes:
    """The codes that a site's events may have, by ``code_id``, their place when sorted by bytes.

    Parameters
    ----------
    code
        Shape (codes,).
    domain
        What the code begins with, shape (codes,).
    """

    code: pa.Array
    domain: pa.Array


class EventCounts:
    """How many events have each code; each person's first and last event."""

    def __init__(self, codes: NumberedCodes) -> None:
        self._codes = codes
        observed = pc.is_in(codes.domain, pa.array(_OBSERVED))
        self._is_observed: npt.NDArray[np.bool_] = observed.to_numpy(zero_copy_only=False)
        self._events = np.zeros(len(codes.code), dtype=np.int64)
        self._persons: list[pa.Table] = []

    def add(self, events: pa.Table) -> None:
        """Count events that are sorted by subject_id and time; no person may come again."""
        code_id = events["code_id"].to_numpy()
        self._events += np.bincount(code_id, minlength=len(self._events))
        observed = np.flatnonzero(self._is_observed[code_id] & events["time"].is_valid().to_numpy())
        subject_id = events["subject_id"].to_numpy()[observed]
        if len(observed):
            changes = np.flatnonzero(subject_id[1:] != subject_id[:-1])
            first, last = np.append(0, changes + 1), np.append(changes, len(observed) - 1)
            times = [events["time"].take(pa.array(observed[rows])) for rows in (first, last)]
            self._persons.append(pa.table([subject_id[first], *times], schema=_SEEN))

    def of_codes(self) -> pa.Table:
        """One row a code that an event has: code, domain, events."""
        found = np.flatnonzero(self._events)
        return pa.table(
            {
                "code": self._codes.code.take(pa.array(found)),
                "domain": self._codes.domain.take(pa.array(found)),
                "events": self._events[found],
            }
        )

    def of_persons(self) -> pa.Table:
        """One row a person who is observed: subject_id, first_event, last_event."""
        return pa.concat_tables([_SEEN.empty_table(), *self._persons])

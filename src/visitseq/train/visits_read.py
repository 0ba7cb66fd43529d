"""Which of a row's visits a network reads, and in which order: in training as in scoring.

A network can be asked to do without something, to see what it is worth: it is trained and scored
on what is left. ``visits`` in its section says

    in_order   every visit, as it came
    last       the last visit alone
    shuffled   the visits' codes in random order

Shuffling moves whole visits (the codes of one stay together) and leaves every duration at its
place, so that neither the order nor the timing of a code is told, but which codes came in how many
visits and when there were visits is. The order hangs on the run's seed, the subject and the visit's
place alone: it is the same in training and in scoring, whoever else is in the batch.

A transformer reads the ``longest`` most recent visits of a row, for memory; these are picked before
they are shuffled. With one step a code, ``last`` leaves all codes of the last visit, which share
their days to the index (no two visits begin on one day); ``shuffled`` and ``longest`` go by code.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from visitseq.cohort.parts import hash_ids
from visitseq.encode.sequences import Integers, Sequences, gather_lists

log = logging.getLogger(__name__)


def visits_read(sequences: Sequences, model: Mapping[str, Any], seed: int) -> Sequences:
    """Sequences as the network of a model's section reads them; the same rows.

    Parameters
    ----------
    sequences
        Rows of visits.arrow.
    model
        The model's section of the configuration; ``visits`` is used, and ``longest`` if it is
        there.
    seed
        The run's; decides the order of shuffled visits.
    """
    if model["visits"] == "last":
        sequences = last_visit(sequences)
    if "longest" in model:
        sequences = most_recent(sequences, model["longest"])
    return shuffled(sequences, seed) if model["visits"] == "shuffled" else sequences


def last_visit(sequences: Sequences) -> Sequences:
    """Sequences without what comes before the last visit of each row."""
    places, ends = _places_and_ends(sequences)
    days = sequences.days_to_index
    return _with_kept(sequences, days[places] == days[ends - 1])


def most_recent(sequences: Sequences, longest: int) -> Sequences:
    """Sequences without what comes before the last ``longest`` visits of each row."""
    places, ends = _places_and_ends(sequences)
    kept = ends - places <= longest
    if kept.all():
        return sequences
    log.info(
        "%d of %d visits are not read: %d rows have more than %d, and the most recent count",
        np.sum(~kept),
        len(kept),
        np.sum(sequences.lengths > longest),
        longest,
    )
    return _with_kept(sequences, kept)


def shuffled(sequences: Sequences, seed: int) -> Sequences:
    """Sequences with the codes of each row's visits in random order, the days at their places."""
    rows = np.repeat(np.arange(len(sequences)), sequences.lengths)
    places, _ = _places_and_ends(sequences)
    steps = places - sequences.visit_offsets[rows]
    of_subject = hash_ids(sequences.subject_id, seed)[rows].view(np.int64)
    keys = hash_ids(of_subject ^ steps, seed)
    order = places[np.lexsort([keys, rows])]
    offsets = sequences.visit_offsets - sequences.visit_offsets[0]
    return _with_visits(sequences, order, places, offsets)


def _places_and_ends(sequences: Sequences) -> tuple[Integers, Integers]:
    """Place of every visit, and the place after the last of its row, shape (visits,)."""
    offsets = sequences.visit_offsets
    return np.arange(offsets[0], offsets[-1]), np.repeat(offsets[1:], sequences.lengths)


def _with_kept(sequences: Sequences, kept: npt.NDArray[np.bool_]) -> Sequences:
    """The same rows with some of their visits, copied."""
    before = np.concatenate([[0], np.cumsum(kept)])
    visits = sequences.visit_offsets[0] + np.flatnonzero(kept)
    visit_offsets = before[sequences.visit_offsets - sequences.visit_offsets[0]]
    return _with_visits(sequences, visits, visits, visit_offsets)


def _with_visits(
    sequences: Sequences, codes_of: Integers, days_of: Integers, visit_offsets: Integers
) -> Sequences:
    """The same rows with other visits, copied: the codes of some and the days of some."""
    entries, code_offsets = gather_lists(sequences.code_offsets, codes_of)
    codes: npt.NDArray[np.int32] = sequences.codes[entries]
    return replace(
        sequences,
        visit_offsets=visit_offsets,
        code_offsets=code_offsets,
        codes=codes,
        days=sequences.days[days_of],
        days_to_index=sequences.days_to_index[days_of],
    )

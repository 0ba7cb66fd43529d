"""The likeliest labels of the next visit, best first, ties by id.

Of what a model says of each label a key is made, a whole number that no other label of the visit
has, so that the order is one alone:

    network          the bits of its number, in the order of the numbers; then the smaller id
    most_frequent    in how many of the person's visits so far the label stands; then the smaller id
    last_visit       whether the last visit holds the label; then the smaller id
    and then, of labels that the visits lack, the one of more training visits; then the smaller id

Where a model came from another hospital, only labels that it may be asked for there are ranked.

The visits are taken in chunks: keys of all visits and labels are never held together.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from visitseq.encode.histories import Histories
from visitseq.encode.sequences import Integers, code_positions, drop_unknown, gather_lists
from visitseq.errors import UserError
from visitseq.evaluate.recall import CUTS
from visitseq.models.batches import collate, pack_visits
from visitseq.models.chunked_losses import CELLS
from visitseq.train.next_visit import NextVisitModel
from visitseq.train.shuffled_batches import batches_by_length

#: Rows that a network reads at once.
BATCH = 128

Places = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


def asked_visits(histories: Histories, rows: Integers) -> Integers:
    """Visits that are predicted: all of ``rows`` (ascending) but the first of each."""
    visits, offsets = gather_lists(histories.visit_offsets, rows)
    return np.delete(visits, offsets[:-1])


def likeliest(
    model: NextVisitModel,
    histories: Histories,
    rows: Integers,
    ranked: npt.NDArray[np.int32] | None = None,
) -> tuple[Places, Floats | None]:
    """Predict each visit of ``rows`` (ascending) but the first from those before it.

    Parameters
    ----------
    model, histories, rows
        The model, the visits, and the rows whose visits are predicted.
    ranked
        Ids of the labels that may be named, of those that the model knows; None for all of them.

    Returns
    -------
    top, log_days
        Ids of the 30 likeliest labels (fewer where fewer are ranked), shape (visits, 30); and the
        logarithm of the days that are expected, shape (visits,), None from a model without.

    Raises
    ------
    UserError
        A network gives a visit's labels or days no finite number.
    """
    known = model.known_labels
    among = np.arange(len(known)) if ranked is None else np.flatnonzero(np.isin(known, ranked))
    if model.network is None:
        return known[among[_by_counts(model, histories, rows, among)]], None
    places, log_days = _by_network(model, histories, rows, among)
    return known[among[places]], log_days


def _by_network(
    model: NextVisitModel, histories: Histories, rows: Integers, among: Integers
) -> tuple[Places, Floats]:
    """Places in ``among``, and the logarithm of the days."""
    asked, width = asked_visits(histories, rows), _width(among)
    top, log_days = np.empty((len(asked), width), np.int32), np.empty(len(asked), np.float32)
    network = model.network
    assert network is not None
    unusable = 0
    with torch.inference_mode():
        for places in batches_by_length(histories.lengths[rows], BATCH):
            of_batch = rows[places]
            ends = histories.visit_offsets[of_batch + 1] - 1
            _, visits, _ = pack_visits(histories, of_batch, ends)
            found = np.searchsorted(asked, visits + 1)
            states = network(collate(histories, of_batch, model.known, ends))
            days = network.log_days(states)
            log_days[found] = days.numpy()
            for chunk in _chunks(len(states), len(network.head.bias)):
                numbers = network.numbers(states[chunk])
                finite = numbers.isfinite().all(dim=1) & days[chunk].isfinite()
                unusable += int((~finite).sum())
                keys = number_keys(numbers[:, among])
                top[found[chunk]] = keys.topk(width).indices.numpy()
    if unusable:
        raise UserError(
            f"The model gives {unusable} visits no finite numbers: its training diverged. Train it "
            "with a smaller learning rate or a stronger penalty."
        )
    return top, log_days


def number_keys(numbers: torch.Tensor) -> torch.Tensor:
    """Keys of float32 numbers: larger for a larger number, and for the first of equal ones."""
    bits = (numbers + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # of a negative number all bits but the sign's
    return ordered.long().mul_(1 << 32).sub_(torch.arange(numbers.shape[1]))


def _by_counts(
    model: NextVisitModel, histories: Histories, rows: Integers, among: Integers
) -> Places:
    """Places in ``among``."""
    labels, width = len(model.known_labels), _width(among)
    rank = np.empty(labels, dtype=np.int64)
    rank[np.argsort(-model.label_visits, kind="stable")] = np.arange(labels)
    top = [
        torch.from_numpy(np.where(counts > 0, (counts << 32) - np.arange(labels), -rank)[:, among])
        .topk(width)
        .indices.numpy()
        for counts in _counts(model, histories, rows)
    ]
    return np.concatenate([np.empty((0, width), np.int64), *top]).astype(np.int32)


def _counts(
    model: NextVisitModel, histories: Histories, rows: Integers
) -> Iterator[npt.NDArray[np.int64]]:
    """What is counted of each label up to each visit that is read, in chunks of visits.

    Counts run on over all visits; a row's are those since its first.
    """
    read = asked_visits(histories, rows) - 1
    firsts = np.searchsorted(read, histories.visit_offsets[rows])
    first = np.repeat(firsts, np.diff(np.append(firsts, len(read))))
    running = base = np.zeros(len(model.known_labels), dtype=np.int64)
    for chunk in _chunks(len(read), len(model.known_labels)):
        held = _held(model, histories, read[chunk])
        if model.kind == "last_visit":
            yield held
            continue
        before = np.concatenate([running[None], running + np.cumsum(held, axis=0)])
        place = first[chunk, None] - chunk.start
        bases = np.where(place < 0, base, before[np.maximum(place[:, 0], 0)])
        yield before[1:] - bases
        running, base = before[-1], bases[-1]


def _held(model: NextVisitModel, histories: Histories, visits: Integers) -> npt.NDArray[np.int64]:
    """Which known labels some visits hold, 0 or 1, shape (visits, labels)."""
    entries, offsets = gather_lists(histories.label_offsets, visits)
    positions = code_positions(histories.labels[entries], model.known_labels)
    places, ends = drop_unknown(positions, offsets)
    held = np.zeros((len(visits), len(model.known_labels)), dtype=np.int64)
    held[np.repeat(np.arange(len(visits)), np.diff(ends)), places] = 1
    return held


def _width(among: Integers) -> int:
    return min(CUTS[-1], len(among))


def _chunks(visits: int, labels: int) -> Iterator[slice]:
    size = max(1, CELLS // max(labels, 1))
    return (slice(start, min(start + size, visits)) for start in range(0, visits, size))

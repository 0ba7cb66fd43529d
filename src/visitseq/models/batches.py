"""A batch of visit sequences as tensors, packed: nothing is padded.

A recurrent network takes one step of all sequences at a time. The rows are sorted by their number
of visits, the longest first, so that those which still have a visit t are the first
``batch_sizes[t]``; the visits stand step by step:

    step 0: visit 0 of the longest row, visit 0 of the next one, …    (batch_sizes[0] visits)
    step 1: visit 1 of the longest row, …                             (batch_sizes[1] visits)

That is the layout of torch.nn.utils.rnn.PackedSequence. Rows without a visit come last and take
part in no step. All of it is index arithmetic on whole arrays; there is no loop over visits.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from visitseq.encode.sequences import (
    Integers,
    VisitLists,
    code_positions,
    drop_unknown,
    gather_lists,
)


@dataclass(frozen=True, eq=False)
class Batch:
    """The visits of some rows, step by step.

    Attributes
    ----------
    codes
        Places of the known codes among the fold's codes, int64, shape (codes,).
    code_offsets
        First code of each visit, and the number of codes at the end, shape (visits + 1,). A visit
        of unknown codes alone is an empty list: a one-hot row of zeros.
    durations
        log(days + 1), float32, shape (visits,): the days from the visit to the index, or where
        there is no index, since the visit before.
    batch_sizes
        Rows that have a visit 0, a visit 1, …, int64, shape (steps,).
    ranks
        Place of each row, in the order in which they were asked for, among the rows sorted by
        length; shape (rows,).
    """

    codes: torch.Tensor
    code_offsets: torch.Tensor
    durations: torch.Tensor
    batch_sizes: torch.Tensor
    ranks: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """Copy on ``device``, or this one if it is there; batch_sizes stay on the CPU for torch."""
        moved = ("codes", "code_offsets", "durations", "ranks")
        return replace(self, **{name: getattr(self, name).to(device) for name in moved})


def collate(
    sequences: VisitLists,
    rows: Integers,
    known: npt.NDArray[np.int32],
    ends: Integers | None = None,
) -> Batch:
    """Pack the visits of ``rows``; the fold knows the codes ``known`` (ascending ids).

    ``ends`` names for each row the first visit that is not packed; by default all are.
    """
    ends = sequences.visit_offsets[rows + 1] if ends is None else ends
    order, visits, batch_sizes = pack_visits(sequences, rows, ends)
    entries, offsets = gather_lists(sequences.code_offsets, visits)
    codes, offsets = drop_unknown(code_positions(sequences.codes[entries], known), offsets)
    return Batch(
        codes=torch.from_numpy(codes),
        code_offsets=torch.from_numpy(offsets),
        # Choi et al., JAMIA 2017, Methods: the logarithm of the days from event to index date.
        durations=torch.from_numpy(np.log1p(sequences.durations[visits])),
        batch_sizes=torch.from_numpy(batch_sizes),
        ranks=torch.from_numpy(np.argsort(order)),
    )


def pack_visits(
    sequences: VisitLists, rows: Integers, ends: Integers
) -> tuple[Integers, Integers, Integers]:
    """Lay out the visits of ``rows`` before ``ends`` as ``collate`` packs them.

    Returns
    -------
    order, visits, batch_sizes
        Places of ``rows`` sorted by length, the longest first, shape (rows,); the visits step by
        step, shape (visits,); and how many each step has, shape (steps,).
    """
    lengths = ends - sequences.visit_offsets[rows]
    order = np.argsort(-lengths, kind="stable")
    return order, *_step_by_step(sequences.visit_offsets[rows[order]], lengths[order])


def _step_by_step(starts: Integers, lengths: Integers) -> tuple[Integers, Integers]:
    """Visits of rows sorted by descending length, step by step, and how many each step has."""
    steps = np.arange(lengths[0] if len(lengths) else 0)
    batch_sizes = len(lengths) - np.searchsorted(lengths[::-1], steps, side="right")
    first_of_step = np.cumsum(batch_sizes) - batch_sizes
    ranks = np.arange(batch_sizes.sum()) - np.repeat(first_of_step, batch_sizes)
    return starts[ranks] + np.repeat(steps, batch_sizes), batch_sizes

"""How a network of the next visit does at each epoch, on its validation and on the test rows.

The recall at 30 alone is taken of an epoch, and what was predicted is forgotten, but for that of
the epoch which is best on the test part. So a watched epoch costs no more than scoring the rows
once.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import nn

from visitseq.encode.histories import Histories
from visitseq.encode.sequences import Integers, gather_lists
from visitseq.evaluate.likeliest import asked_visits, likeliest
from visitseq.evaluate.next_visit import lay_out
from visitseq.models.next_visit import NextVisitNetwork
from visitseq.train.next_visit import NextVisitModel
from visitseq.transfer.arm_results import CurvePoint


class AskedRows(NamedTuple):
    """Rows whose visits are predicted, and what these hold.

    Attributes
    ----------
    rows
        The rows, ascending.
    visit, labels
        Place of its visit among those that are predicted, and id, of each label, shape (labels,).
    """

    rows: Integers
    visit: Integers
    labels: npt.NDArray[np.int32]

    @classmethod
    def of(cls, histories: Histories, rows: Integers) -> "AskedRows":
        """Look up what the visits of ``rows`` hold."""
        entries, offsets = gather_lists(histories.label_offsets, asked_visits(histories, rows))
        visit = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        return cls(rows, visit, histories.labels[entries])

    def recall(self, top: npt.NDArray[np.int32]) -> float | None:
        """Share of the labels that are in their visit's list; None without labels.

        Parameters
        ----------
        top
            Ids of the labels that are named for each visit, shape (visits, 30 at most).
        """
        hit = np.zeros(len(self.labels), dtype=np.bool_)
        for named in top.T:
            hit |= named[self.visit] == self.labels
        return float(hit.sum() / len(hit)) if len(hit) else None


class NextVisitCurve:
    """Scores a network when it is called on it: before the first step and after each epoch.

    Parameters
    ----------
    histories
        The visits of all rows.
    validation, test
        Rows that are scored; of the first there may be none.
    model
        What the network's model is, but for the network.
    """

    def __init__(
        self,
        histories: Histories,
        validation: AskedRows,
        test: AskedRows,
        model: NextVisitModel,
    ) -> None:
        self.histories, self.validation, self.test = histories, validation, test
        self.model = model
        self.points: list[CurvePoint] = []
        self.peak, self.peak_epoch = pa.table({}), 0

    def __call__(self, network: nn.Module) -> None:
        """Add a point."""
        assert isinstance(network, NextVisitNetwork)
        model = replace(self.model, network=network.eval())
        of_validation = None
        if len(self.validation.rows):
            named, _ = likeliest(model, self.histories, self.validation.rows)
            of_validation = self.validation.recall(named)
        top, log_days = likeliest(model, self.histories, self.test.rows)
        of_test = self.test.recall(top)
        best = max((point.test or 0.0 for point in self.points), default=-1.0)
        if (of_test or 0.0) > best:
            self.peak = lay_out(self.histories, self.test.rows, top, log_days)
            self.peak_epoch = len(self.points)
        self.points.append(CurvePoint(of_validation, of_test))

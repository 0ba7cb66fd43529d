"""How far a training is: a bar on a terminal, a line an epoch in the log.

The time left is that to the last epoch; a training that stops early needs less.
"""

import logging
import math
import sys
from time import perf_counter
from types import TracebackType

from tqdm import tqdm

from visitseq.train.losses import Losses

log = logging.getLogger(__name__)


class Progress:
    """Show the epochs of one training.

    Parameters
    ----------
    rows, epochs
        Rows of an epoch, and epochs at most.
    done
        Epochs that were run before (from a checkpoint).
    shown
        Whether this process shows anything at all. The bar stands on a terminal only.
    """

    def __init__(self, rows: int, epochs: int, done: int, *, shown: bool) -> None:
        self.rows, self.epochs, self.done, self.shown = rows, epochs, done, shown
        self.began = self.epoch_began = perf_counter()
        self.epochs_here = 0
        self.bar = tqdm(
            total=rows * epochs,
            initial=rows * done,
            desc=self._epoch(),
            unit="patient",
            leave=False,
            disable=not shown or not sys.stderr.isatty(),
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def advance(self, rows: int, loss: float) -> None:
        """Show that ``rows`` more rows are through, with their mean loss."""
        self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        self.bar.update(rows)

    def end_epoch(self, losses: Losses, chosen: int) -> None:
        """Log the epoch that ended and show the next."""
        now = perf_counter()
        self.done, self.epochs_here = self.done + 1, self.epochs_here + 1
        left = (self.epochs - self.done) * (now - self.began) / self.epochs_here
        validation = "none" if losses.validation is None else f"{losses.validation:.4f}"
        if self.shown:
            with tqdm.external_write_mode(file=sys.stderr):  # the bar makes room for the line
                log.info(
                    "epoch %d: training loss %.4f, validation loss %s, best epoch %d; "
                    "%.0f patients a second, at most %d s left",
                    self.done,
                    losses.training,
                    validation,
                    chosen,
                    self.rows / (now - self.epoch_began),
                    math.ceil(left),
                )
        self.epoch_began = now
        self.bar.set_description(self._epoch(), refresh=False)

    def _epoch(self) -> str:
        return f"epoch {min(self.done + 1, self.epochs)}/{self.epochs}"

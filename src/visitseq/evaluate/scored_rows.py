"""The scored rows of one part, in the order in which every metric reads them.

A rank metric sees the rows by falling score, and rows of equal score as one step: the cumulated
weight of cases and controls at the end of each run of ties is the ROC curve. Sorting once serves
all metrics and all bootstrap draws, because a draw changes weights and never scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.evaluate.bootstrap import Groups, resampling_groups, set_draws

Floats = npt.NDArray[np.float64]


def scores_of(predictions: pa.Table) -> tuple[Floats, Floats]:
    """Scores and probabilities of a predictions.parquet table, shape (rows,) each.

    Where ``predicted_boolean_probability`` is the rounded score in every row, the score is the
    probability, to all its digits; elsewhere the column is.
    """
    score = predictions["score"].to_numpy()
    column = predictions["predicted_boolean_probability"].to_numpy()
    is_score = np.array_equal(column, score.astype(np.float32))
    return score, score if is_score else column.astype(np.float64)


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows by falling score.

    Attributes
    ----------
    case
        Whether the row is a case, shape (rows,).
    score
        The model's score, higher for cases, shape (rows,).
    probability
        The probability that the model gives a case, rising or falling with the score throughout,
        shape (rows,). The score itself, where that is a probability.
    groups
        What the bootstrap draws: sets or persons.
    matched
        Whether the row belongs to a matched set, shape (rows,).
    place
        Where the row stands in the table that it comes from, shape (rows,).
    weight
        How much the row counts beside the others, above 0, shape (rows,); 1 but where rows are
        missing for which it stands (``censoring.py``).
    """

    case: npt.NDArray[np.bool_]
    score: Floats
    probability: Floats
    groups: Groups
    matched: npt.NDArray[np.bool_]
    place: npt.NDArray[np.intp]
    weight: Floats

    @classmethod
    def sort(
        cls,
        case: npt.NDArray[np.bool_],
        score: Floats,
        groups: Groups,
        matched: npt.NDArray[np.bool_],
        probability: Floats | None = None,
        *,
        weight: Floats | None = None,
    ) -> "ScoredRows":
        """Bring rows into falling order of score; ties keep their order.

        The score serves as probability where none is given; every row counts once without weights.
        """
        order = np.argsort(-score, kind="stable")
        return cls(
            case=case[order],
            score=score[order],
            probability=(score if probability is None else probability)[order],
            groups=Groups(groups.ids, groups.rows[order]),
            matched=matched[order],
            place=order,
            weight=np.ones(len(order)) if weight is None else weight[order],
        )

    @classmethod
    def from_predictions(cls, predictions: pa.Table) -> "ScoredRows":
        """Take the rows of a predictions.parquet table."""
        score, probability = scores_of(predictions)
        return cls.sort(
            case=predictions["boolean_value"].to_numpy(),
            score=score,
            probability=probability,
            groups=resampling_groups(predictions["set_id"], predictions["subject_id"]),
            matched=predictions["set_id"].is_valid().to_numpy(),
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.case)

    def take(self, chosen: npt.NDArray[np.bool_]) -> "ScoredRows":
        """Take some of the rows, with the draws that the whole has.

        Parameters
        ----------
        chosen
            Whether a row is taken, in the order of the table that the rows come from.
        """
        kept = chosen[self.place]
        return ScoredRows(
            case=self.case[kept],
            score=self.score[kept],
            probability=self.probability[kept],
            groups=Groups(self.groups.ids, self.groups.rows[kept]),
            matched=self.matched[kept],
            place=self.place[kept],
            weight=self.weight[kept],
        )

    @property
    def tie_ends(self) -> npt.NDArray[np.int64]:
        """Last row of each run of equal scores, shape (distinct scores,)."""
        return np.flatnonzero(np.append(self.score[1:] != self.score[:-1], True))

    def weights(self, draws: int, seed: int, fold: int) -> Iterator[Floats]:
        """Weights of the rows in each bootstrap draw, in chunks of shape (draws, rows)."""
        for counts in set_draws(self.groups.ids, draws, seed, fold, len(self)):
            yield counts[:, self.groups.rows] * self.weight

"""The rows of a landmark cohort, as a case-control model meets them.

A landmark row is a person on a day on which the score would be asked for. Its codes have the ids of
the landmark task's own vocabulary; the model knows those of the task that it was trained in. So the
visits are written in the model's vocabulary, code by code; a code that it lacks has an id that no
model knows, and is passed over like any unknown code.

Persons are what the bootstrap draws, all rows of a person together. A matched set of the
case-control sample belongs to its case: it is drawn as often as its case is. So one draw of persons
is a draw of both samples, and what the same cases do to both cancels out in a difference. What the
controls do to both is drawn twice: an interval of a difference is, if anything, too wide.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.outcomes import ONSET
from visitseq.encode.sequences import Sequences, open_batch, sequences_of
from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.censoring import OUTCOMES, Days, Words, censoring_weights
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.transfer.joint_vocabulary import join_vocabularies
from visitseq.transfer.translate import translate_lists

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


class Landmark(NamedTuple):
    """The files of a landmark task at a site.

    Attributes
    ----------
    visits, vocabulary
        Its visits.arrow and vocabulary.parquet.
    outcomes
        Its cohort's outcomes.parquet.
    evaluated
        Folder of what the same model is worth when trained on the landmark cohort itself
        (predictions.parquet, validation.parquet, metrics.json); None where the study has none.
    """

    visits: Path
    vocabulary: Path
    outcomes: Path
    evaluated: Path | None


@dataclass(frozen=True, eq=False)
class LandmarkRows:
    """The rows of one part, in cohort order, with what came of them.

    Attributes
    ----------
    sequences
        Their visits, in the model's vocabulary.
    days, outcome
        Of outcomes.parquet, shape (rows,).
    weight
        Inverse probability of censoring weights, 0 for a censored row, shape (rows,).
    """

    sequences: Sequences
    days: Days
    outcome: Words
    weight: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.days)

    def counts(self) -> dict[str, int]:
        """How many rows and persons there are, and how many rows had each outcome."""
        outcomes = {name: int(np.sum(self.outcome == name)) for name in OUTCOMES}
        return {"n": len(self), "persons": len(np.unique(self.sequences.subject_id)), **outcomes}

    def scored(self, score: Floats, probability: Floats, persons: Ids) -> ScoredRows:
        """Rows whose outcome is known, weighted, with ``persons`` (sorted) to be drawn."""
        rows = ScoredRows.sort(
            case=self.outcome == ONSET,
            score=score,
            groups=Groups(persons, np.searchsorted(persons, self.sequences.subject_id)),
            matched=np.zeros(len(self), dtype=np.bool_),
            probability=probability,
            weight=self.weight,
        )
        return rows.take(self.weight > 0)


class LandmarkParts(NamedTuple):
    """The rows that are tested, and those by which probabilities are recalibrated."""

    test: LandmarkRows
    validation: LandmarkRows


def landmark_rows(sequences: Sequences, outcomes: pa.Table, part: int) -> LandmarkRows:
    """Take the rows of a part; ``outcomes`` has a row for each of ``sequences``, in their order."""
    if not np.array_equal(outcomes["subject_id"].to_numpy(), sequences.subject_id):
        raise ValueError("outcomes.parquet and visits.arrow are not of the same rows")
    rows = sequences.rows_of_parts([part])
    days = outcomes["days"].to_numpy()[rows]
    outcome = np.array(outcomes["outcome"].to_pylist(), dtype=np.str_)[rows]
    return LandmarkRows(sequences.take(rows), days, outcome, censoring_weights(days, outcome))


def read_in_vocabulary(landmark: Landmark, vocabulary: Path) -> Sequences:
    """Read a landmark task's visits with the ids of another vocabulary.parquet."""
    ids = join_vocabularies(
        pq.read_table(vocabulary), pq.read_table(landmark.vocabulary), mapping=None
    ).ids
    batch = open_batch(landmark.visits)
    arrays = [
        translate_lists(batch.column(name), ids) if name == "visits" else batch.column(name)
        for name in batch.schema.names
    ]
    translated = pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
    return sequences_of(translated, landmark.visits)


def case_control_rows(predictions: pa.Table, landmark_persons: Ids) -> ScoredRows:
    """Rows of the case-control test part whose draws are those of the landmark's persons.

    Parameters
    ----------
    predictions
        Table of predictions.parquet.
    landmark_persons
        Persons of the landmark's test part, who are drawn together with the cases here.

    Returns
    -------
    ScoredRows
        Its ``groups.ids`` are the persons that are drawn, sorted.
    """
    rows = ScoredRows.from_predictions(predictions)
    drawn_by = _drawn_by(predictions)
    persons = np.union1d(drawn_by, landmark_persons)
    index = np.searchsorted(persons, drawn_by[rows.place])
    return ScoredRows(
        case=rows.case,
        score=rows.score,
        probability=rows.probability,
        groups=Groups(persons, index),
        matched=rows.matched,
        place=rows.place,
        weight=rows.weight,
    )


def _drawn_by(predictions: pa.Table) -> Ids:
    """The person with whom each row is drawn: the case of its set, or, without one, its own."""
    own: Ids = predictions["subject_id"].to_numpy()
    in_set = predictions["set_id"].is_valid().to_numpy()
    sets = predictions["set_id"].fill_null(-1).to_numpy()
    is_case = in_set & predictions["boolean_value"].to_numpy()
    order = np.argsort(sets[is_case], kind="stable")
    names, cases = sets[is_case][order], own[is_case][order]
    place = np.minimum(np.searchsorted(names, sets), max(len(names) - 1, 0))
    has_case = in_set & (len(names) > 0)
    has_case[has_case] = names[place[has_case]] == sets[has_case]
    return np.where(has_case, cases[place] if len(names) else own, own)

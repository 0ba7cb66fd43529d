"""Which codes and labels so many persons have that a model may leave with them.

A code that a handful of persons have could point at one of them: its name alone may, and so may
what the model learned of it. Persons are counted, not visits or rows, among the rows that the model
was trained on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.histories import read_histories
from visitseq.encode.sequences import Integers, VisitLists, gather_lists, read_visit_lists

Marks = npt.NDArray[np.bool_]


class Kept(NamedTuple):
    """Which of a model's known codes and known labels stay, in their order.

    ``labels`` is None of a model that predicts none.
    """

    codes: Marks
    labels: Marks | None


def kept_of(card: Mapping[str, Any], visits: Path, minimum: int) -> Kept:
    """What at least ``minimum`` persons have among those that a model was trained on.

    Parameters
    ----------
    card
        Contents of the model's model.json.
    visits
        File visits.arrow on which it was trained.
    minimum
        Smallest number of persons.
    """
    if "known_labels" not in card:
        lists = read_visit_lists(visits)
        persons = _persons(lists, card, lists.code_offsets, lists.codes)
        return Kept(persons[card["known"]] >= minimum, None)
    asked = read_histories(visits)
    codes = _persons(asked, card, asked.code_offsets, asked.codes)
    labels = _persons(asked, card, asked.label_offsets, asked.labels)
    return Kept(codes[card["known"]] >= minimum, labels[card["known_labels"]] >= minimum)


def parts_trained_on(card: Mapping[str, Any]) -> list[int]:
    """Parts of the site that a model's weights come from."""
    parts = training_parts(card["fold"], card["parts"])
    if card.get("task", {}).get("split") == "paper":
        parts.append(validation_part(card["fold"], card["parts"]))
    return parts


def persons_with(
    lists: VisitLists, rows: Integers, offsets: Integers, ids: Integers, size: int
) -> npt.NDArray[np.int64]:
    """How many persons among ``rows`` have each id in a visit, shape (size,).

    Parameters
    ----------
    lists
        The visits.
    rows
        Rows that count; a person may have several.
    offsets, ids
        What the visits hold: the first entry of each visit, and the entries, all below ``size``.
    """
    visits, row_ends = gather_lists(lists.visit_offsets, rows)
    entries, ends = gather_lists(offsets, visits)
    _, person = np.unique(lists.subject_id[rows], return_inverse=True)
    of_entry = np.repeat(person.astype(np.int64), np.diff(ends[row_ends]))
    pairs = np.unique(of_entry * size + ids[entries])
    return np.bincount(pairs % size, minlength=size)


def _persons(
    lists: VisitLists, card: Mapping[str, Any], offsets: Integers, ids: Integers
) -> npt.NDArray[np.int64]:
    """How many of those that the model was trained on have each id, shape (largest id + 1,)."""
    rows = lists.rows_of_parts(parts_trained_on(card))
    largest = max([*card["known"], *card.get("known_labels", []), int(ids.max(initial=0))])
    return persons_with(lists, rows, offsets, ids, largest + 1)

"""Why a model scores the test part as it does: the importance of each code.

A row's contribution of a code is the sum of what its occurrences in the row add to the row's logit
(``explainers``), in units of log-odds; 0 where the row does not hold the code. Over the rows of the
test part ``explain_model`` gives each code

    mean             mean contribution: whether the code raises the scores or lowers them
    mean_absolute    mean of its absolute value: how much the code moves the scores, either way
    mean_among       mean contribution among the rows that hold the code

each with its bootstrap interval. They describe the model, not the disease: a code may be important
because it stands for another one, and what cases and controls were matched on is in no code.

Nothing is written for a single person. ``explain_rows`` shows whom its caller asks for by id, and
no rule calls it.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.errors import UserError
from visitseq.evaluate.bootstrap import resampling_groups
from visitseq.evaluate.drawn_ratios import Terms, estimate_ratios
from visitseq.evaluate.explainers import Explainer, load_explainer
from visitseq.evaluate.integrated_gradients import code_rows, code_steps
from visitseq.models.batches import collate
from visitseq.train.model_folder import read_card
from visitseq.train.scoring import BATCH
from visitseq.train.shuffled_batches import batches_by_length

logger = logging.getLogger(__name__)

MEASURES = ("mean", "mean_absolute", "mean_among")


class Occurrences(NamedTuple):
    """The known codes of some rows and what each adds to its row's logit, shape (codes,) each.

    ``rows`` are places among the rows, ``steps`` count 0, 1, … in the order of reading, ``days``
    stand from the code to the index date, ``codes`` are places among the known codes; ``gaps`` is
    of shape (rows,).
    """

    rows: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    days: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    attributions: npt.NDArray[np.float64]
    gaps: npt.NDArray[np.float64]


_NO_PLACE, _NO_VALUE = np.empty(0, np.int64), np.empty(0)
_NOTHING = Occurrences(_NO_PLACE, _NO_PLACE, _NO_PLACE, _NO_PLACE, _NO_VALUE, _NO_VALUE)


def explain_model(
    *,
    visits: Path,
    vocabulary: Path,
    trained: Path,
    draws: int,
    seed: int,
    minimum_cell: int,
    folder: Path,
) -> None:
    """Write importance.csv and importance.json of one model and fold.

    importance.csv has a row a code, the largest ``mean_absolute`` first: code, description, persons
    of the test part who have it, and each of ``MEASURES`` with its low and high (empty where there
    is no interval). Codes of fewer than ``minimum_cell`` persons are left out, and counted in
    importance.json, which has ``method``, ``rows``, ``codes``, ``suppressed`` (codes left out) and
    ``largest_gap`` (the most that the attributions of a row miss of what its codes change, in
    log-odds).

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    trained
        The model's folder of stage 4, whose model.json names the fold.
    draws, seed
        Number and seed of the bootstrap draws.
    minimum_cell
        Fewest persons of whom a code may be told.
    folder
        Where the files go.

    Raises
    ------
    UserError
        The model's kind cannot be explained.
    """
    card = read_card(trained)
    explainer = load_explainer(trained, card)
    sequences = read_sequences(visits)
    test = sequences.take(sequences.rows_of_parts([card["fold"]]))
    found = attribute(explainer, test, np.array(card["known"], dtype=np.int32))
    names = _names(vocabulary, card["known"])
    table = importance_table(found, test, names, minimum_cell, Draws(draws, seed, card["fold"]))
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "importance.csv", index=False, lineterminator="\n")
    content = {
        "method": explainer.words,
        "rows": len(test),
        "codes": len(table),
        "suppressed": len(np.unique(found.codes)) - len(table),
        "largest_gap": float(np.abs(found.gaps).max(initial=0.0)),
    }
    (folder / "importance.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    logger.info("%d rows explained by %d codes, %d suppressed", *list(content.values())[1:4])


def explain_rows(
    *, visits: Path, vocabulary: Path, trained: Path, subject_ids: Sequence[int]
) -> pd.DataFrame:
    """Say what the codes of chosen persons add to their logits.

    For a notebook, where somebody who may see these records asks for them; keep what it returns
    where the records are kept.

    Parameters
    ----------
    visits, vocabulary, trained
        As of ``explain_model``.
    subject_ids
        The persons, whatever their part.

    Returns
    -------
    pandas.DataFrame
        A row for each occurrence of a code that the model knows, in the order of reading:
        subject_id, index_time, label, step (0, 1, …), days_to_index, code, description,
        attribution (in log-odds).

    Raises
    ------
    UserError
        A person is not in the cohort, or the model's kind cannot be explained.
    """
    card, sequences = read_card(trained), read_sequences(visits)
    missing = len(np.setdiff1d(subject_ids, sequences.subject_id))
    if missing:
        raise UserError(f"{missing} of {len(subject_ids)} persons are not in {visits}.")
    chosen = sequences.take(np.flatnonzero(np.isin(sequences.subject_id, subject_ids)))
    known = np.array(card["known"], dtype=np.int32)
    found = attribute(load_explainer(trained, card), chosen, known)
    names = _names(vocabulary, card["known"])
    table = pd.DataFrame(
        {
            "subject_id": chosen.subject_id[found.rows],
            "index_time": chosen.index_time[found.rows],
            "label": chosen.label[found.rows],
            "step": found.steps,
            "days_to_index": found.days,
            **{name: names[name].to_numpy()[found.codes] for name in ("code", "description")},
            "attribution": found.attributions,
        }
    )
    return table.iloc[np.lexsort([found.codes, found.steps, found.rows])].reset_index(drop=True)


def attribute(
    explainer: Explainer, sequences: Sequences, known: npt.NDArray[np.int32]
) -> Occurrences:
    """Attribute the logits of all rows, batch by batch; ``steps`` and ``days`` as the model reads.

    A model that reads the visits in another order has their codes at other steps and days.
    """
    sequences = explainer.read(sequences)
    parts = list(_batches(explainer, sequences, known))
    gaps = np.zeros(len(sequences))
    for places, of_batch in parts:
        gaps[places] = of_batch.gaps
    found = [_NOTHING, *(of_batch for _, of_batch in parts)]
    joined = [np.concatenate(column) for column in zip(*found, strict=True)]
    return Occurrences(*joined)._replace(gaps=gaps)


def _batches(
    explainer: Explainer, sequences: Sequences, known: npt.NDArray[np.int32]
) -> Iterator[tuple[npt.NDArray[np.intp], Occurrences]]:
    for places in batches_by_length(sequences.lengths, BATCH):
        batch = collate(sequences, places, known)
        found = explainer.attribute(batch)
        in_visit = batch.code_offsets.diff().numpy()
        days = np.rint(np.expm1(batch.durations.double().numpy())).astype(np.int64)
        yield (
            places,
            Occurrences(
                rows=places[code_rows(batch).numpy()],
                steps=code_steps(batch).numpy(),
                days=np.repeat(days, in_visit),
                codes=batch.codes.numpy(),
                attributions=found.codes,
                gaps=found.gaps,
            ),
        )


class Draws(NamedTuple):
    """Number and seed of the bootstrap draws, and the fold."""

    number: int
    seed: int
    fold: int


def importance_table(
    found: Occurrences, rows: Sequences, names: pd.DataFrame, minimum_cell: int, draws: Draws
) -> pd.DataFrame:
    """Importance of each code that enough persons have, as importance.csv has it.

    Parameters
    ----------
    found
        The attributions of ``rows``.
    rows
        The rows that are explained.
    names
        ``code`` and ``description`` of each known code.
    minimum_cell
        Fewest persons.
    draws
        The bootstrap's.
    """
    shape = (len(rows), len(names))
    contribution = sparse.csr_matrix((found.attributions, (found.rows, found.codes)), shape)
    held = sparse.csr_matrix(
        (np.ones(len(contribution.data)), contribution.indices, contribution.indptr), shape
    )
    persons = _persons(rows, held)
    shown = np.flatnonzero(persons >= minimum_cell)
    groups = resampling_groups(pa.chunked_array([rows.set_id]), pa.chunked_array([rows.subject_id]))
    contribution, held = contribution[:, shown], held[:, shown]
    everyone = np.ones((len(rows), 1))
    columns: dict[str, Any] = {**names.iloc[shown], "persons": persons[shown]}
    ratios = ((contribution, everyone), (abs(contribution), everyone), (contribution, held))
    for measure, (numerators, denominators) in zip(MEASURES, ratios, strict=True):
        terms = Terms(draws.fold, groups, numerators, denominators)
        estimates = estimate_ratios([terms], draws.number, draws.seed)
        columns[measure] = [estimate.value for estimate in estimates]
        columns[f"{measure}_low"] = [estimate.low for estimate in estimates]
        columns[f"{measure}_high"] = [estimate.high for estimate in estimates]
    table = pd.DataFrame(columns)
    order = np.lexsort([table["code"].to_numpy(str), -table["mean_absolute"].to_numpy(np.float64)])
    return table.iloc[order]


def _persons(rows: Sequences, held: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    """Persons with each code, shape (codes,); one may have several rows."""
    row, code = held.nonzero()
    pairs = np.unique(np.column_stack([code, rows.subject_id[row]]), axis=0)
    return np.bincount(pairs[:, 0].astype(np.int64), minlength=held.shape[1])


def _names(vocabulary: Path, known: Sequence[int]) -> pd.DataFrame:
    """Code and description of the ``known`` ids, in their order."""
    table: pd.DataFrame = (
        pq.read_table(vocabulary).select(["id", "code", "description"]).to_pandas()
    )
    return table.set_index("id").loc[list(known)].reset_index(drop=True)

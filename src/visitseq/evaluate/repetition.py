"""Stage 5: how sure a network becomes of the next visit when every visit holds the same one code.

A patient who does not exist has ``REPETITIONS`` visits, ``DAYS`` apart, each with one code and no
other (Choi et al., Doctor AI, MLHC 2016, Fig. 2b: hypertension, and Klinefelter's syndrome, which
is rare). With p the share that each label has in what the network predicts after visit t
(``label_losses.label_shares``, which sum to 1), the entropy in bits is

    H_t = - sum_j p_j log2 p_j

0 where it is sure of one label, log2 of the number of labels where it holds all for equally likely.
Dropout is off.

The codes are of the domains that the task takes labels from, and are chosen by persons of the
training parts alone: the code of most persons, and the code of fewest among those that ``least``
persons have; ties go to the smaller id. Neither the validation nor the test part is read.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import torch

from visitseq.cohort.parts import training_parts
from visitseq.encode.histories import read_histories
from visitseq.encode.sequences import VisitLists, code_positions, gather_lists
from visitseq.models.batches import collate
from visitseq.models.label_losses import label_shares
from visitseq.models.next_visit import NextVisitNetwork
from visitseq.train.model_folder import read_card
from visitseq.train.next_visit import load_next_visit

logger = logging.getLogger(__name__)

#: Visits of the patient, and days between two of them (0 before the first).
REPETITIONS, DAYS = 200, 30
COLUMNS = ["group", "code", "description", "persons", "days", "repetition", "entropy"]

Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


def measure_repetition(
    *, visits: Path, vocabulary: Path, trained: Path, least: int, folder: Path
) -> None:
    """Write repetition.csv of a recurrent model that predicts the next visit, and a fold.

    It has a row a code (group ``frequent`` or ``rare``) and repetition: code, description, the
    training persons who have it, the days between visits, and the entropy in bits. Without a code
    that ``least`` training persons have it has no rows; with one alone that one is ``frequent``.

    Parameters
    ----------
    visits, vocabulary
        The task's visits.arrow and vocabulary.parquet.
    trained
        The model's folder of stage 4, whose model.json names the fold.
    least
        Smallest number of persons of a code that may be named.
    folder
        Where the file goes.
    """
    card, model = read_card(trained), load_next_visit(trained)
    network = model.network
    assert network is not None
    parts = training_parts(card["fold"], card["parts"])
    candidates = _label_bearing(vocabulary, model.known, card["task"]["labels"])
    persons = training_persons(read_histories(visits), parts, candidates)
    chosen = choose_codes(candidates, persons, least)
    tables = [pd.DataFrame(columns=COLUMNS)]
    for group, place in chosen.items():
        entropies = repetition_entropies(network, model.known, int(candidates[place]))
        line = {"group": group, **_named(vocabulary, candidates[place])}
        line |= {"persons": int(persons[place]), "days": DAYS}
        steps = {"repetition": np.arange(1, REPETITIONS + 1), "entropy": entropies}
        tables.append(pd.DataFrame(line | steps)[COLUMNS])
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.concat(tables[len(tables) > 1 :])
    table.to_csv(folder / "repetition.csv", index=False, lineterminator="\n")
    logger.info(
        "%d codes repeated %d times, of %d that the fold knows and the task asks for",
        len(chosen),
        REPETITIONS,
        len(candidates),
    )


def training_persons(histories: VisitLists, parts: list[int], codes: Codes) -> Counts:
    """How many rows of ``parts`` have each of ``codes`` (ascending), shape (codes,)."""
    rows = histories.rows_of_parts(parts)
    visits, offsets = gather_lists(histories.visit_offsets, rows)
    entries, ends = gather_lists(histories.code_offsets, visits)
    row = np.repeat(np.repeat(np.arange(len(rows)), np.diff(offsets)), np.diff(ends))
    place = code_positions(histories.codes[entries], codes)
    held = np.unique(np.stack([row, place])[:, place >= 0], axis=1)[1]
    return np.bincount(held, minlength=len(codes))


def choose_codes(codes: Codes, persons: Counts, least: int) -> dict[str, int]:
    """Places of the frequent and the rare code among ``codes`` (ascending), if there are any."""
    enough = np.flatnonzero(persons >= least)
    if not len(enough):
        return {}
    frequent = int(enough[np.argmax(persons[enough])])
    rare = int(enough[np.argmin(persons[enough])])
    return {"frequent": frequent} | ({} if len(enough) == 1 else {"rare": rare})


def repetition_entropies(
    network: NextVisitNetwork, known: Codes, code: int
) -> npt.NDArray[np.float64]:
    """Entropy in bits after each visit that holds ``code`` alone, shape (REPETITIONS,)."""
    days = np.full(REPETITIONS, DAYS, dtype=np.float32)
    days[0] = 0
    patient = VisitLists(
        subject_id=np.zeros(1, dtype=np.int64),
        part=np.zeros(1, dtype=np.int32),
        visit_offsets=np.array([0, REPETITIONS]),
        code_offsets=np.arange(REPETITIONS + 1),
        codes=np.full(REPETITIONS, code, dtype=np.int32),
        days=days,
    )
    with torch.inference_mode():
        numbers = network.numbers(network(collate(patient, np.array([0]), known)))
        shares = label_shares(numbers.double(), network.loss_name).numpy()
    logarithms = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    # 0 is never written as -0.
    entropies: npt.NDArray[np.float64] = 0.0 - (shares * logarithms).sum(axis=1)
    return entropies


def _label_bearing(vocabulary: Path, known: Codes, domains: list[str]) -> Codes:
    """Ids of the known codes of ``domains``, ascending."""
    names = pq.read_table(vocabulary, columns=["code"])["code"].take(known).to_pylist()
    bearing = [name.startswith(tuple(f"{domain}/" for domain in domains)) for name in names]
    return known[np.array(bearing, dtype=np.bool_)]


def _named(vocabulary: Path, code: int) -> dict[str, Any]:
    """Name and description of a code."""
    row = pq.read_table(vocabulary, columns=["code", "description"]).slice(int(code), 1)
    return {name: row[name][0].as_py() for name in row.column_names}

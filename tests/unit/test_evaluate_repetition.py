"""Which codes are repeated, and how sure a network becomes of what follows them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from arrow_visits import Row, write_histories
from next_visits import CODES, FOLD, MODEL, PARTS, chains, train
from scipy.stats import entropy

from visitseq.encode.histories import read_histories
from visitseq.evaluate import measure_repetition
from visitseq.evaluate.repetition import (
    COLUMNS,
    DAYS,
    REPETITIONS,
    choose_codes,
    repetition_entropies,
    training_persons,
)
from visitseq.models.batches import collate
from visitseq.models.next_visit import NextVisitNetwork, build_next_visit

KNOWN = np.arange(6, dtype=np.int32)
LABELS = 9


def network_of(**changes: Any) -> NextVisitNetwork:
    torch.manual_seed(1)
    return build_next_visit({**MODEL, **changes}, len(KNOWN), LABELS).eval()


@pytest.mark.parametrize("loss", ["multinomial", "paper", "sigmoid"])
def test_the_entropy_is_that_of_the_shares_after_as_many_visits(tmp_path: Path, loss: str) -> None:
    network = network_of(loss=loss)
    found = repetition_entropies(network, KNOWN, 4)
    assert found.shape == (REPETITIONS,)
    for visits in (1, 3, 50):
        days = [float(DAYS * (visits - place)) for place in range(visits)]
        row = Row([[4]] * visits, None, 0, days)
        histories = read_histories(write_histories([row], tmp_path / "visits.arrow"))
        with torch.inference_mode():
            last = network.numbers(network(collate(histories, np.array([0]), KNOWN)))[-1]
        weights = last.sigmoid() if loss == "sigmoid" else last.exp()
        assert found[visits - 1] == pytest.approx(entropy(weights.numpy(), base=2), abs=1e-4)


def test_a_network_that_is_sure_has_no_entropy_and_one_that_knows_nothing_all() -> None:
    network = network_of()
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    assert repetition_entropies(network, KNOWN, 0) == pytest.approx(np.log2(LABELS))
    network.head.bias.data[3] = 5000
    assert repetition_entropies(network, KNOWN, 0).tolist() == [0.0] * REPETITIONS


def test_codes_are_chosen_by_persons() -> None:
    codes = np.array([2, 3, 5, 7, 9], dtype=np.int32)
    persons = np.array([4, 12, 30, 12, 30])
    assert choose_codes(codes, persons, 10) == {"frequent": 2, "rare": 1}
    assert choose_codes(codes, persons, 4) == {"frequent": 2, "rare": 0}
    assert choose_codes(codes[:2], persons[:2], 10) == {"frequent": 1}
    assert choose_codes(codes, persons, 31) == {}


def test_a_person_counts_once_and_only_in_training(tmp_path: Path) -> None:
    rows = [
        Row([[1, 3], [3], [3]], None, part=0),
        Row([[3], [5]], None, part=2, subject_id=1),
        Row([[1], [1, 3]], None, part=1, subject_id=2),
    ]
    histories = read_histories(write_histories(rows, tmp_path / "visits.arrow"))
    codes = np.array([1, 3, 4], dtype=np.int32)
    assert training_persons(histories, [0, 1], codes).tolist() == [2, 2, 0]
    assert training_persons(histories, [2], codes).tolist() == [0, 1, 0]


def test_what_is_written_by_plain_counting(tmp_path: Path) -> None:
    rows = chains(140)
    trained = train(rows, tmp_path, epochs=2)
    files = {name: tmp_path / f"{name}" for name in ("visits.arrow", "vocabulary.parquet")}
    given = {"visits": files["visits.arrow"], "vocabulary": files["vocabulary.parquet"]}
    measure_repetition(**given, trained=trained, least=5, folder=tmp_path)
    table = pd.read_csv(tmp_path / "repetition.csv")
    assert list(table) == COLUMNS
    assert table["repetition"].tolist() == 2 * list(range(1, REPETITIONS + 1))
    persons = [0] * CODES
    for row in rows:
        if row.part not in (FOLD, (FOLD + 1) % PARTS):
            for code in {code for visit in row.visits for code in visit}:
                persons[code] += 1
    said = table.drop_duplicates("group").set_index("group")
    expected = {"frequent": max(persons), "rare": min(n for n in persons if n >= 5)}
    assert said["persons"].to_dict() == expected
    for group, count in expected.items():
        assert said.loc[group, "code"] == f"condition/{persons.index(count)}"
    assert table["entropy"].between(0, np.log2(CODES)).all()
    measure_repetition(**given, trained=trained, least=1000, folder=tmp_path / "none")
    assert (tmp_path / "none/repetition.csv").read_text() == ",".join(COLUMNS) + "\n"

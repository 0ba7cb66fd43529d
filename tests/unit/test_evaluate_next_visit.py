"""Predictions of the next visit by hand, their metrics by plain loops, and no look ahead."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from arrow_visits import Row, write_histories, write_vocabulary
from next_visits import CODES, FOLD, MODEL, PARTS, chains, train
from sklearn.metrics import ndcg_score, r2_score
from test_encode_targets import EVENTS, START, encode

from visitseq import tables
from visitseq.encode.histories import Histories, read_histories
from visitseq.errors import UserError
from visitseq.evaluate import evaluate_next_visit
from visitseq.evaluate import likeliest as ranking
from visitseq.evaluate.bootstrap import set_draws
from visitseq.evaluate.likeliest import number_keys
from visitseq.evaluate.next_visit import predictions_table
from visitseq.evaluate.next_visit_metrics import (
    PredictedVisits,
    estimate_next_visits,
    next_visit_draws,
)
from visitseq.evaluate.next_visit_strata import strata_table
from visitseq.models.next_visit import build_next_visit
from visitseq.train.next_visit import NextVisitModel

KINDS = ("most_frequent", "last_visit", "recurrent")


def model_of(kind: str, labels: dict[int, int], codes: int = 10) -> NextVisitModel:
    """A model that knows ``labels`` (ids with training visits); a network of random weights."""
    network = None
    if kind == "recurrent":
        torch.manual_seed(3)
        network = build_next_visit({**MODEL, "hidden": 5}, codes, len(labels)).eval()
        torch.nn.init.constant_(network.time.bias, 1.0)
    known, counts = np.array(list(labels), dtype=np.int32), np.array(list(labels.values()))
    codes_known = np.arange(codes, dtype=np.int32)
    return NextVisitModel(kind, codes_known, known, counts, "here", True, network)


#: A patient, worked by hand; label 9 is not known.
PATIENT = Row([[2, 4], [2], [5, 9], [4, 5], [5]], None, 0, [100, 90, 90, 50, 20], subject_id=7)
#: Training visits of the known labels: the fill is 3 1 5 2 4.
KNOWN_LABELS = {1: 6, 2: 4, 3: 8, 4: 4, 5: 5}


@pytest.mark.parametrize("cells", [1, 7, 10_000])
def test_what_needs_no_network_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(ranking, "CELLS", cells)
    other = Row([[1], [3], [1, 2]], None, 0, subject_id=8)
    histories = read_histories(write_histories([PATIENT, other], tmp_path / "visits.arrow"))
    found = {
        kind: predictions_table(histories, np.array([0, 1]), model_of(kind, KNOWN_LABELS))
        for kind in ("most_frequent", "last_visit")
    }
    assert found["last_visit"].schema.equals(tables.NEXT_VISITS)
    shared = found["last_visit"].drop_columns(["top", "predicted_log_days"]).to_pydict()
    assert shared == {
        "subject_id": [7, 7, 7, 7, 8, 8],
        "visit": [1, 2, 3, 4, 1, 2],
        "labels": [[2], [5, 9], [4, 5], [5], [3], [1, 2]],
        "days": [10, 0, 40, 30, 10, 10],
    }
    assert found["last_visit"]["predicted_log_days"].null_count == 6
    # After the second visit label 2 was there twice, 4 once; after the fourth 2, 4 and 5 are even.
    assert found["most_frequent"]["top"].to_pylist() == [
        [2, 4, 3, 1, 5],
        [2, 4, 3, 1, 5],
        [2, 4, 5, 3, 1],
        [2, 4, 5, 3, 1],
        [1, 3, 5, 2, 4],
        [1, 3, 5, 2, 4],
    ]
    assert found["last_visit"]["top"].to_pylist() == [
        [2, 4, 3, 1, 5],
        [2, 3, 1, 5, 4],
        [5, 3, 1, 2, 4],
        [4, 5, 3, 1, 2],
        [1, 3, 5, 2, 4],
        [3, 1, 5, 2, 4],
    ]


def test_numbers_are_ranked_best_first_and_ties_by_id() -> None:
    numbers = torch.tensor(
        [
            [0.5, 2.0, -1.0, 2.0, 0.5],
            [0.0, -0.0, 1e-30, -1e-30, -3.0],
            [-1.0, -2.0, -1.0, -9.0, 5.0],
        ]
    )
    found = number_keys(numbers).topk(5).indices
    assert found.tolist() == [[1, 3, 0, 4, 2], [2, 0, 1, 3, 4], [4, 0, 2, 1, 3]]
    many = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    expected = np.argsort(-many.numpy(), axis=1, kind="stable")
    np.testing.assert_array_equal(number_keys(many).topk(40).indices, expected)


def test_a_network_is_asked_after_each_visit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of its numbers, visit by visit, one row at a time."""
    monkeypatch.setattr(ranking, "CELLS", 11)
    rows = [PATIENT, Row([[0], [3, 8]], None, 0, subject_id=8), replace(PATIENT, subject_id=9)]
    histories = read_histories(write_histories(rows, tmp_path / "visits.arrow"))
    model = model_of("recurrent", KNOWN_LABELS)
    together = predictions_table(histories, np.array([0, 1, 2]), model)
    alone = pa.concat_tables(
        [predictions_table(histories, np.array([row]), model) for row in range(3)]
    )
    assert together["top"].to_pylist() == alone["top"].to_pylist()
    assert together["top"].to_pylist()[:4] == together["top"].to_pylist()[5:]
    np.testing.assert_allclose(
        together["predicted_log_days"], alone["predicted_log_days"], rtol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_of_the_labels_that_may_be_named_the_order_stays(tmp_path: Path, kind: str) -> None:
    histories = read_histories(write_histories([PATIENT], tmp_path / "visits.arrow"))
    rows, model = np.array([0]), model_of(kind, KNOWN_LABELS)
    everything = predictions_table(histories, rows, model)
    for ranked in ([1, 2, 3, 4, 5, 9], [2, 3, 9], []):
        ids = np.array(ranked, dtype=np.int32)
        found = predictions_table(histories, rows, model, ids)
        expected = [[one for one in top if one in ranked] for top in everything["top"].to_pylist()]
        assert found["top"].to_pylist() == expected
        assert found.drop_columns("top").equals(everything.drop_columns("top"))


def test_numbers_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    histories = read_histories(write_histories([PATIENT], tmp_path / "visits.arrow"))
    model = model_of("recurrent", KNOWN_LABELS)
    assert model.network is not None
    torch.nn.init.constant_(model.network.time.bias, math.nan)
    with pytest.raises(UserError, match="gives 4 visits no finite numbers"):
        predictions_table(histories, np.array([0]), model)


# Leakage by time, from the events.


def recoded(histories: Histories, folder: Path, names: dict[str, dict[str, int]]) -> Histories:
    """The histories of ``folder`` in the ids of other vocabularies; what they lack gets 99."""
    ids = {
        table: np.array(
            [
                own.get(code, 99)
                for code in pq.read_table(folder / f"{table}.parquet")["code"].to_pylist()
            ],
            dtype=np.int32,
        )
        for table, own in names.items()
    }
    return replace(
        histories,
        codes=ids["vocabulary"][histories.codes],
        labels=ids["labels"][histories.labels],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_no_prediction(tmp_path: Path, kind: str) -> None:
    """Every event from the next visit's start on gets another code of its domain; times stay."""
    task: dict[str, Any] = {"kind": "next_visit", "split": "parts"}
    out = encode(tmp_path / "true", EVENTS, **task)
    names = {}
    for table in ("vocabulary", "labels"):
        codes = pq.read_table(out / f"{table}.parquet")["code"].to_pylist()
        names[table] = {code: place for place, code in enumerate(codes)}
    model = model_of(kind, dict.fromkeys(names["labels"].values(), 1), len(names["vocabulary"]))
    histories = read_histories(out / "visits.arrow")
    true = predictions_table(histories, np.array([0, 1]), model).drop_columns("labels").to_pylist()
    changed = 0
    for cut in (0.0, 5.0, 10.0, 40.0, 151.5):  # the starts of visits
        at = START + timedelta(days=cut)
        events = [
            (
                *event[:2],
                "condition/3" if event[2].startswith("condition") else "drug/99",
                *event[3:],
            )
            if event[1] >= at and event[2].split("/")[0] in ("condition", "drug", "procedure")
            else event
            for event in EVENTS
        ]
        folder = encode(tmp_path / str(cut), events, **task)
        own = recoded(read_histories(folder / "visits.arrow"), folder, names)
        found = predictions_table(own, np.array([0, 1]), model).drop_columns("labels").to_pylist()
        starts = {(1, 1): 10.0, (1, 2): 40.0, (1, 3): 151.5, (2, 1): 5.0}
        for one, two in zip(true, found, strict=True):
            if starts[one["subject_id"], one["visit"]] <= cut:
                assert one == two
            else:
                changed += one != two
    assert changed  # what was replaced matters to the predictions after it


# Metrics.


def random_predictions(seed: int = 0, timed: bool = True) -> pa.Table:
    draw = np.random.default_rng(seed)
    rows = [
        {
            "subject_id": subject,
            "visit": visit,
            "labels": sorted(draw.choice(60, draw.integers(0, 25), replace=False).tolist()),
            "top": draw.choice(60, 30, replace=False).tolist(),
            "days": float(draw.integers(0, 200)),
            "predicted_log_days": float(draw.random() * 5) if timed else None,
        }
        for subject in range(25)
        for visit in range(1, 2 + int(draw.integers(0, 9)))
    ]
    return pa.Table.from_pylist(rows, schema=tables.NEXT_VISITS)


def plain_metrics(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Each metric as its sentence has it, a visit and a label at a time."""
    found = {}
    labelled = [row for row in rows if row["labels"]]
    total = sum(len(row["labels"]) for row in labelled)
    for k in (10, 20, 30):
        hits = [len(set(row["labels"]) & set(row["top"][:k])) for row in labelled]
        found[f"recall_at_{k}"] = sum(hits) / total
        found[f"precision_at_{k}"] = sum(hits) / (k * len(labelled))
        ceiling = sum(min(k, len(row["labels"])) for row in labelled)
        found[f"recall_ceiling_at_{k}"] = ceiling / total
        of_patient = []
        for subject in {row["subject_id"] for row in labelled}:
            own = [place for place, row in enumerate(labelled) if row["subject_id"] == subject]
            count = sum(len(labelled[place]["labels"]) for place in own)
            of_patient.append(sum(hits[place] for place in own) / count)
        found[f"patient_recall_at_{k}"] = float(np.mean(of_patient))
        ndcg = []
        for row in labelled:
            truth = np.isin(np.arange(60), row["labels"]).astype(float)
            score = np.zeros(60)
            score[row["top"]] = np.arange(30, 0, -1)
            ndcg.append(ndcg_score([truth], [score], k=k))
        found[f"ndcg_at_{k}"] = float(np.mean(ndcg))
    days = np.maximum([row["days"] for row in rows], 1)
    predicted = np.array([row["predicted_log_days"] for row in rows])
    found["r2_log_days"] = float(r2_score(np.log(days), predicted))
    found["mae_days"] = float(np.abs(days - np.exp(predicted)).mean())
    return found


def test_metrics_are_those_of_plain_loops_on_the_part_and_on_each_draw() -> None:
    table = random_predictions()
    visits, rows = PredictedVisits.from_predictions(table), table.to_pylist()
    found, drawn = (
        estimate_next_visits(visits, 120, seed=3, fold=1),
        next_visit_draws(visits, 120, seed=3, fold=1),
    )
    expected = plain_metrics(rows)
    assert set(found) == set(expected) == set(drawn)
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(expected)
    counts = np.concatenate([*set_draws(visits.groups.ids, 120, 3, 1, 25)])
    for draw in (0, 77):
        copies = [
            {**row, "subject_id": (row["subject_id"], copy)}
            for row in rows
            for copy in range(counts[draw, row["subject_id"]])
        ]
        own = {name: values[draw] for name, values in drawn.items()}
        assert own == pytest.approx(plain_metrics(copies))
    low, high = np.quantile(drawn["r2_log_days"], [0.025, 0.975])
    assert found["r2_log_days"][1:3] == pytest.approx((low, high))


def test_the_recall_over_the_labels_that_a_source_knew() -> None:
    table, source = random_predictions(), np.arange(0, 60, 3, dtype=np.int32)
    visits = PredictedVisits.from_predictions(table)
    found = estimate_next_visits(visits, 100, 0, 0, source)
    drawn = next_visit_draws(visits, 100, 0, 0, source)
    assert set(found) == set(drawn)
    before = estimate_next_visits(visits, 100, 0, 0)
    assert {name: found[name] for name in before} == before
    known = {*source.tolist()}
    for k in (10, 20, 30):
        hits = sum(len(known & {*row["labels"]} & {*row["top"][:k]}) for row in table.to_pylist())
        labels = sum(len(known & {*row["labels"]}) for row in table.to_pylist())
        assert found[f"recall_source_labels_at_{k}"].value == pytest.approx(hits / labels)


def test_what_is_undefined_says_why() -> None:
    untimed = estimate_next_visits(
        PredictedVisits.from_predictions(random_predictions(timed=False)), 100, 0, 0
    )
    assert untimed["r2_log_days"].reason == untimed["mae_days"].reason == "no predicted days"
    assert untimed["recall_at_10"].value > 0
    nobody = PredictedVisits.from_predictions(random_predictions().slice(0, 0))
    found = estimate_next_visits(nobody, 100, 0, 0)
    assert found["recall_at_10"].reason == "no visit with a label"
    assert math.isnan(found["r2_log_days"].value)
    same = random_predictions().to_pylist()
    table = pa.Table.from_pylist([{**row, "days": 3.0} for row in same], tables.NEXT_VISITS)
    alike = estimate_next_visits(PredictedVisits.from_predictions(table), 100, 0, 0)
    assert alike["r2_log_days"].reason == "no two visits with different days before them"
    assert alike["mae_days"].value > 0


def test_days_beyond_all_numbers_are_written_as_a_number() -> None:
    rows = [{**row, "predicted_log_days": 5000.0} for row in random_predictions().to_pylist()]
    table = pa.Table.from_pylist(rows, tables.NEXT_VISITS)
    found = estimate_next_visits(PredictedVisits.from_predictions(table), 100, 0, 0)
    assert math.isfinite(found["mae_days"].value)
    assert found["r2_log_days"].value < 0


def test_strata_are_the_recalls_of_their_labels() -> None:
    table = random_predictions()
    visits, rows = PredictedVisits.from_predictions(table), table.to_pylist()
    labels = {label: 2 * label for label in range(50)}  # 50 … 59 are in no training visit
    found = strata_table(visits, model_of("most_frequent", labels), 100, 0, 0)
    at = found[found["metric"] == "recall_at_20"].set_index(["stratum", "group"])

    def recall(keep: Any) -> float:
        pairs = [(row, label) for row in rows for label in row["labels"] if keep(row, label)]
        return float(np.mean([label in row["top"][:20] for row, label in pairs]))

    assert at["value"].to_dict() == pytest.approx(
        {
            ("visit_number", "1-5"): recall(lambda row, _: row["visit"] <= 5),
            ("visit_number", "6-10"): recall(lambda row, _: row["visit"] > 5),
            ("code_frequency", "not in training"): recall(lambda _, label: label >= 50),
            **{
                ("code_frequency", str(tenth + 1)): recall(
                    lambda _, label, tenth=tenth: label // 5 == tenth
                )
                for tenth in range(10)
            },
            **{
                ("labels", name): recall(
                    lambda row, _, ends=ends: ends[0] <= len(row["labels"]) <= ends[1]
                )
                for name, ends in {
                    **{str(n): (n, n) for n in range(1, 6)},
                    "6-10": (6, 10),
                    "11-20": (11, 20),
                    "21-": (21, 60),
                }.items()
            },
        }
    )
    assert (at["low"] <= at["value"]).all()
    assert (at["value"] <= at["high"]).all()
    everything = sum(len(row["labels"]) for row in rows)
    assert at.groupby("stratum")["labels"].sum().to_dict() == dict.fromkeys(
        ("code_frequency", "labels", "visit_number"), everything
    )
    assert found["persons"].max() <= 25


# From trained models.


def evaluate(
    rows: list[Row], folder: Path, trained: Path, labels: Path | None = None
) -> dict[str, Any]:
    evaluate_next_visit(
        visits=write_histories(rows, folder / "visits.arrow"),
        trained=trained,
        fold=FOLD,
        parts=PARTS,
        seed=0,
        draws=100,
        folder=folder / "out",
        labels=labels,
    )
    content: dict[str, Any] = json.loads((folder / "out/metrics.json").read_text())
    return content


def test_a_chain_is_learned_and_is_not_what_was_frequent(tmp_path: Path) -> None:
    """With 40 codes the network names the next one first; what came before does not come again."""
    rows = chains()
    trained = train(rows, tmp_path / "network", epochs=30)
    learned = evaluate(rows, tmp_path, trained)
    assert learned["recall_at_10"]["value"] == 1.0
    assert learned["patient_recall_at_10"]["value"] == 1.0
    assert learned["ndcg_at_10"]["value"] > 0.95
    assert learned["r2_log_days"]["value"] > 0.95
    assert learned["mae_days"]["value"] < 15
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(first) == {"predictions.parquet", "validation.parquet", "metrics.json", "strata.csv"}
    evaluate(rows, tmp_path, trained)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    counted = train(rows, tmp_path / "counts", kind="most_frequent")
    assert evaluate(rows, tmp_path, counted)["recall_at_10"]["value"] < 0.5
    assert pq.read_table(tmp_path / "out/validation.parquet").num_rows == sum(
        len(row.visits) - 1 for row in rows if row.part == FOLD + 1
    )


def test_what_the_metrics_came_from_and_the_papers_split(tmp_path: Path) -> None:
    rows = chains(140)
    rows[FOLD] = replace(rows[FOLD], visits=[[CODES], [CODES + 1], []], days_to_index=[9, 8, 2])
    folder = train([row for row in rows if row.part != FOLD], tmp_path, epochs=1, split="paper")
    content = evaluate(rows, tmp_path, folder)
    tested = [row for row in rows if row.part == FOLD]
    asked = sum(len(row.visits) - 1 for row in tested)
    assert content["n"] == content["censored"] == len(tested) == 20
    assert (content["visits"], content["labelled_visits"]) == (asked, asked - 1)
    assert content["unknown_codes"] == pytest.approx(2 / asked)
    assert content["unknown_labels"] == pytest.approx(1 / (asked - 1))
    assert content["trained_on"].endswith("as the paper did")
    assert pq.read_table(tmp_path / "out/validation.parquet").num_rows == 0
    strata = pd.read_csv(tmp_path / "out/strata.csv")
    assert "not in training" in set(strata["group"])


@pytest.mark.parametrize("split", ["parts", "paper"])
def test_abroad_the_same_labels_are_ranked_for_all(tmp_path: Path, split: str) -> None:
    """At home nothing changes but that a recall is there besides."""
    rows = chains(140)
    trained = train(rows, tmp_path, epochs=1, split=split)
    at_home = evaluate(rows, tmp_path, trained)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    labels = write_vocabulary(rows, CODES, PARTS, tmp_path / "abroad.parquet")
    abroad = evaluate(rows, tmp_path, trained, labels)
    besides = {name for name in abroad if name.startswith("recall_source_labels")}
    assert len(besides) == 3
    assert {name: one for name, one in abroad.items() if name not in besides} == at_home
    again = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {name for name in first if again[name] != first[name]} == {"metrics.json"}
    # Elsewhere the training parts hold eleven labels; a twelfth is in the validation part.
    few = [replace(row, visits=[[code % 11 for code in one] for one in row.visits]) for row in rows]
    few[FOLD + 1] = replace(few[FOLD + 1], visits=[[12]] * len(few[FOLD + 1].visits))
    labels = write_vocabulary(few, CODES, PARTS, tmp_path / "abroad.parquet")
    evaluate(few, tmp_path, trained, labels)
    top = pq.read_table(tmp_path / "out/predictions.parquet")["top"].to_pylist()
    assert {label for of_visit in top for label in of_visit} == {
        *range(11),
        *([12] if split == "paper" else []),
    }

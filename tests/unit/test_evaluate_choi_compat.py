"""The released code's scoring, beside a plain rewriting of it, patient by patient."""

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from arrow_visits import Row, write_histories
from next_visits import CODES, FOLD, MODEL, PARTS, chains, train
from test_evaluate_next_visit import model_of

from visitseq.encode.histories import read_histories
from visitseq.evaluate import choi_compat, evaluate_next_visit
from visitseq.evaluate.bootstrap import set_draws
from visitseq.evaluate.choi_compat import DEFECTS, ScoredPart, score_as_released
from visitseq.evaluate.next_visit import predictions_table
from visitseq.evaluate.next_visit_metrics import PredictedVisits
from visitseq.models.next_visit import NextVisitNetwork, build_next_visit
from visitseq.train.next_visit import NextVisitModel

LABELS, HIDDEN, DROPOUT, MEAN_DAYS = 40, 6, 0.2, 31.0
METRICS = ("recall_at_10", "recall_at_20", "recall_at_30", "r2_log_days")
SETTINGS = {"draws": 120, "seed": 3, "fold": FOLD}


def network_model(**changes: Any) -> NextVisitModel:
    """Two layers of random weights, large enough for every defect to move what is predicted."""
    section = {**MODEL, "embed": "tanh", "hidden": HIDDEN, "layers": 2, "dropout": DROPOUT}
    torch.manual_seed(5)
    network = build_next_visit({**section, **changes}, CODES, LABELS).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.mul_(8 if "embed" in name else 2)
        network.time.bias.fill_(2.0)
    known, labels = (np.arange(size, dtype=np.int32) for size in (CODES, LABELS))
    return NextVisitModel(
        "recurrent", known, labels, np.ones(LABELS, np.int64), "here", True, network
    )


def released(network: NextVisitNetwork, row: Row, defects: Collection[str]) -> tuple[Any, Any]:
    """Numbers of the labels and log days at each visit but the last, as testDoctorAI.py has them.

    The recurrence is torch's own, layer by layer; times and embedding are written out.
    """
    state = network.state_dict()
    visits = torch.zeros(len(row.visits) - 1, CODES)
    for place, visit in enumerate(row.visits[:-1]):
        visits[place, list(visit)] = 1.0
    embedded = visits @ state["reader.embed.weight"]
    if "linear_embedding" not in defects:
        embedded = torch.tanh(embedded + state["reader.squash"])
    times = torch.log(torch.tensor(row.days[:-1]) + 1)
    if "first_duration" in defects:
        times[0] = math.log(0 + 1e-8)
    memory = torch.cat([embedded, times.float()[:, None]], dim=1)
    keep = 1 - DROPOUT
    for layer in range(2):
        gru = torch.nn.GRU(memory.shape[1], HIDDEN)
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        gru.load_state_dict({f"{k}_l0": state[f"reader.recur.{k}_l{layer}"] for k in kinds})
        # Their weights meet states that training did not divide by the share kept.
        memory = gru(memory)[0] / keep * (0.5 if "halved_states" in defects else keep)
    numbers = memory @ state["head.weight"].T + state["head.bias"]
    days = torch.relu(memory @ state["time.weight"].T + state["time.bias"])
    return numbers.detach().numpy(), days[:, 0].detach().numpy()


def plain_metrics(
    network: NextVisitNetwork, rows: list[Row], defects: Collection[str], scored: int
) -> dict[str, float]:
    """Metrics by loops over patients, visits and labels."""
    if "first_ten_batches" in defects:
        rows = sorted(rows, key=lambda row: len(row.visits))[:scored]
    hits, labels = dict.fromkeys((10, 20, 30), 0), 0
    true, predicted = [], []
    for row in rows:
        numbers, days = released(network, row, defects)
        for place, visit in enumerate(row.visits[1:]):
            best = np.argsort(-numbers[place], kind="stable")
            labels += len(visit)
            for k in hits:
                hits[k] += len(set(visit) & set(best[:k].tolist()))
        true += np.log(row.days[1:]).tolist()
        predicted += days.tolist()
    centre = math.log(MEAN_DAYS) if "mean_duration" in defects else float(np.mean(true))
    error = np.square(np.array(true) - predicted).sum()
    r2 = 1 - error / np.square(np.array(true) - centre).sum()
    return {f"recall_at_{k}": count / labels for k, count in hits.items()} | {"r2_log_days": r2}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    draw = np.random.default_rng(2)
    found = []
    for subject in range(30):
        lengths = draw.integers(1, 6, size=int(draw.integers(2, 9)))
        visits = [sorted(draw.choice(CODES, n, replace=False).tolist()) for n in lengths]
        gaps = draw.integers(1, 200, size=len(visits))
        found.append(Row(visits, None, FOLD, np.cumsum(gaps)[::-1].tolist(), subject_id=subject))
    return found


def score(rows: list[Row], model: NextVisitModel, folder: Path) -> dict[str, Any]:
    histories = read_histories(write_histories(rows, folder / "visits.arrow"))

    def predict(other: NextVisitModel) -> PredictedVisits:
        table = predictions_table(histories, np.arange(len(rows)), other)
        return PredictedVisits.from_predictions(table)

    return score_as_released(ScoredPart(model, predict(model), predict, MEAN_DAYS), **SETTINGS)


def test_each_defect_moves_the_numbers_as_the_released_code_does(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choi_compat, "SCORED", 12)
    model = network_model()
    assert model.network is not None
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    found = score(rows, model, tmp_path)
    plain = plain_metrics(model.network, rows, (), 12)
    moved = set()
    for name, defects in {**{each: (each,) for each in DEFECTS}, "all": DEFECTS}.items():
        expected = plain_metrics(model.network, rows, defects, 12)
        assert found[name]["persons"] == (12 if "first_ten_batches" in defects else 30)
        for metric in METRICS:
            estimate = found[name][metric]
            assert estimate["value"] == pytest.approx(expected[metric], abs=1e-5), (name, metric)
            difference = estimate["difference"]
            assert difference["value"] == pytest.approx(expected[metric] - plain[metric], abs=1e-5)
            assert difference["low"] <= difference["high"]
            moved |= {(name, metric)} if abs(difference["value"]) > 1e-3 else set()
    # Every defect moves something, and the one of R2 nothing else, which it can only raise.
    assert {name for name, _ in moved} == {*DEFECTS, "all"}
    assert {metric for name, metric in moved if name == "mean_duration"} == {"r2_log_days"}
    assert found["mean_duration"]["r2_log_days"]["difference"]["low"] >= 0
    after = model.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_difference_has_the_draws_of_persons_that_all_intervals_have(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choi_compat, "SCORED", 12)
    found = score(rows, network_model(), tmp_path)["first_ten_batches"]["recall_at_10"]
    network = network_model().network
    assert network is not None
    sums = []  # hits and labels of each person
    for row in rows:
        numbers, _ = released(network, row, ())
        best = [set(each[:10]) for each in np.argsort(-numbers, axis=1, kind="stable").tolist()]
        hits = sum(len(set(v) & b) for v, b in zip(row.visits[1:], best, strict=True))
        sums.append((hits, sum(map(len, row.visits[1:]))))
    short = sorted(range(30), key=lambda place: len(rows[place].visits))[:12]
    ids = np.column_stack([np.ones(30, np.int64), np.arange(30)])
    differences = []
    for counts in np.concatenate([*set_draws(ids, 120, 3, FOLD, 30)]):
        every, own = (
            np.sum([counts[place] * np.array(sums[place]) for place in places], axis=0)
            for places in (range(30), short)
        )
        differences.append(own[0] / own[1] - every[0] / every[1])
    low, high = np.quantile(differences, [0.025, 0.975])
    assert (found["difference"]["low"], found["difference"]["high"]) == pytest.approx((low, high))


def test_a_thousand_are_scored_and_fewer_are_all_of_them(rows: list[Row], tmp_path: Path) -> None:
    assert choi_compat.SCORED == 1000
    found = score(rows, network_model(), tmp_path)["first_ten_batches"]
    assert found["persons"] == 30
    assert {tuple(found[metric]["difference"].values()) for metric in METRICS} == {(0, 0, 0)}


def test_half_is_right_where_half_was_dropped(rows: list[Row], tmp_path: Path) -> None:
    found = score(rows, network_model(dropout=0.5), tmp_path)["halved_states"]
    assert found["r2_log_days"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_a_model_has_no_place_for_is_undefined(rows: list[Row], tmp_path: Path) -> None:
    counted = score(rows, model_of("last_visit", dict.fromkeys(range(CODES), 1)), tmp_path)
    for name in ("linear_embedding", "halved_states", "first_duration"):
        estimate = counted[name]["recall_at_10"]
        assert estimate["value"] is estimate["difference"]["value"] is None
        assert estimate["reason"] == "a model of kind last_visit has no recurrent network"
    assert counted["mean_duration"]["r2_log_days"]["reason"] == "no predicted days"
    assert counted["all"]["recall_at_10"] == counted["first_ten_batches"]["recall_at_10"]
    plain = score(rows, network_model(embed="sum", duration=False), tmp_path)
    reasons = {name: plain[name]["recall_at_10"].get("reason") for name in DEFECTS}
    assert reasons == {
        "first_ten_batches": None,
        "linear_embedding": "embed sum has neither tanh nor bias",
        "halved_states": None,
        "mean_duration": None,
        "first_duration": "the network reads no durations",
    }


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_a_model_on_counts_has_the_defects_of_the_scoring_alone(tmp_path: Path, kind: str) -> None:
    trained = train(chains(n=70), tmp_path, kind=kind, epochs=1)
    evaluate_next_visit(
        visits=tmp_path / "visits.arrow",
        trained=trained,
        fold=FOLD,
        parts=PARTS,
        seed=0,
        draws=100,
        folder=tmp_path / "out",
        choi_compat=True,
    )
    found = json.loads((tmp_path / "out/metrics.json").read_text("utf-8"))["choi_compat"]
    undefined = {name for name in DEFECTS if found[name]["recall_at_10"]["value"] is None}
    assert undefined == {"linear_embedding", "halved_states", "first_duration"}
    reason = found["halved_states"]["r2_log_days"]["reason"]
    assert reason == f"a model of kind {kind} has no recurrent network"
    assert found["all"]["r2_log_days"] == found["mean_duration"]["r2_log_days"]


def test_metrics_json_has_it_beside_ours_where_it_is_asked_for(tmp_path: Path) -> None:
    rows = chains(n=140)
    trained = train(rows, tmp_path, embed="tanh", epochs=1)
    content = {}
    for asked in (False, True):
        folder = tmp_path / str(asked)
        evaluate_next_visit(
            visits=tmp_path / "visits.arrow",
            trained=trained,
            fold=FOLD,
            parts=PARTS,
            seed=0,
            draws=100,
            folder=folder,
            choi_compat=asked,
        )
        content[asked] = json.loads((folder / "metrics.json").read_text("utf-8"))
    released = content[True].pop("choi_compat")
    assert content[True] == content[False]
    assert list(released) == [*DEFECTS, "all"]
    # c is of the training rows alone: neither the test part's nor the validation part's.
    training = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    c = math.log(np.concatenate([row.days[1:] for row in training]).mean())
    true = np.log(np.concatenate([row.days[1:] for row in rows if row.part == FOLD]))
    ours = content[False]["r2_log_days"]["value"]
    error = (1 - ours) * np.square(true - true.mean()).sum()
    expected = 1 - error / np.square(true - c).sum()
    assert released["mean_duration"]["r2_log_days"]["value"] == pytest.approx(expected)

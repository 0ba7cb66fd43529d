"""A model of the next visit at another hospital: grafted heads, one set of labels, the curve."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from arrow_visits import Row, write_histories, write_vocabulary
from next_visits import FOLD, ON_COUNTS, PARTS, SKIPGRAM, TASK, chains, train
from next_visits import MODEL as GRU
from small_training import ENCODING
from small_transfer import FILES, ancestors_table

from visitseq import tables
from visitseq.encode.histories import Histories, read_histories
from visitseq.encode.vectors import read_vectors, write_vectors
from visitseq.evaluate import evaluate_next_visit
from visitseq.evaluate.next_visit_metrics import METRICS, SOURCE_METRICS
from visitseq.models.batches import collate
from visitseq.models.next_visit import build_next_visit
from visitseq.train import count_labels
from visitseq.train.forecast_data import ForecastData, read_forecast_data, trajectories_of
from visitseq.train.next_visit import NextVisitModel, fit_next_visit, load_next_visit
from visitseq.train.next_visits import NextVisits
from visitseq.transfer import next_visit, next_visit_arms, transfer_next_visit
from visitseq.transfer.arm_results import ArmStore
from visitseq.transfer.known import nearest_ancestors, origins
from visitseq.transfer.next_visit_graft import Origins, begin_as_source

#: The target writes 45 where the source writes 5, whose child it is, and 46 for 6, of which nobody
#: knows more.
ELSEWHERE = {5: 45, 6: 46}
JOINT = 47
ABOVE = [("code", 45, 5, 1), ("label", 45, 5, 1)]
PAIR: dict[str, Any] = {
    "strategies": ["last_layer", "fine_tuned", "scratch"],
    "fractions": [5, 20, 100],
    "draws": 2,
}


#: Learned in few epochs.
QUICK: dict[str, Any] = {"epochs": 12, "patience": 2, "learning_rate": 0.05}


def persons(n: int = 140, seed: int = 1, codes: int = 12) -> list[Row]:
    """Persons of ``chains`` with fewer different codes."""
    return [
        replace(row, visits=[[code % codes for code in visit] for visit in row.visits])
        for row in chains(n, seed)
    ]


def elsewhere(rows: list[Row]) -> list[Row]:
    """The same in the words of the target."""
    return [
        replace(row, visits=[[ELSEWHERE.get(code, code) for code in v] for v in row.visits])
        for row in rows
    ]


def pair_of(rows: list[Row], trained: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """Arguments of ``transfer_next_visit``; the target's ids are those of the pair's vocabulary."""
    names = {name: folder / f"{name}.parquet" for name in ("vocabulary", "labels")}
    files = {
        "visits": write_histories(rows, folder / "visits.arrow"),
        **{name: write_vocabulary(rows, JOINT, PARTS, path) for name, path in names.items()},
        "ancestors": folder / "ancestors.parquet",
    }
    tables.write_parquet(ancestors_table(ABOVE), files["ancestors"])
    settings: dict[str, Any] = {"fold": FOLD, "parts": PARTS, "seed": 0, "draws": 40}
    evaluate_next_visit(
        visits=files["visits"],
        labels=files["labels"],
        trained=trained,
        folder=folder / "zero_shot",
        **settings,
    )
    return {
        **files,
        **settings,
        "trained": trained,
        "zero_shot": folder / "zero_shot",
        "task": TASK,
        "encoding": {**ENCODING, "min_count": 1},
        "pair": PAIR,
        "folder": folder / "out",
        **changes,
    }


def transfer(arguments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Run ``transfer_next_visit``; return metrics.json."""
    both = {**arguments, **changes}
    transfer_next_visit(**both)
    content: dict[str, Any] = json.loads((both["folder"] / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows the chain of twelve codes."""
    rows = persons(seed=0)
    return train(rows, tmp_path_factory.mktemp("source"), **QUICK)


@pytest.fixture(scope="module")
def arguments(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return pair_of(elsewhere(persons()), trained, tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def metrics(arguments: dict[str, Any]) -> dict[str, Any]:
    return transfer(arguments)


@pytest.fixture(scope="module")
def predictions(arguments: dict[str, Any], metrics: dict[str, Any]) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(arguments["folder"] / "predictions.parquet").to_pandas()
    return frame


# Grafting.

#: A row that both know, a row with a code that the source lacks.
SMALL = [Row([[0], [2, 3], [3]], None, 0, [60, 50, 20]), Row([[0, 5], [3, 5], [5]], None, 0)]
KNOWN, LABELS = [0, 1, 2, 3], [0, 1, 3]  # the source's
HERE, ASKED = [0, 2, 3, 5, 6], [0, 3, 5, 6]  # 5 is a child of 1, 6 nobody's
SMALL_ABOVE = [("code", 5, 1, 1), ("label", 5, 1, 1)]


def ids(values: list[int]) -> Any:
    return np.array(values, dtype=np.int32)


def section(kind: str, vectors: bool) -> dict[str, Any]:
    base = GRU if kind == "recurrent" else {**ON_COUNTS, **ON_COUNTS["next_visit"]}
    sizes = {"hidden": 5, **({"embedding": 3} if vectors or kind == "recurrent" else {})}
    return {**base, "kind": kind, **sizes}


def grafted(kind: str, *, loss: str, vectors: bool, folder: Path) -> tuple[Any, Any, Histories]:
    """A source's network of random weights, and what becomes of it."""
    model = {**section(kind, vectors), "loss": loss}
    torch.manual_seed(3)
    network = build_next_visit(model, len(KNOWN), len(LABELS)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn_like(weight))
    counts = np.array([7, 2, 3])
    source = NextVisitModel(kind, ids(KNOWN), ids(LABELS), counts, "", True, network)
    histories = read_histories(write_histories(SMALL, folder / "visits.arrow"))
    data = trajectories_of(histories, ids(HERE), ids(ASKED), 1)
    fresh = build_next_visit(model, len(HERE), len(ASKED)).eval()
    above = ancestors_table(SMALL_ABOVE)
    of = {
        name: origins(ids(here), ids(own), nearest_ancestors(above, name, ids(own)))
        for name, here, own in (("code", HERE, KNOWN), ("label", ASKED, LABELS))
    }
    places = Origins(codes=of["code"], labels=of["label"], same=np.array([0, 2, -1, -1]))
    objective = NextVisits(fresh, data, np.array([0, 1]), np.array([], int), l2=0.0)
    begin_as_source(fresh, objective, source=source, origins=places)
    return network, fresh, histories


def outputs(network: Any, histories: Histories, row: int, known: list[int]) -> tuple[Any, Any]:
    """Numbers of the labels after each visit of a row, and the days."""
    with torch.inference_mode():
        states = network(collate(histories, np.array([row]), ids(known)))
        return network.numbers(states).numpy(), network.log_days(states).numpy()


CASES = [
    ("recurrent", False),
    ("mlp", False),
    ("logistic", False),
    ("mlp", True),
    ("logistic", True),
]


@pytest.mark.parametrize(("kind", "vectors"), CASES)
def test_a_grafted_network_says_of_what_both_know_what_the_source_said(
    tmp_path: Path, kind: str, vectors: bool
) -> None:
    network, fresh, histories = grafted(kind, loss="sigmoid", vectors=vectors, folder=tmp_path)
    numbers, days = outputs(network, histories, 0, KNOWN)
    found, found_days = outputs(fresh, histories, 0, HERE)
    np.testing.assert_allclose(found[:, :2], numbers[:, [0, 2]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found_days, days, rtol=1e-5, atol=1e-6)
    # A new code reads as its ancestor; a new label is its ancestor but for how frequent it is.
    as_parent = replace(histories, codes=np.where(histories.codes == 5, 1, histories.codes))
    of_source, days = outputs(network, as_parent, 1, KNOWN)
    found, found_days = outputs(fresh, histories, 1, HERE)
    np.testing.assert_allclose(found[:, :2], of_source[:, [0, 2]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found_days, days, rtol=1e-5, atol=1e-6)
    apart = found[:, 2] - of_source[:, 1]
    moved = (fresh.head.bias[2] - network.head.bias[1]).item()
    np.testing.assert_allclose(apart, moved, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", ["multinomial", "sigmoid"])
def test_what_is_new_is_as_frequent_as_the_training_rows_have_it(tmp_path: Path, loss: str) -> None:
    """Six visits: label 0 twice, 3 three times, 5 three times, 6 never; 7 and 3 at the source."""
    network, fresh, _ = grafted("recurrent", loss=loss, vectors=False, folder=tmp_path)
    bias = fresh.head.bias.tolist()
    assert bias[:2] == network.head.bias[[0, 2]].tolist()
    assert fresh.time.bias.item() == network.time.bias.item()
    if loss == "sigmoid":
        assert bias[2:] == pytest.approx([0.0, np.log(1 / 7)], abs=1e-6)
    else:
        shift = np.log((1 + 7 + 3) / (1 + 2 + 3))
        assert bias[2:] == pytest.approx([np.log(4) + shift, shift])
    # The row of what has no ancestor is one as it was made.
    assert fresh.reader.embed.weight[4].abs().max() <= 0.1
    assert not torch.equal(fresh.head.weight[3], fresh.head.weight[2])


# What the arms learn, and from what.


def spied(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], **changes: Any
) -> list[tuple[Any, ForecastData]]:
    """Weights of each arm before the first step and those that were kept, and its data."""
    seen = []

    def spy(data: ForecastData, *positional: Any, begin: Any, **more: Any) -> Any:
        states = []

        def begins(network: Any, objective: Any) -> None:
            begin(network, objective)
            states.append({name: w.clone() for name, w in network.state_dict().items()})

        found = fit_next_visit(data, *positional, begin=begins, **more)
        seen.append(([*states, found[0].state_dict()], data))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(next_visit_arms, "fit_next_visit", spy)
        transfer(arguments, **changes)
    return seen


def test_with_the_last_layer_alone_the_heads_move_and_nothing_else(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {**PAIR, "fractions": [100], "draws": 1}
    only = {"pair": {**pair, "strategies": ["last_layer"]}, "folder": tmp_path / "out"}
    ((before, after), data), *rest = spied(monkeypatch, arguments, **only)
    assert not rest
    source = load_next_visit(arguments["trained"])
    assert source.network is not None
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert moved == {"head.weight", "head.bias", "time.weight", "time.bias"}
    # A code of the target is known if the source's model knows an ancestor of it.
    assert data.trajectories.known.tolist() == [*range(12), 45]
    embed = source.network.reader.get_parameter("embed.weight")
    assert torch.equal(after["reader.embed.weight"][:12], embed)
    assert torch.equal(after["reader.embed.weight"][12], embed[5])
    tuned = {"pair": {**pair, "strategies": ["fine_tuned"]}, "folder": tmp_path / "out"}
    ((before, after), data) = spied(monkeypatch, arguments, **tuned)[0]
    assert data.trajectories.known.tolist() == [*range(12), 45, 46]
    assert all(not torch.equal(weight, before[name]) for name, weight in after.items())


def test_vectors_that_are_only_read_stay_the_sources_and_from_scratch_are_the_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    files = [tmp_path / name / "vectors.safetensors" for name in ("source", "target")]
    for path in files:
        write_vectors(draw.normal(size=(JOINT, 3)).astype(np.float32), path, "persons")
    own: dict[str, Any] = {"kind": "mlp", "epochs": 1, "vectors": files[0]}
    folder = train(persons(seed=0), tmp_path / "source", **own)
    changes: dict[str, Any] = {
        "encoding": {**ENCODING, **SKIPGRAM, "min_count": 1},
        "vectors": files[1],
        "pair": {**PAIR, "fractions": [100], "draws": 1},
    }
    arguments = pair_of(elsewhere(persons()), folder, tmp_path, **changes)
    _, tuned, scratch = spied(monkeypatch, arguments)
    known = [*range(12), 45]
    assert tuned[1].trajectories.known.tolist() == known  # nothing would ever move the row of 46
    expected = read_vectors(files[0], ids([*range(12), 5]))
    np.testing.assert_array_equal(tuned[0][-1]["reader.embed.weight"], expected)
    there = [code for code in (*range(12), 45, 46) if code not in ELSEWHERE]
    assert scratch[1].trajectories.known.tolist() == there
    expected = read_vectors(files[1], ids(there))
    np.testing.assert_array_equal(scratch[0][-1]["reader.embed.weight"], expected)


def test_from_scratch_on_all_persons_an_arm_learns_what_a_training_there_does(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {**PAIR, "strategies": ["scratch"], "fractions": [100], "draws": 1}
    ((_, data),) = spied(monkeypatch, arguments, pair=pair, folder=tmp_path / "out")
    files = {name: arguments[name] for name in ("visits", "vocabulary", "labels")}
    at_home = read_forecast_data(files, 1, 1, FOLD, PARTS)
    assert data.training.tolist() == at_home.training.tolist()
    assert data.validation.tolist() == at_home.validation.tolist()
    assert data.trajectories.known.tolist() == at_home.trajectories.known.tolist()
    labels = data.trajectories.labels.known.tolist()
    assert labels == at_home.trajectories.labels.known.tolist()
    assert set(labels) == (set(range(12)) - set(ELSEWHERE)) | set(ELSEWHERE.values())


@pytest.mark.parametrize("kind", ["most_frequent", "last_visit"])
def test_what_is_counted_there_is_what_a_count_at_home_predicts(tmp_path: Path, kind: str) -> None:
    folder = train(persons(seed=0), tmp_path / "source", kind=kind)
    arguments = pair_of(elsewhere(persons()), folder, tmp_path)
    said = transfer(arguments)
    assert set(said) >= {"zero_shot", "scratch", "differences"}
    assert not {"last_layer", "fine_tuned"} & set(said)
    shared = {name: arguments[name] for name in ("task", "encoding", "fold", "parts")}
    files = {name: arguments[name] for name in ("visits", "vocabulary", "labels")}
    count_labels(**files, **shared, model={"kind": kind}, folder=tmp_path / "home")
    evaluate_next_visit(
        visits=arguments["visits"],
        trained=tmp_path / "home",
        folder=tmp_path / "at_home",
        **{name: arguments[name] for name in ("fold", "parts", "seed", "draws")},
    )
    table = pq.read_table(arguments["folder"] / "predictions.parquet")
    frame = table.to_pandas()
    own = table.filter(((frame["strategy"] == "scratch") & (frame["fraction"] == 100)).to_numpy())
    expected = pq.read_table(tmp_path / "at_home/predictions.parquet")
    names = tables.NEXT_VISITS.names
    assert own.select(names).slice(0, len(expected)).equals(expected)
    assert own.select(names).slice(len(expected)).equals(expected)  # the other draw
    at_home = json.loads((tmp_path / "at_home/metrics.json").read_text())
    assert said["scratch"]["100"]["recall_at_30"] == pytest.approx(at_home["recall_at_30"])
    days = said["scratch"]["100"]["mae_days"]
    assert days["reason"] == "undefined in 2 of 2 draws: no predicted days in the test part"
    assert (arguments["folder"] / "curve.csv").read_text().count("\n") == 1


# What is written.


def test_all_arms_rank_the_labels_of_the_targets_training_parts(predictions: pd.DataFrame) -> None:
    everything = sorted((set(range(12)) - set(ELSEWHERE)) | set(ELSEWHERE.values()))
    named = {
        arm: {tuple(sorted(top)) for top in rows["top"]}
        for arm, rows in predictions.groupby(["strategy", "fraction", "draw"])
    }
    assert len(named) == 1 + 3 * 2 * 2
    for (strategy, *_), lists in named.items():
        known = [label for label in everything if label < 12 or strategy != "zero_shot"]
        assert lists == {tuple(known)}
    assert predictions.columns.tolist() == [
        *tables.NEXT_VISITS.names,
        "strategy",
        "fraction",
        "draw",
    ]


def recall(rows: pd.DataFrame, k: int, among: set[int]) -> float:
    pairs = [
        label in top[:k]
        for labels, top in zip(rows["labels"], rows["top"].map(list), strict=True)
        for label in labels
        if label in among
    ]
    return float(np.mean(pairs))


def test_the_recall_over_the_sources_labels_stands_beside_that_over_all(
    metrics: dict[str, Any], predictions: pd.DataFrame
) -> None:
    source, both = set(range(12)), set(range(JOINT))
    for (strategy, fraction), rows in predictions.groupby(["strategy", "fraction"]):
        name = str(strategy)
        said = metrics[name] if name == "zero_shot" else metrics[name][str(fraction)]
        draws = [own for _, own in rows.groupby("draw")]
        for k in (10, 20, 30):
            for metric, among in (
                (f"recall_at_{k}", both),
                (f"recall_source_labels_at_{k}", source),
            ):
                expected = np.mean([recall(own, k, among) for own in draws])
                assert said[metric]["value"] == pytest.approx(expected)
        if name != "zero_shot":
            assert list(said)[: len(METRICS)] != []
            assert {*METRICS, *SOURCE_METRICS} <= set(said)
            assert said["draws"] == pytest.approx([recall(own, 30, both) for own in draws])
            assert said["n"] == 20
            assert said["trained_on"] == "the training parts"
    # No list of the source's model as it is has what the source did not write.
    zero = metrics["zero_shot"]
    assert zero["recall_at_30"]["value"] < zero["recall_source_labels_at_30"]["value"] == 1.0


def test_a_new_label_is_found_by_its_ancestor_before_anything_is_learned(
    arguments: dict[str, Any], metrics: dict[str, Any]
) -> None:
    """At epoch 0 the target's 45 follows 4, as the source's 5 does."""
    curve = pd.read_csv(arguments["folder"] / "curve.csv")
    assert set(curve["strategy"]) == {"fine_tuned", "scratch"}
    assert set(curve["metric"]) == {"recall_at_30"}
    start = curve[(curve["strategy"] == "fine_tuned") & (curve["epoch"] == 0)]
    assert (start["test"] > metrics["zero_shot"]["recall_at_30"]["value"]).all()


def test_the_curve_has_every_epoch_and_the_peak_is_its_best_on_the_test_part(
    trained: Path, tmp_path: Path
) -> None:
    """With 40 labels not all are among 30, and the source knows twelve of them."""
    arguments = pair_of(chains(140, seed=4), trained, tmp_path)
    said = transfer(arguments, pair={**PAIR, "fractions": [100]})
    curve = pd.read_csv(arguments["folder"] / "curve.csv")
    for strategy, rows in curve.groupby("strategy"):
        own = said[str(strategy)]["100"]
        for draw, of_draw in rows.groupby("draw"):
            assert of_draw["epoch"].tolist() == list(range(len(of_draw)))
            assert of_draw.loc[of_draw["chosen"], "test"].tolist() == pytest.approx(
                [own["draws"][draw]]
            )
            assert of_draw["validation"].between(0, 1).all()
        best = rows.groupby("draw")["test"].max()
        assert own["peak"]["value"] == pytest.approx(best.mean())
        assert own["peak"]["low"] <= own["peak"]["value"] <= own["peak"]["high"]
        first = [of_draw["test"].to_numpy().argmax() for _, of_draw in rows.groupby("draw")]
        assert own["peak"]["epoch"] == np.mean(first)
    assert "peak" not in said["last_layer"]["100"]
    gained = said["differences"]["100"]["fine_tuned_less_zero_shot"]["recall_at_30"]
    assert gained["low"] > 0  # most labels are new to the source
    assert gained["value"] == pytest.approx(
        said["fine_tuned"]["100"]["recall_at_30"]["value"]
        - said["zero_shot"]["recall_at_30"]["value"]
    )


def test_a_chain_that_is_known_needs_no_training_and_few_persons_do_not_teach_it(
    tmp_path: Path,
) -> None:
    """All 40 labels: what comes next is among ten."""
    folder = train(chains(seed=0), tmp_path / "source", **QUICK)
    pair = {**PAIR, "fractions": [20], "draws": 1}
    said = transfer(pair_of(chains(140, seed=1), folder, tmp_path, pair=pair))
    assert said["zero_shot"]["recall_at_10"]["value"] == 1.0
    assert said["scratch"]["20"]["recall_at_10"]["value"] < 0.9
    assert said["scratch"]["20"]["training"]["persons"] == 20
    curve = pd.read_csv(tmp_path / "out/curve.csv")
    start = curve[(curve["strategy"] == "fine_tuned") & (curve["epoch"] == 0)]
    assert start["test"].tolist() == [said["zero_shot"]["recall_at_30"]["value"]]
    assert said["differences"]["20"]["scratch_less_zero_shot"]["recall_at_30"]["value"] < 0


def test_the_papers_split_has_no_validation_and_keeps_the_last_epoch(
    tmp_path: Path,
) -> None:
    rows = persons()
    folder = train(rows, tmp_path / "source", split="paper", epochs=3, learning_rate=0.05)
    arguments = pair_of(rows, folder, tmp_path, task={**TASK, "split": "paper"})
    said = transfer(arguments, pair={**PAIR, "fractions": [100], "draws": 1})
    curve = pd.read_csv(arguments["folder"] / "curve.csv")
    assert curve["validation"].isna().all()
    assert curve.loc[curve["chosen"], "epoch"].tolist() == [3, 3]
    for strategy in PAIR["strategies"]:
        own = said[strategy]["100"]
        assert own["trained_on"] == said["zero_shot"]["trained_on"]
        assert own["trained_on"].endswith("as the paper did")
        assert own["training"]["persons"] == 120


def test_too_few_persons_or_no_label_are_not_estimable(metrics: dict[str, Any]) -> None:
    reason = "not estimable: fewer than 20 persons in the drawn training rows"
    for strategy in PAIR["strategies"]:
        said = metrics[strategy]["5"]
        assert {said[name]["reason"] for name in (*METRICS, *SOURCE_METRICS)} == {reason}
        assert said["training"]["persons"] == 5
    assert next_visit._too_few({"persons": 20, "labelled_visits": 1}) is None
    assert next_visit._too_few({"persons": 20, "labelled_visits": 0}) == (
        "no label in the drawn training visits"
    )


def test_persons_whom_the_source_knows_well_and_the_others(
    metrics: dict[str, Any], arguments: dict[str, Any], predictions: pd.DataFrame
) -> None:
    histories = read_histories(arguments["visits"])
    test = np.flatnonzero(histories.part == FOLD)
    ends = histories.code_offsets[histories.visit_offsets]
    share = {
        int(histories.subject_id[row]): np.mean(histories.codes[ends[row] : ends[row + 1]] < 12)
        for row in test
    }
    median = np.median(list(share.values()))
    zero = predictions[predictions["strategy"] == "zero_shot"]
    covered = zero["subject_id"].map(share) >= median
    for name, own in (("high", zero[covered]), ("low", zero[~covered])):
        said = metrics[f"zero_shot_{name}_coverage"]
        assert said["recall_at_30"]["value"] == pytest.approx(recall(own, 30, set(range(JOINT))))
        assert said["n"] == own["subject_id"].nunique() > 0


def test_a_killed_transfer_goes_on_to_the_same_bytes(
    arguments: dict[str, Any],
    metrics: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save, saved = ArmStore.save, []

    def killed(self: ArmStore, *given: Any) -> None:
        save(self, *given)
        saved.append(given[0])
        if len(saved) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(ArmStore, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        transfer(arguments, folder=tmp_path)
    transfer(arguments, folder=tmp_path)
    assert len(saved) == len(set(saved)) == 12  # none was trained twice
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (arguments["folder"] / name).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)

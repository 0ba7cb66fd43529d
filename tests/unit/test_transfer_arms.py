"""The frame of a transfer: which arms there are, what they learn from and where they begin."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from arrow_visits import in_memory
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from small_training import CODES, ENCODING, FOLD, GRU, PARTS, RETAIN, TRANSFORMER, cohort, inputs
from small_training import train as train_at_home
from small_transfer import ABOVE, PAIR, ancestors_table

from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.models.networks import build_network
from visitseq.train.classification import Classification
from visitseq.train.fit import fit
from visitseq.train.scoring import load_network, score_logits
from visitseq.train.training_data import read_training_data
from visitseq.transfer.arms import Arm, arms_of
from visitseq.transfer.coverage_halves import coverage_halves
from visitseq.transfer.drawn_rows import draw_rows
from visitseq.transfer.graft import freeze_but, graft
from visitseq.transfer.known import codes_of_arm, frequent_codes, nearest_ancestors, origins
from visitseq.transfer.measured import Measured, difference, mean_over_draws

NETWORKS = {model["kind"]: {**model, "dropout": 0.0} for model in (GRU, RETAIN, TRANSFORMER)}


def groups_of(ids: list[int | None], subjects: list[int]) -> Groups:
    columns = (pa.array(ids, pa.int64()), pa.array(subjects, pa.int64()))
    return resampling_groups(*(pa.chunked_array([column]) for column in columns))


# Which arms there are.


def test_the_arms_stand_in_the_order_of_the_results() -> None:
    pair = {**PAIR, "strategies": ["scratch", "last_layer"], "fractions": [20, 5], "draws": 2}
    assert [tuple(arm) for arm in arms_of(pair, GRU)] == [
        (strategy, fraction, draw)
        for strategy in ("last_layer", "scratch")
        for fraction in (5, 20)
        for draw in (0, 1)
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("knn", ["scratch"]),
        ("trees", ["scratch"]),
        ("logistic", ["fine_tuned", "scratch"]),
        ("mlp", ["last_layer", "fine_tuned", "scratch"]),
    ],
)
def test_what_a_kind_cannot_do_is_no_arm(kind: str, expected: list[str]) -> None:
    arms = arms_of({**PAIR, "fractions": [100], "draws": 1}, {"kind": kind})
    assert [arm.strategy for arm in arms] == expected


def test_every_arm_has_random_numbers_of_its_own() -> None:
    arms = arms_of({**PAIR, "draws": 5}, GRU)
    assert len({arm.entropy for arm in arms}) == len(arms) == 45


# Which rows they learn from.


@given(
    sets=st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=40),
    seed=st.integers(0, 5),
    draw=st.integers(0, 4),
)
def test_fractions_are_nested_and_sets_whole(sets: list[int | None], seed: int, draw: int) -> None:
    groups = groups_of(sets, [100 + place for place in range(len(sets))])
    rows = np.arange(len(sets))[::2]  # a part; the sets that straddle it are as they are in it
    distinct = len(np.unique(groups.rows[rows]))
    before: set[int] = set()
    for fraction in (1, 5, 20, 50, 99, 100):
        drawn = draw_rows(rows, groups, Arm("scratch", fraction, draw), seed)
        assert (np.diff(drawn) > 0).all()
        assert before <= set(drawn.tolist()) <= set(rows.tolist())
        taken = np.unique(groups.rows[drawn])
        assert len(taken) == int(np.ceil(fraction * distinct / 100))
        whole = rows[np.isin(groups.rows[rows], taken)]
        assert drawn.tolist() == whole.tolist()
        before = set(drawn.tolist())
    assert before == set(rows.tolist())


def test_a_draw_hangs_on_the_ids_and_not_on_who_else_is_there() -> None:
    ids = [int(number) for number in np.random.default_rng(0).permutation(1000)[:200]]
    few, many = groups_of([None] * 100, ids[:100]), groups_of([None] * 200, ids)

    def drawn(groups: Groups, count: int, fraction: int, draw: int = 0, seed: int = 0) -> set[int]:
        rows = draw_rows(np.arange(count), groups, Arm("scratch", fraction, draw), seed)
        return {ids[row] for row in rows}

    # One per cent of 100 persons is one: the k per cent are the first k of their order.
    for fraction in range(1, 101):
        shared = drawn(many, 200, fraction) & set(ids[:100])
        assert not shared or shared == drawn(few, 100, len(shared))
    assert drawn(few, 100, 50) != drawn(few, 100, 50, draw=1)
    assert drawn(few, 100, 50) != drawn(few, 100, 50, seed=1)
    assert drawn(few, 100, 100) == drawn(few, 100, 100, draw=1)


# Which codes they know, and where their rows begin.


def test_codes_of_all_training_rows_are_those_that_a_fold_knows_at_home(tmp_path: Path) -> None:
    files = inputs(cohort(), tmp_path)
    sequences = read_sequences(files["visits"])
    for least in (1, 70, 75, 80, 10_000):
        encoding = {**ENCODING, "min_count": least}
        data = read_training_data(files["visits"], files["vocabulary"], encoding, FOLD, PARTS)
        own = frequent_codes(sequences, data.training, least)
        assert own.tolist() == data.known.tolist()
        assert own.dtype == data.known.dtype
    assert 0 < len(frequent_codes(sequences, data.training, 75)) < CODES


def test_the_nearest_ancestor_is_the_nearest_that_the_source_knows() -> None:
    table = ancestors_table(
        [
            ("code", 10, 4, 1),  # nearest, but the source's fold does not know it
            ("code", 10, 3, 2),
            ("code", 10, 2, 2),  # as near as 3, and of the smaller id
            ("code", 11, 4, 1),
            ("code", 12, 1, 5),
            ("label", 13, 1, 1),
        ]
    )
    known = np.array([1, 2, 3], dtype=np.int32)
    ids, nearest = nearest_ancestors(table, "code", known)
    assert (ids.tolist(), nearest.tolist()) == ([10, 12], [2, 1])
    assert nearest_ancestors(table, "label", known)[0].tolist() == [13]
    assert nearest_ancestors(table.slice(0, 0), "code", known)[0].tolist() == []


def test_what_each_strategy_knows_and_where_its_rows_begin() -> None:
    source, frequent = np.array([1, 3, 5], dtype=np.int32), np.array([3, 4, 8, 9], dtype=np.int32)
    nearest = nearest_ancestors(ancestors_table(ABOVE), "code", source)
    known = {
        strategy: codes_of_arm(strategy, frequent, source, nearest[0]).tolist()
        for strategy in ("last_layer", "fine_tuned", "scratch")
    }
    # 4 is a code that the source has and its fold does not know; 9 has no ancestor.
    assert known == {
        "last_layer": [1, 3, 5, 8],
        "fine_tuned": [1, 3, 4, 5, 8, 9],
        "scratch": [3, 4, 8, 9],
    }
    rows = origins(np.array(known["fine_tuned"], dtype=np.int32), source, nearest)
    assert rows.tolist() == [0, 1, -1, 2, 0, -1]
    nothing = np.array([], dtype=np.int32)
    assert origins(frequent, nothing, (nothing, nothing)).tolist() == [-1] * 4


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_grafted_network_gives_the_codes_that_it_knew_the_logits_that_it_gave(
    tmp_path: Path, kind: str
) -> None:
    model = {**NETWORKS[kind], "epochs": 1}
    trained = train_at_home(cohort(), tmp_path, model)
    source = np.array([0, 1, 2, 3, 4, 5, 6, 7], dtype=np.int32)
    weights = load_file(trained / "model.safetensors")
    known = np.append(source, [8, 9]).astype(np.int32)
    nearest = nearest_ancestors(ancestors_table(ABOVE), "code", source)
    torch.manual_seed(3)
    network = build_network(model, len(known))
    fresh = network.embed.weight[9].detach().clone()
    graft(network, weights, {"embed.weight": origins(known, source, nearest)})
    before = load_network(trained / "model.safetensors", model, len(source))
    shared = in_memory([[[0, 3], [5]], [[1], [2, 7]], []])
    rows = np.arange(3)
    expected = score_logits(before, shared, rows, source)
    assert score_logits(network, shared, rows, known).tolist() == expected.tolist()
    # The new code 8 is read as its parent 1 was, and 9 as nothing that the source knew.
    child = score_logits(network, in_memory([[[0, 3], [5]], [[8], [2, 7]], []]), rows, known)
    assert child.tolist() == expected.tolist()
    table = network.embed.weight.detach()
    assert table[8].tolist() == weights["embed.weight"][1].tolist()
    assert table[9].tolist() == fresh.tolist()


def test_a_network_that_knew_no_code_is_grafted_too() -> None:
    source, network = build_network(GRU, 0), build_network(GRU, 2)
    fresh = network.embed.weight.detach().clone()
    graft(network, source.state_dict(), {"embed.weight": np.array([-1, -1])})
    assert torch.equal(network.embed.weight, fresh)
    assert torch.equal(network.head.weight, source.head.weight)


@pytest.mark.parametrize("optimiser", ["adam", "adadelta", "sgd"])
def test_with_the_last_layer_alone_nothing_else_moves(tmp_path: Path, optimiser: str) -> None:
    data = read_training_data(
        **inputs(cohort(), tmp_path), encoding=ENCODING, fold=FOLD, parts=PARTS
    )
    model: dict[str, Any] = {
        **GRU,
        "optimiser": optimiser,
        "epochs": 2,
        "gradient_norm": 1.0,
        "l2": 0.1,
    }
    network = build_network(model, len(data.known))
    freeze_but(network, [network.head])
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    objective = Classification(network, data, l2=model["l2"], class_weights="none")
    fit(objective, model, np.random.default_rng(0))
    moved = {name for name, w in network.state_dict().items() if not torch.equal(w, before[name])}
    assert moved == {"head.weight", "head.bias"}


# What is said of them.


def estimates(value: float, draws: list[float]) -> Measured:
    own = np.array(draws)
    low, high = np.quantile(own, [0.025, 0.975])
    return Measured({"auroc": Estimate(value, float(low), float(high))}, {"auroc": own})


def test_the_mean_over_draws_has_the_interval_of_the_means_of_the_bootstrap_draws() -> None:
    one, two = estimates(0.6, [0.5, 0.6, 0.7, 0.8]), estimates(0.8, [0.9, 0.8, 0.7, 0.6])
    mean = mean_over_draws([one, two])
    # Every draw's mean is 0.7: the two err in opposite ways.
    assert mean.estimates["auroc"] == pytest.approx((0.7, 0.7, 0.7, None))
    apart = difference(mean, one, "auroc", groups=10)
    low, high = np.quantile([0.2, 0.1, 0.0, -0.1], [0.025, 0.975])
    assert apart[:3] == pytest.approx((0.1, low, high))


def test_a_draw_without_a_value_leaves_the_mean_without_one() -> None:
    one, none = estimates(0.6, [0.5, 0.6]), Measured({"auroc": undefined("no case there")}, {})
    mean = mean_over_draws([one, none])
    assert mean.estimates["auroc"].reason == "undefined in 1 of 2 draws: no case there"
    assert not mean.draws
    assert difference(one, mean, "auroc", groups=10).reason == mean.estimates["auroc"].reason


# The patients whom the source knows well.


def test_the_halves_of_coverage_by_hand() -> None:
    # Shares of known codes: 2/3, 0, none to know, 1/1, 1/2; the median of four is 7/12.
    visits = in_memory([[[7]], [[0, 1], [9]], [[9]], [[], []], [[0]], [[1, 8]]])
    halves = coverage_halves(visits, np.arange(1, 6), np.array([0, 1], dtype=np.int32))
    assert halves.median == pytest.approx(7 / 12)
    assert halves.high.tolist() == [True, False, False, True, False]
    assert halves.low.tolist() == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("cohort_rows", "median", "high"),
    [([[[0]], [[1]], []], 1.0, [True, True, False]), ([[], [[]]], None, [False, False])],
)
def test_nobody_is_below_where_all_are_covered_alike(
    cohort_rows: Any, median: float | None, high: list[bool]
) -> None:
    rows = np.arange(len(cohort_rows))
    halves = coverage_halves(in_memory(cohort_rows), rows, np.array([0, 1], dtype=np.int32))
    assert (halves.median, halves.high.tolist()) == (median, high)
    assert not halves.low.any()

from typing import Any

import pytest

from visitseq.grid import (
    as_used_of,
    asked,
    has_oracle,
    left_out,
    refusal,
    replicates,
    unexplained,
    unexported,
    without_any_model,
    without_partner,
)

ONSET = {"kind": "onset"}
FORECAST = {"kind": "forecast", "labels": ["condition", "drug"]}
NEXT_VISIT = {"kind": "next_visit", "labels": ["condition"]}
BY_VISIT = {
    "vocabulary": "codes",
    "sequence": "visit",
    "domains": ["condition", "drug", "procedure"],
}
BY_CODE = {**BY_VISIT, "sequence": "code"}
CONDITIONS = {**BY_VISIT, "domains": ["condition"]}
ROLLED_UP = {**BY_VISIT, "vocabulary": "rollup"}


@pytest.mark.parametrize(
    ("task", "encoding", "model", "reason"),
    [
        (ONSET, BY_CODE, "logistic", None),
        (ONSET, CONDITIONS, "seq2seq", None),
        (FORECAST, BY_VISIT, "seq2seq", None),
        (FORECAST, BY_VISIT, "logistic", "a model of kind logistic gives each person one score"),
        (FORECAST, BY_VISIT, "recurrent", "a model of kind recurrent gives each person one score"),
        (FORECAST, BY_VISIT, "retain", "a model of kind retain gives each person one score"),
        (FORECAST, BY_VISIT, "transformer", "a model of kind transformer gives each person one"),
        (FORECAST, BY_CODE, "seq2seq", "with sequence code a step is a code"),
        (FORECAST, CONDITIONS, "seq2seq", "the labels' domain drug is not among the encoding's"),
        (ONSET, CONDITIONS, "last_visit", "a model of kind last_visit ranks labels of visits"),
        (NEXT_VISIT, CONDITIONS, "recurrent", None),
        (NEXT_VISIT, CONDITIONS, "most_frequent", None),
        (NEXT_VISIT, CONDITIONS, "seq2seq", "a model of kind seq2seq does not predict at every"),
        (NEXT_VISIT, CONDITIONS, "svm", "a model of kind svm does not predict at every"),
        (NEXT_VISIT, CONDITIONS, "logistic", None),
        (NEXT_VISIT, CONDITIONS, "mlp", None),
        ({**NEXT_VISIT, "rollup": "icd3"}, ROLLED_UP, "mlp", None),
        (
            {**NEXT_VISIT, "rollup": "none"},
            ROLLED_UP,
            "mlp",
            "with rollup none the labels are codes",
        ),
        (FORECAST, ROLLED_UP, "seq2seq", "the labels of a forecast are codes"),
        (ONSET, ROLLED_UP, "logistic", "an onset has no labels whose rollup its codes could share"),
        (
            NEXT_VISIT,
            BY_CODE,
            "recurrent",
            "the next visit is asked, and with sequence code a step",
        ),
    ],
)
def test_what_does_not_go_together_has_a_reason(
    task: dict[str, Any], encoding: dict[str, Any], model: str, reason: str | None
) -> None:
    found = refusal(task, encoding, {"kind": model})
    assert found is None if reason is None else reason in str(found)
    # Of two sections alone as much is said as they say.
    said = {refusal(task, encoding), refusal(task, model={"kind": model})}
    assert said == {found, None} if found else said == {None}


def test_a_network_of_both_directions_cannot_predict_the_next_visit() -> None:
    both = {"kind": "recurrent", "bidirectional": True}
    assert "has read the visits that it is to predict" in str(refusal(NEXT_VISIT, model=both))
    assert refusal(ONSET, model=both) is None


def test_a_task_that_no_model_is_left_for_is_named() -> None:
    run: dict[str, Any] = {"tasks": ["next"], "encodings": ["conditions"], "models": ["svm"]}
    config = {
        "run": {**run, "narrow": {}},
        "tasks": {"next": NEXT_VISIT},
        "encodings": {"conditions": CONDITIONS},
        "models": {"svm": {"kind": "svm"}, "last": {"kind": "last_visit"}},
    }
    assert without_any_model(config) == [
        "task next is run with no encoding and model: all that run names are left out of it."
    ]
    config["run"]["models"] = ["svm", "last"]
    assert without_any_model(config) == []
    config["run"]["models"] = []
    assert without_any_model(config) == []


def test_what_a_next_visit_has_no_use_for_is_refused() -> None:
    last: dict[str, Any] = {"kind": "recurrent", "visits": "last"}
    assert "the model's are last" in str(refusal(NEXT_VISIT, model=last))
    searched: dict[str, Any] = {"kind": "recurrent", "search": {"hidden": [8, 16]}}
    assert "chooses by AUROC" in str(refusal(NEXT_VISIT, model=searched))
    weighted = {"kind": "recurrent", "class_weights": "balanced"}
    assert "a visit is neither" in str(refusal(NEXT_VISIT, model=weighted))
    timed = {"kind": "logistic", "features": "time"}
    assert "the model's features are time" in str(refusal(NEXT_VISIT, model=timed))


def test_the_study_names_each_thing_that_it_leaves_out_once() -> None:
    config: dict[str, Any] = {
        "run": {
            "narrow": {},
            "tasks": ["onset", "forecast"],
            "encodings": ["by_visit", "by_code"],
            "models": ["gru", "seq2seq"],
        },
        "cohorts": {"patients": {"kind": "case_control"}},
        "tasks": {"onset": {**ONSET, "cohort": "patients"}, "forecast": FORECAST},
        "encodings": {"by_visit": BY_VISIT, "by_code": BY_CODE},
        "models": {"gru": {"kind": "recurrent"}, "seq2seq": {"kind": "seq2seq"}},
    }
    sentences = left_out(config)
    assert len(sentences) == 2
    assert sentences[0].startswith("encoding by_code is left out of task forecast: a forecast is")
    assert sentences[1].startswith("model gru is left out of task forecast: a model of kind")
    config["run"]["narrow"] = {"forecast": {"encodings": ["by_visit"]}}
    assert left_out(config) == sentences[1:]
    config["run"]["tasks"] = ["onset"]
    assert left_out(config) == []


def test_a_narrowed_task_is_run_with_what_is_named() -> None:
    run = {"narrow": {"short": {"encodings": ["one_hot"], "models": ["gru", "knn"]}}}
    assert asked(run, "short", encoding="one_hot", model="knn")
    assert not asked(run, "short", encoding="skipgram", model="knn")
    assert not asked(run, "short", model="logistic")
    assert asked(run, "long", encoding="skipgram", model="logistic")


def test_an_encoding_can_be_paired_with_models() -> None:
    run = {"narrow": {"dx": {"models": ["mlp", "rnn"], "pairs": {"skipgram": ["rnn"]}}}}
    assert asked(run, "dx", encoding="skipgram", model="rnn")
    assert not asked(run, "dx", encoding="skipgram", model="mlp")
    assert asked(run, "dx", encoding="one_hot", model="mlp")
    assert asked(run, "rx", encoding="skipgram", model="mlp")
    run["narrow"]["dx"]["pairs"] = {"skipgram": ["lstm"]}  # of the models that the task is run with
    assert not asked(run, "dx", encoding="skipgram", model="lstm")


def test_models_that_differ_in_their_seed_alone_are_replicates() -> None:
    models: dict[str, dict[str, Any]] = {
        "gru": {"kind": "recurrent", "hidden": 8, "seed": 0},
        "wide": {"kind": "recurrent", "hidden": 16, "seed": 0},
        "gru_again": {"kind": "recurrent", "hidden": 8, "seed": 1},
        "logistic": {"kind": "logistic"},
    }
    found = replicates(models, ["wide", "gru_again", "gru", "logistic"])
    assert found == {"wide": ["wide"], "gru_again": ["gru_again", "gru"], "logistic": ["logistic"]}


def test_models_with_the_same_seed_or_none_are_no_replicates() -> None:
    gru = {"kind": "recurrent", "hidden": 8}
    models: dict[str, dict[str, Any]] = {
        "gru": {**gru, "seed": 0},
        "twin": {**gru, "seed": 0},
        "gru_again": {**gru, "seed": 1},
        "logistic": {"kind": "logistic"},
        "logistic_twin": {"kind": "logistic"},
    }
    assert replicates(models, list(models)) == {
        "gru": ["gru", "gru_again"],
        "twin": ["twin"],
        "logistic": ["logistic"],
        "logistic_twin": ["logistic_twin"],
    }
    assert replicates(models, ["twin", "gru_again", "gru"]) == {
        "twin": ["twin", "gru_again"],
        "gru": ["gru"],
    }


def test_what_cannot_be_explained_has_a_reason() -> None:
    explained = ("recurrent", "transformer", "retain", "seq2seq", "logistic")
    assert [unexplained({"kind": kind}) for kind in explained] == [None] * len(explained)
    assert "no code has a share" in str(unexplained({"kind": "knn"}))
    assert unexplained({"kind": "logistic", "features": "counts"}) is None
    assert "no single coefficient" in str(unexplained({"kind": "logistic", "features": "time"}))


def test_neighbours_and_forecasts_do_not_leave() -> None:
    assert unexported(ONSET, {"kind": "logistic"}) is None
    assert unexported(NEXT_VISIT, {"kind": "last_visit"}) is None
    assert "its training records" in str(unexported(ONSET, {"kind": "knn"}))
    assert "a forecast is not carried" in str(unexported(FORECAST, {"kind": "seq2seq"}))


def as_used(**landmark: Any) -> dict[str, Any]:
    """A study of a case-control task and a landmark task that is like it but for ``landmark``."""
    disease = {"phenotype": "hf", "qualifying_encounters": 3, "qualifying_months": 12}
    window = {"observation_months": 18, "prediction_months": 6, "phenotype_codes": "drop"}
    changed = {key: landmark.get(key, value) for key, value in {**disease, **window}.items()}
    return {
        "run": {"tasks": ["used", "other", "onset", "forecast"]},
        "cohorts": {
            "matched": {"kind": "case_control", **disease},
            "januaries": {"kind": "landmark", **{key: changed[key] for key in disease}},
        },
        "tasks": {
            "onset": {"kind": "onset", "cohort": "matched", **window},
            "other": {"kind": "onset", "cohort": "matched", **window, "observation_months": 9},
            "used": {
                "kind": "onset", "cohort": "januaries", **{key: changed[key] for key in window}
            },
            "forecast": {"kind": "forecast"},
        },
    }  # fmt: skip


def test_a_landmark_task_belongs_to_the_task_of_its_disease_and_window() -> None:
    config = as_used()
    assert as_used_of(config) == [("onset", "used")]
    assert without_partner(config) == [
        "task other has no task of a landmark cohort whose disease and window are the same: its "
        "models are not scored as used."
    ]
    # Its models may be scored so although none is trained there.
    config["run"]["tasks"] = ["onset", "other"]
    assert as_used_of(config) == [("onset", "used")]
    assert without_partner(config) == []
    config["run"]["tasks"] = ["used"]
    assert as_used_of(config) == []


@pytest.mark.parametrize(
    "change",
    [
        {"phenotype": "hf_strict"},
        {"qualifying_encounters": 1},
        {"qualifying_months": 6},
        {"observation_months": 12},
        {"prediction_months": 0},
        {"phenotype_codes": "keep"},
    ],
)
def test_another_disease_or_window_is_no_partner(change: dict[str, Any]) -> None:
    config = as_used(**change)
    assert as_used_of(config) == []
    assert [sentence.split()[1] for sentence in without_partner(config)] == [
        "used",
        "other",
        "onset",
    ]


def test_the_truth_ranks_the_rows_of_cases_and_controls_alone() -> None:
    config = as_used()
    asked_of = ["onset", "used", "forecast"]
    assert [has_oracle(config, task) for task in asked_of] == [True, False, False]

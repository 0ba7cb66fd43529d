"""The configuration: how files are laid together, what is refused, what is filled in."""

from math import prod
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from visitseq.config import fill_config, merge_config
from visitseq.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULT: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
OVERLAYS = [
    *(ROOT / "workflow/experiments").glob("*.yaml"),
    *(ROOT / "tests/configs").glob("*.yaml"),
]
#: What a configuration is laid over, besides the default.
REDUCED = {
    ROOT / f"tests/configs/{name}.yaml": ROOT / f"workflow/experiments/paper_{name}.yaml"
    for name in ("heart_failure", "doctor_ai")
}


def filled(**overlay: Any) -> dict[str, Any]:
    return fill_config(merge_config(DEFAULT, overlay), SCHEMA)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(yaml.safe_load(SCHEMA.read_text("utf-8")))


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    overlay = yaml.safe_load(path.read_text("utf-8"))
    if path in REDUCED:
        overlay = merge_config(yaml.safe_load(REDUCED[path].read_text("utf-8")), overlay)
    assert set(overlay) <= set(filled(**overlay))


def test_filling_gives_every_key_and_changes_none() -> None:
    config = filled()
    assert fill_config(config, SCHEMA) == config
    small = {
        "run": {},
        "sites": {"mine": {"source": "omop", "path": "/data"}},
        "cohorts": {"hf": {"kind": "case_control", "phenotype": "heart_failure"}},
        "tasks": {"hf": {"kind": "onset", "cohort": "hf"}},
        "encodings": {"one_hot": {}},
        "models": {"gru": {"kind": "recurrent", "cell": "gru"}},
    }
    config = fill_config(small, SCHEMA)
    assert config["run"]["parts"] == 7
    assert config["sites"]["mine"]["records"] == "synthetic"
    assert config["sites"]["mine"]["domains"] == ["condition", "drug", "procedure"]
    assert config["cohorts"]["hf"]["matching"]["first_visit_days"] == 365
    assert config["cohorts"]["hf"]["age"] == [40, 85]
    assert config["models"]["gru"]["hidden"] == 128
    assert small["run"] == {}


def test_a_forecast_in_a_cohort_of_everybody_is_filled() -> None:
    small = {
        "run": {},
        "sites": {},
        "cohorts": {"everyone": {"kind": "all"}},
        "tasks": {"forecast": {"kind": "forecast"}},
        "encodings": {},
        "models": {"seq2seq": {"kind": "seq2seq"}},
    }
    config = fill_config(small, SCHEMA)
    everyone = {"kind": "all", "min_visits": 2, "persons": None, "phenotype": None}
    assert config["cohorts"]["everyone"] == everyone
    assert config["tasks"]["forecast"] == {
        "kind": "forecast",
        "cohort": "everyone",
        "visits_ahead": 3,
        "labels": ["condition"],
        "rollup": "none",
    }
    assert config["models"]["seq2seq"]["pretraining_epochs"] == 10


def test_mappings_merge_and_the_rest_replaces() -> None:
    config = filled(
        run={"models": ["gru"]}, models={"gru": {"hidden": 7}, "other": {"kind": "logistic"}}
    )
    assert config["run"]["models"] == ["gru"]
    assert config["run"]["sites"] == DEFAULT["run"]["sites"]
    assert config["models"]["gru"] == DEFAULT["models"]["gru"] | {"hidden": 7}
    assert config["models"]["other"]["inverse_penalty"] == 0.001


def test_a_reference_needs_no_model_where_none_is_run() -> None:
    assert filled(run={"models": [], "reference": "gru"})["run"]["reference"] == "gru"
    assert filled()["run"]["reference"] is None


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"neighbors": [3]}, "search/neighbors: neighbors is no setting .* mean neighbours"),
        ({"features": ["time"]}, "search/features: .* can be searched.*are neighbours"),
        ({"neighbours": [3, 0]}, "search/neighbours: 0 is less than the minimum of 1"),
        ({"neighbours": [2.5]}, "search/neighbours: 2.5 is not of type 'integer'"),
        ({"neighbours": []}, "search/neighbours"),
        ({"neighbours": 3}, "search/neighbours: 3 is not of type 'array'"),
    ],
)
def test_a_search_names_settings_and_values_of_its_kind(search: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^Configuration, models/knn/{message}"):
        filled(models={"knn": {"search": search}})


@pytest.mark.parametrize(
    ("kind", "setting", "values"),
    [
        ("recurrent", "cell", ["gru", "lstm"]),
        ("recurrent", "reset", ["after", "before"]),
        ("recurrent", "nonlinearity", ["tanh", "relu"]),
        ("recurrent", "bidirectional", [False, True]),
        ("recurrent", "embed", ["sum", "tanh"]),
        ("recurrent", "tradeoff", [0.5, 1]),
        ("recurrent", "seed", [0, 1]),
        ("retain", "visits", ["in_order", "shuffled"]),
        ("transformer", "duration", [True, False]),
        ("seq2seq", "loss", ["multinomial", "sigmoid"]),
    ],
)
def test_what_says_which_network_it_is_cannot_be_searched(
    kind: str, setting: str, values: list[Any]
) -> None:
    message = f"^Configuration, models/mine/search/{setting}: {setting} is no setting of .* {kind} "
    with pytest.raises(UserError, match=message) as raised:
        filled(models={"mine": {"kind": kind, "search": {setting: values}}})
    possible = str(raised.value).split("Those that can be are ")[1].rstrip(".").split(", ")
    assert setting not in possible
    assert {"hidden", "dropout", "learning_rate"} <= set(possible)


def test_a_search_keeps_its_values() -> None:
    search = {"neighbours": [3, 30]}
    assert filled(models={"knn": {"search": search}})["models"]["knn"]["search"] == search


def test_a_site_of_another_source_is_replaced_whole() -> None:
    config = filled(sites={"riverside": {"source": "omop", "path": "/data"}})
    assert "persons" not in config["sites"]["riverside"]
    config = filled(sites={"riverside": {"persons": 9}})
    assert config["sites"]["riverside"]["seed"] == DEFAULT["sites"]["riverside"]["seed"]


PAIR = {"source": "riverside", "target": "lakeview"}
CARRIED = {"source": "model", "path": "/data/model"}


def transfer(**pair: Any) -> dict[str, Any]:
    """A pair of sites that are defined, with ``pair`` laid over it."""
    sites = {"carried": CARRIED, "mine": {"source": "omop", "path": "/data/omop"}}
    return {"run": {"transfer": [PAIR | pair]}, "sites": sites}


def restricted_site(**restrict: Any) -> dict[str, Any]:
    return {"sites": {"new": {"source": "omop", "path": "x", "restrict": restrict}}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"run": {"model": ["gru"]}}, "run: unknown key model. Did you mean models?"),
    ({"runs": {}}, "the top level: unknown key runs"),
    ({"run": {"models": ["gru", "lstmm"]}}, "run/models: lstmm is not defined"),
    ({"run": {"sites": ["nowhere"]}}, "run/sites: nowhere is not defined"),
    (
        {"run": {"models": ["gru", "rnn"], "reference": "gruu"}},
        "run/reference: gruu is not defined. Did you mean gru.* under run/models are gru, rnn",
    ),
    ({"run": {"folds": [7]}}, "run/folds: fold 7 does not exist"),
    ({"run": {"parts": "seven"}}, "run/parts: 'seven' is not of type 'integer'"),
    ({"run": {"transfer": [{"source": "a", "target": "b"}]}}, "a to b: a is not defined"),
    ({"run": {"transfer": [{"source": "lakeview"}]}}, "run/transfer/0: target is missing"),
    (transfer(models=["grue"]), "riverside to lakeview: grue is not defined. Did you mean gru"),
    (transfer(strategies=["zero_shot"]), "strategies/0: 'zero_shot' is not one of last_layer, fi"),
    (transfer(fractions=[0]), "fractions/0: 0 is less than the minimum of 1"),
    (transfer(fractions=[101]), "fractions/0: 101 is greater than the maximum of 100"),
    (transfer(source="carried", target="carried"), "carried is a model and has no records to be"),
    (transfer(same_persons=True), "same_persons: riverside is simulated, and nobody in it is any"),
    (
        transfer(source="carried", target="mine", same_persons=True),
        "same_persons: carried is a model, which came without the ids",
    ),
    ({"run": {"transfer": [PAIR, {**PAIR, "draws": 9}]}}, "to lakeview: the pair is named twice"),
    (
        {"run": {"sites": ["carried"]}, "sites": {"carried": CARRIED}},
        "run/sites: carried is a model and has no records to study",
    ),
    ({"models": {"gru": {"hiden": 3}}}, "models/gru: unknown key hiden. Did you mean hidden?"),
    ({"models": {"gru": {"hidden": 0}}}, "models/gru/hidden: 0 is less than"),
    ({"models": {"new": {"kind": "forest"}}}, "models/new/kind: 'forest' is not one of"),
    (
        {"models": {"new": {"kind": "recurent"}}},
        "not one of .* recurrent, .*seq2seq. Did you mean recurrent?",
    ),
    (
        {"sites": {"lakeview": {"preset": "primary"}}},
        "sites/lakeview/preset: 'primary' is not one of primary_care, .*hazard. Did you mean pri",
    ),
    (
        {"sites": {"lakeview": {"messy": "yes"}}},
        "messy: 'yes' is no truth value. Write true",
    ),
    (
        {"sites": {"lakeview": {"preset": "no_signal", "order_effect": 0}}},
        "sites/lakeview: order_effect works in primary_care and intensive_care only, and the prese",
    ),
    ({"models": {"new": {}}}, "models/new: kind is missing"),
    (
        {"sites": {"new": {"source": "omop"}}},
        "sites/new: its records are at one of path, url_env and spark; found none",
    ),
    (
        {"sites": {"new": {"source": "omop", "path": "x", "url_env": "URL"}}},
        "sites/new: its records are at one of path, url_env and spark; found path and url_env",
    ),
    ({"sites": {"new": {"source": "omop", "url_env": "a b"}}}, "url_env: what stands there is not"),
    (
        restricted_site(**{"from": "2011-01-01", "until": "2010-01-01"}),
        "restrict: from 2011-01-01 until 2010-01-01 is upside down",
    ),
    (restricted_site(until="2010-02-30"), "sites/new/restrict/until: 2010-02-30 is no day"),
    (restricted_site(domains=["measurement"]), "restrict/domains: measurement is none of the"),
    (restricted_site(person="x"), "restrict: unknown key person. Did you mean persons?"),
    (
        {"sites": {"new": {"source": "meds", "path": "x", "sex_codes": {"SEX//M": 1}}}},
        "sites/new/sex_codes/SEX//M: 1 is not one of 8507, 8532",
    ),
    (
        {"sites": {"new": {"source": "meds", "path": "x", "sex_codes": {1: 8507}}}},
        "sites/new/sex_codes: 1 is not of type 'string'",
    ),
    ({"sites": {"old": {"source": "doctorai", "path": "x"}}}, "sites/old: times is missing"),
    ({"sites": {"riverside": {"path": "x"}}}, "sites/riverside: unknown key path"),
    ({"sites": {"a_to_b": {"source": "omop", "path": "x"}}}, "'a_to_b' does not have the form"),
    (
        {"sites": {"new": {"source": "omop", "path": "x", "latest_date": "2020-02-30"}}},
        "sites/new/latest_date: 2020-02-30 is no day",
    ),
    (
        {"sites": {"new": {"source": "omop", "path": "x", "latest_date": "31.12.2016"}}},
        "31.12.2016 is no day of the calendar, written YYYY-MM-DD",
    ),
    ({"cohorts": {"heart_failure": {"age": [85, 40]}}}, "age: .85, 40. is upside down"),
    ({"cohorts": {"heart_failure": {"matching": {"exact": ["age"]}}}}, "'age' is not one of"),
    ({"tasks": {"heart_failure": {"cohort": "none"}}}, "tasks/heart_failure/cohort: none is not"),
    (
        {"tasks": {"heart_failure": {"cohort": "everyone"}}},
        "tasks/heart_failure/cohort: everyone is of kind all, but a task of kind onset needs",
    ),
    ({"tasks": {"forecast": {"cohort": "heart_failure"}}}, "needs a cohort of kind all"),
    ({"tasks": {"forecast": {"visits_ahead": 0}}}, "tasks/forecast/visits_ahead: 0 is less than"),
    (
        {"tasks": {"forecast": {"rollup": "ccs"}}},
        "tasks/forecast/rollup: .* was expected|not one of",
    ),
    ({"tasks": {"new": {"kind": "next"}}}, "tasks/new/kind: 'next' is not one of"),
    ({"cohorts": {"everyone": {"age": [40, 85]}}}, "cohorts/everyone: unknown key age"),
    ({"cohorts": {"new": {"kind": "some"}}}, "cohorts/new/kind: 'some' is not one of"),
    ({"models": {"seq2seq": {"layers": 2}}}, "models/seq2seq: unknown key layers"),
    (
        {"encodings": {"one_hot": {"dimension": 50}}},
        "one_hot/dimension: 50 is for an encoding with",
    ),
    (
        {"encodings": {"skipgram": {"corpus": "all"}}},
        "skipgram/corpus: 'all' is not one of site, c",
    ),
]


@pytest.mark.parametrize(("overlay", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_named(overlay: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        filled(**overlay)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "site",
    [
        {"url_env": "postgresql://reader:planted@host/db"},
        {"url_env": "host=localhost password=planted"},
        {"spark": {"catalog": "cdm", "master_env": "sc://host/;token=planted"}},
        {"spark": "sc://host/;token=planted"},
        {"path": "postgresql://reader:planted@host/db"},
        {"path": "s3://bucket/omop?s3_secret_access_key=planted"},
        {"path": "https://me:planted@host/meds", "source": "meds"},
    ],
)
def test_a_url_where_none_belongs_is_not_shown(site: dict[str, Any]) -> None:
    with pytest.raises(
        UserError, match=r"Configuration, sites/new/.* not shown.*url_env"
    ) as caught:
        filled(sites={"new": {"source": "omop", **site}})
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("preset", ["primary_care", "intensive_care"])
def test_the_dial_turns_where_there_is_one(preset: str) -> None:
    site = {"source": "simulated", "preset": preset, "order_effect": 0.9}
    assert filled(sites={"new": site})["sites"]["new"]["order_effect"] == 0.9


def test_a_configuration_as_it_was_run_can_be_run_again() -> None:
    # The default of order_effect is filled in where it means nothing.
    config = filled(sites={"new": {"source": "simulated", "preset": "no_signal"}})
    assert fill_config(merge_config(DEFAULT, config), SCHEMA) == config


def test_a_date_need_not_be_quoted() -> None:
    for latest in ("2020-06-30", "'2020-06-30'"):
        overlay = yaml.safe_load(f"mine: {{source: omop, path: x, latest_date: {latest}}}")
        assert filled(sites=overlay)["sites"]["mine"]["latest_date"] == "2020-06-30"


def test_a_section_of_the_wrong_kind() -> None:
    with pytest.raises(UserError, match="cohorts"):
        filled(cohorts=None)
    with pytest.raises(UserError, match="sites/riverside"):
        filled(sites={"riverside": None})


def test_any_list_of_the_grid_may_be_empty() -> None:
    config = filled(run={"sites": [], "tasks": [], "encodings": [], "models": [], "folds": []})
    assert config["run"]["models"] == []


def test_an_explained_model_has_to_be_defined() -> None:
    with pytest.raises(UserError, match=r"run/explain: grue is not defined\. Did you mean gru\?"):
        filled(run={"explain": ["grue"]})
    assert filled(run={"explain": ["lstm"], "models": []})["run"]["explain"] == ["lstm"]
    with pytest.raises(UserError, match="run/explain: knn cannot be explained: it is of kind knn"):
        filled(run={"explain": ["knn"]})


def test_pairs_name_what_is_defined() -> None:
    narrow = {"heart_failure": {"pairs": {"one_hot": ["gru"], "skipgram": ["gro"]}}}
    with pytest.raises(UserError, match=r"run/narrow/heart_failure: gro is not .* mean gru\?"):
        filled(run={"narrow": narrow})


def test_a_sites_records_have_no_rollup() -> None:
    rolled_up = {"vocabulary": "rollup", "vectors": "skipgram"}
    with pytest.raises(UserError, match=r"encodings/mine/corpus: .* Write corpus: cohort"):
        filled(encodings={"mine": rolled_up})
    encoding = filled(encodings={"mine": {**rolled_up, "corpus": "cohort"}})["encodings"]["mine"]
    assert encoding["vocabulary"] == "rollup"


def test_a_classical_model_has_what_the_next_visit_asks_of_it() -> None:
    loop = {"last_visits": 3, "optimiser": "adadelta"}
    models = filled(models={"mine": {"kind": "mlp", "next_visit": loop}})["models"]
    assert models["mine"]["next_visit"]["learning_rate"] == 1
    assert models["logistic"]["next_visit"]["last_visits"] == 5
    with pytest.raises(UserError, match="next_visit is no setting"):
        filled(models={"mine": {"kind": "mlp", "search": {"next_visit": [{}]}}})


def test_the_heart_failure_study_gives_all_the_same_budget_and_networks_three_seeds() -> None:
    experiment = ROOT / "workflow/experiments/paper_heart_failure.yaml"
    config = filled(**yaml.safe_load(experiment.read_text("utf-8")))
    run = {name: config["models"][name] for name in config["run"]["models"]}
    points = {name: prod(map(len, model["search"].values())) for name, model in run.items()}
    assert set(points.values()) == {4}
    networks = (
        "gru",
        "gru_no_duration",
        "rnn",
        "lstm",
        "bigru",
        "seq2seq",
        "retain",
        "transformer",
    )
    for name in networks:
        assert [run[f"{name}_seed{seed}"] for seed in (1, 2)] == [
            {**run[name], "seed": seed} for seed in (1, 2)
        ]


def test_a_pair_is_filled() -> None:
    (pair,) = filled(**transfer(fractions=[5]))["run"]["transfer"]
    assert pair == {
        **PAIR,
        "models": None,
        "tasks": None,
        "strategies": ["last_layer", "fine_tuned", "scratch"],
        "fractions": [5],
        "draws": 5,
        "same_persons": False,
        "mapping": None,
    }
    again = filled(**transfer(source="mine", target="mine", same_persons=True))
    assert again["run"]["transfer"][0]["same_persons"]

"""Write the results of stages 1 to 5 that the figures read, drawn at random, without the stages.

A site's cohort has ``sets`` sets of a case and four controls in 7 parts; the record is some visits
a year before the index date. A model's logit is the true one plus noise of its own.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from arrow_visits import Row, write_histories, write_visits, write_vocabulary

from visitseq import tables
from visitseq.evaluate.metrics import estimate_metrics
from visitseq.evaluate.next_visit_metrics import PredictedVisits, estimate_next_visits
from visitseq.evaluate.recall import RankedVisits, estimate_recalls
from visitseq.evaluate.scored_rows import ScoredRows

CONTROLS, PARTS, CODES = 4, 7, 50
INDEX = datetime(2015, 6, 1)
WHERE = " in the test part"
GATES = {
    "rnn": ["state"],
    "lstm": ["input", "forget", "cell", "output"],
    "gru": ["reset", "update", "new"],
}
RATES = {("fresh", "h"): 0.4, ("trained", "h"): 0.8, ("fresh", "c"): 0.5, ("trained", "c"): 0.9}
NOISE = {"logistic": 1.5, "gru": 0.5}

ATTRITION = {
    "case": [
        ("persons of the site", 20_000),
        ("a visit with a qualifying code", 1_204),
        ("3 visits with a qualifying code within 12 months (366 days)", 655),
        ("birth date known", 655),
        ("age 40 to 85 at the index date", 622),
        ("alive at the index date", 619),
        ("inside an observation period at the index date", 619),
        ("1 visit in the 548 days before the index date", 600),
        ("matched to at least one control", 560),
    ],
    "control": [
        ("persons of the site", 20_000),
        ("equal in sex and in the case's part", 9_870),
        ("age within 5 years of the case's", 6_400),
        ("first visit within 365 days of the case's", 4_310),
        ("no qualifying run before 182 days after the index date", 4_120),
        ("a visit from 30 days before the index date on", 3_980),
        ("drawn as a control", 2_240),
    ],
}

ONE_HOT: dict[str, Any] = {
    "vocabulary": "codes",
    "sequence": "visit",
    "vectors": "none",
    "domains": ["condition", "drug", "procedure"],
}
ENCODINGS = {
    "one_hot": ONE_HOT,
    "one_hot_by_code": {**ONE_HOT, "sequence": "code"},
    "grouped": {**ONE_HOT, "vocabulary": "groups"},
    "skipgram": {**ONE_HOT, "vectors": "skipgram"},
}
RECURRENT: dict[str, Any] = {
    "kind": "recurrent",
    "cell": "gru",
    "nonlinearity": "tanh",
    "reset": "after",
    "bidirectional": False,
    "embedding": 128,
    "embed": "sum",
    "hidden": 128,
    "layers": 1,
    "dropout": 0.5,
    "duration": True,
}


def model_section(name: str) -> dict[str, Any]:
    """A section of the configuration for a name of the tests' models."""
    changes: dict[str, dict[str, Any]] = {
        "rnn": {"cell": "rnn"},
        "lstm": {"cell": "lstm"},
        "bigru": {"bidirectional": True},
        "gru_no_duration": {"duration": False},
    }
    if name.startswith(("gru", *changes)):
        return {**RECURRENT, **changes.get(name, {})}
    return {"kind": name if name in ("svm", "mlp", "knn", "seq2seq") else "logistic"}


def study_of(**changes: Any) -> dict[str, Any]:
    study = {
        "sites": {"riverside": {"synthetic": True, "simulated": True}},
        "tasks": {
            "heart_failure": {
                "kind": "onset",
                "cohort": "heart_failure",
                "observation_months": 18,
                "prediction_months": 0,
            }
        },
        "encodings": ["one_hot"],
        "models": ["logistic", "gru"],
        "reference": None,
        "frequency": [],
        "forecasts": [],
        "next_visits": [],
        "folds": [0],
        "parts": PARTS,
        "seed": 0,
        "draws": 200,
        "minimum_cell": 10,
        **changes,
    }
    onsets = [name for name, task in study["tasks"].items() if task["kind"] == "onset"]
    return {
        "matched": [study["tasks"][name]["cohort"] for name in onsets],
        "explained": [name for name in study["models"] if name == "gru"],
        "forward": [name for name in study["models"] if name in GATES],
        "encoded": list(product(onsets, study["encodings"])),
        "scored": list(product(onsets, study["encodings"], study["models"])),
        "replicates": {name: [name] for name in study["models"]},
        "model_sections": {name: model_section(name) for name in study["models"]},
        "encoding_sections": {name: ENCODINGS[name] for name in study["encodings"]},
        "as_used": [],
        "landmarks": {},
        "choi_compat": [],
        "transfer": [],
        "in_time": [],
        "training_sizes": [],
        **study,
    }


def write_results(study: dict[str, Any], results: Path, sets: int = 560) -> None:
    """Everything that ``draw_figures`` reads of the study's sites."""
    for number, site in enumerate(study["sites"]):
        generator = np.random.default_rng(number)
        rows = cohort_rows(sets, generator)
        write_persons(rows, results / "1_ingest" / site / "persons.parquet", generator)
        for name, task in study["tasks"].items():
            write_cohort(rows, results / "2_cohort" / site / task["cohort"])
            write_giveaways(results / "5_evaluate" / site / name / "giveaways.csv")
            for encoding in study["encodings"]:
                folder = results.joinpath("3_encode", site, name, encoding)
                write_visits(rows, folder / "visits.arrow")
                write_alignment(results.joinpath("audit/check_windows", site, name, encoding))
                write_vocabulary(rows, CODES, PARTS, folder / "vocabulary.parquet")
                evaluated = results.joinpath("5_evaluate", site, name, encoding)
                truth = np.where([bool(row.label) for row in rows], -0.8, -2.0)
                truth = truth + generator.normal(size=len(rows))
                if study["sites"][site]["simulated"]:
                    write_oracle(rows, truth, evaluated.parent / "oracle.parquet")
                for model in study["models"]:
                    write_times(results / "benchmarks", (site, name, encoding, model), study)
                    logit = truth + NOISE.get(model, 1) * generator.normal(size=len(rows))
                    for fold in study["folds"]:
                        write_evaluation(
                            rows, logit, evaluated / model / f"fold{fold}", fold, study
                        )
                        if model in study["explained"]:
                            write_importance(evaluated / model / f"fold{fold}", fold)
                        if model in study["forward"]:
                            write_reach(model, evaluated / model / f"fold{fold}", fold)


def write_alignment(folder: Path) -> None:
    """How many cases and controls each year has, too few of them in the last."""
    variables = ["index_year", "first_visit_year", "days_before", "days_after"]
    lines = [f"{name},{year},{30 + year},{300 - year}" for name in variables for year in range(4)]
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["variable,year,cases,controls", *lines, "index_year,4,suppressed,suppressed"])
    (folder / "alignment.csv").write_text(text + "\n", "utf-8")


def write_times(folder: Path, names: tuple[str, ...], study: dict[str, Any]) -> None:
    """Seconds to score a patient in the first fold, and to train where sizes are asked for."""
    for fold in study["folds"][:1]:
        path = folder.joinpath("time_scoring", *names, f"fold{fold}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "way,timed,rows,median,low,high\n"
            "one,200,1,0.00125,0.001,0.002\n"
            "batch,5,300,0.0000125,0.00001,0.00003\n"
        )
    sizes = study["training_sizes"]
    if sizes and study["model_sections"][names[-1]]["kind"] == "recurrent":
        path = folder.joinpath("time_training", *names[:-1], f"{names[-1]}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [(size, size - 1, 64, 10, size / 100) for size in sizes]
        columns = ["asked", "patients", "hidden", "epochs", "seconds"]
        _write_csv(pd.DataFrame(lines, columns=columns), path)


def cohort_rows(sets: int, generator: np.random.Generator) -> list[Row]:
    rows = []
    for subject in range(sets * (1 + CONTROLS)):
        set_id, label = subject % sets, subject < sets
        visits = int(generator.poisson(8 if label else 5))
        days = np.sort(generator.choice(np.arange(1, 540), visits, replace=False))[::-1]
        codes = [
            sorted(generator.choice(CODES, generator.integers(1, 5), False)) for _ in range(visits)
        ]
        rows.append(
            Row(
                visits=codes,
                label=label,
                part=set_id % PARTS,
                days_to_index=days.tolist(),
                subject_id=subject,
                set_id=set_id,
                index_time=INDEX + timedelta(days=set_id),
            )
        )
    return rows


def write_persons(
    rows: Sequence[Row],
    path: Path,
    generator: np.random.Generator,
    races: dict[int, float] | None = None,
) -> None:
    n = len(rows)
    ages = generator.integers(45, 80, n)
    columns: dict[str, Any] = {name: pa.nulls(n) for name in tables.PERSONS.names}
    columns["subject_id"] = [row.subject_id for row in rows]
    columns["birth_date"] = [
        row.index_time.date() - timedelta(days=int(age) * 366)
        for row, age in zip(rows, ages, strict=True)
    ]
    columns["sex"] = generator.choice([8507, 8532], n)
    if races is not None:
        columns["race"] = generator.choice(list(races), n, p=list(races.values()))
    tables.write_parquet(pa.table(columns).cast(tables.PERSONS), path)


def write_cohort(rows: Sequence[Row], folder: Path) -> None:
    columns = {name: [getattr(row, name) for row in rows] for name in tables.COHORT.names}
    tables.write_parquet(pa.table(columns).cast(tables.COHORT), folder / "cohort.parquet")
    write_attrition(ATTRITION, folder)
    smd = [("age", 0.42, 0.03), ("sex", -0.15, 0.0), ("visits", 0.61, 0.38)]
    smd += [("span_days", 0.33, 0.21), ("first_visit", -0.24, -0.05)]
    balance: list[tuple[Any, ...]] = [
        ("smd", variable, when, 1.0, 0.0, value)
        for variable, *values in smd
        for when, value in zip(("before", "after"), values, strict=True)
    ]
    balance.append(("ratio", "4", "after", None, None, len(rows)))
    columns_of_balance = ["measure", "variable", "when", "cases", "controls", "value"]
    _write_csv(pd.DataFrame(balance, columns=columns_of_balance), folder / "balance.csv")


def write_attrition(groups: dict[str, list[tuple[str, int]]], folder: Path) -> None:
    lines = []
    for group, steps in groups.items():
        entering = steps[0][1]
        for number, (criterion, left) in enumerate(steps, start=1):
            lines.append((group, number, criterion, entering, entering - left, left))
            entering = left
    columns = ["group", "step", "criterion", "in", "out", "left"]
    _write_csv(pd.DataFrame(lines, columns=columns), folder / "attrition.csv")


def write_oracle(rows: Sequence[Row], truth: np.ndarray[Any, Any], path: Path) -> None:
    columns = {
        **{name: [getattr(row, name) for row in rows] for name in tables.COHORT.names},
        "oracle": np.exp(truth),
        "oracle_standard_error": np.zeros(len(rows)),
        "oracle_first_half": np.exp(truth),
        "oracle_second_half": np.exp(truth),
        "oracle_latent": np.exp(truth),
    }
    tables.write_parquet(pa.table(columns).cast(tables.ORACLE), path)


def write_evaluation(
    rows: Sequence[Row], logit: np.ndarray[Any, Any], folder: Path, fold: int, study: dict[str, Any]
) -> None:
    score = 1 / (1 + np.exp(-logit))
    tested = [place for place, row in enumerate(rows) if row.part == fold]
    columns = {
        "set_id": [rows[place].set_id for place in tested],
        "score": score[tested],
        "subject_id": [rows[place].subject_id for place in tested],
        "prediction_time": [rows[place].index_time - timedelta(microseconds=1) for place in tested],
        "boolean_value": [rows[place].label for place in tested],
        "predicted_boolean_value": score[tested] >= 0.5,
        "predicted_boolean_probability": score[tested].astype(np.float32),
    }
    table = pa.table(columns).cast(tables.PREDICTIONS)
    tables.write_parquet(table, folder / "predictions.parquet")
    scored = ScoredRows.from_predictions(table)
    metrics = estimate_metrics(scored, study["draws"], study["seed"], fold)
    content = {name: estimate.to_json(WHERE) for name, estimate in metrics.items()}
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


def write_importance(folder: Path, fold: int) -> None:
    """Thirty codes that matter less and less, every other one lowering the scores."""
    codes = np.arange(30)
    absolute = (1 + 0.1 * fold) / (1 + codes)
    columns: dict[str, Any] = {
        "code": [f"condition/{code}" for code in codes],
        "description": [f"a finding of the kind {code}, otherwise unspecified" for code in codes],
        "persons": 100 - codes,
    }
    means = {"mean": np.where(codes % 2, -1, 1) * absolute, "mean_absolute": absolute}
    for name, values in {**means, "mean_among": 2 * means["mean"]}.items():
        columns |= {name: values, f"{name}_low": values - 0.01, f"{name}_high": values + 0.01}
    _write_csv(pd.DataFrame(columns), folder / "importance.csv")
    content = {"method": "integrated gradients, 32 points", "codes": 30, "suppressed": 5}
    (folder / "importance.json").write_text(json.dumps(content), encoding="utf-8")


def write_giveaways(path: Path) -> None:
    columns = ["giveaway", "group", "persons", "persons_with", "share", "low", "high", "reason"]
    lines = [
        ("heart_failure", "cases", 560, 0, 0.0, 0.0, 0.0, None),
        ("heart_failure", "controls", 2240, 9, 0.004, 0.001, 0.006, None),
        ("loop_diuretics", "cases", 560, 140, 0.25, 0.21, 0.29, None),
        ("loop_diuretics", "controls", 2240, 224, 0.1, 0.08, 0.12, None),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_csv(pd.DataFrame(lines, columns=columns), path)


def write_forecasts(study: dict[str, Any], results: Path) -> None:
    """The cohorts of forecasts, and predictions that are the better the nearer the visit."""
    steps = [("persons of the site", 5_000), ("at least 2 visits", 3_700)]
    for number, site in enumerate(study["sites"]):
        draw = np.random.default_rng(number)
        for name, task in study["tasks"].items():
            folder = results / "2_cohort" / site / task["cohort"]
            folder.mkdir(parents=True, exist_ok=True)
            write_attrition({"person": steps}, folder)
            nobody = {name: pa.nulls(3_700) for name in tables.COHORT.names}
            tables.write_parquet(pa.table(nobody).cast(tables.COHORT), folder / "cohort.parquet")
            for _, encoding, model in study["forecasts"]:
                for fold in study["folds"]:
                    place = (site, name, encoding, model, f"fold{fold}")
                    write_forecast(draw, results.joinpath("5_evaluate", *place), fold, study, task)


def write_forecast(
    draw: np.random.Generator, folder: Path, fold: int, study: dict[str, Any], task: dict[str, Any]
) -> None:
    rows = []
    for subject in range(80):
        for ahead in range(1, task["visits_ahead"] + 1):
            labels = sorted(draw.choice(40, draw.integers(1, 4), replace=False).tolist())
            top = draw.choice(60, 30, replace=False).tolist()
            if draw.random() < 0.8 / ahead:
                top = labels + [label for label in top if label not in labels]
            rows.append((fold * 1000 + subject, ahead, labels, top[:30]))
    columns = dict(zip(tables.FORECASTS.names, map(list, zip(*rows, strict=True)), strict=True))
    table = pa.table(columns, schema=tables.FORECASTS)
    tables.write_parquet(table, folder / "predictions.parquet")
    ranked = RankedVisits.from_predictions(table)
    settings = (study["draws"], study["seed"], fold)
    recalls = estimate_recalls(ranked, task["visits_ahead"], *settings)
    content = {name: estimate.to_json(WHERE) for name, estimate in recalls.items()}
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


def write_next_visits(study: dict[str, Any], results: Path, persons: int = 280) -> None:
    """What the figures of next visits read: cohorts, visits, models, predictions, repetitions."""
    steps = [("persons of the site", 5_000), ("has a visit", 4_000)]
    for number, site in enumerate(study["sites"]):
        draw = np.random.default_rng(number)
        rows = next_visit_rows(persons, draw)
        for name, encoding, model in study["next_visits"]:
            folder = results / "2_cohort" / site / study["tasks"][name]["cohort"]
            folder.mkdir(parents=True, exist_ok=True)
            write_attrition({"person": steps}, folder)
            nobody = {name: pa.nulls(4_000) for name in tables.COHORT.names}
            tables.write_parquet(pa.table(nobody).cast(tables.COHORT), folder / "cohort.parquet")
            encoded = results.joinpath("3_encode", site, name, encoding)
            write_histories(rows, encoded / "visits.arrow")
            write_vocabulary(rows, CODES, PARTS, encoded / "labels.parquet")
            for fold in study["folds"]:
                place = (site, name, encoding, model, f"fold{fold}")
                write_next_visit_model(rows, study, place, results, fold)
                evaluated = results.joinpath("5_evaluate", *place)
                write_next_visit(rows, draw, evaluated, fold, study)
                if study["model_sections"][model]["kind"] == "recurrent":
                    write_repetition(evaluated)


def next_visit_rows(persons: int, draw: np.random.Generator) -> list[Row]:
    """Persons with 2 to 30 visits of 1 to 12 codes, low ids more often, a week apart."""
    weights = 1 / np.arange(1, CODES + 1)
    rows = []
    for subject in range(persons):
        visits = [
            sorted(draw.choice(CODES, draw.integers(1, 13), False, weights / weights.sum()))
            for _ in range(draw.integers(2, 31))
        ]
        days = (7.0 * np.arange(len(visits), 0, -1)).tolist()
        rows.append(Row(visits, None, subject % PARTS, days, subject_id=subject))
    return rows


def write_next_visit_model(
    rows: Sequence[Row], study: dict[str, Any], place: tuple[str, ...], results: Path, fold: int
) -> None:
    """A model.json that knows all labels but the last three."""
    counts = np.zeros(CODES, dtype=int)
    for row in rows:
        if row.part not in (fold, (fold + 1) % PARTS):
            np.add.at(counts, [code for visit in row.visits for code in visit], 1)
    model = {"loss": "multinomial", "tradeoff": 1.0, **study["model_sections"][place[3]]}
    card = {
        "model": model,
        "encoding": study["encoding_sections"][place[2]],
        "known_labels": list(range(CODES - 3)),
        "label_visits": counts[: CODES - 3].tolist(),
    }
    path = results.joinpath("4_train", *place, "model.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card), encoding="utf-8")


def write_next_visit(
    rows: Sequence[Row], draw: np.random.Generator, folder: Path, fold: int, study: dict[str, Any]
) -> None:
    """Lists of 30 labels by chance, and days where the model has a network."""
    lines = []
    kind = study["model_sections"][folder.parent.name]["kind"]
    for row in (row for row in rows if row.part == fold):
        for visit in range(1, len(row.visits)):
            top = draw.permutation(CODES)[:30].tolist()
            days = float(draw.normal(2, 0.5)) if kind == "recurrent" else None
            labels = [int(code) for code in row.visits[visit]]
            lines.append((row.subject_id, visit, labels, top, 7.0 * visit, days))
    columns = dict(zip(tables.NEXT_VISITS.names, map(list, zip(*lines, strict=True)), strict=True))
    table = pa.table(columns, schema=tables.NEXT_VISITS)
    tables.write_parquet(table, folder / "predictions.parquet")
    visits = PredictedVisits.from_predictions(table)
    metrics = estimate_next_visits(visits, study["draws"], study["seed"], fold)
    content = {name: estimate.to_json(WHERE) for name, estimate in metrics.items()}
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


def write_repetition(folder: Path) -> None:
    """Of a frequent code less and less, of a rare one ever 6 bits."""
    repetition = np.arange(1, 201)
    long = "a finding that is rare, of the kind 7, otherwise unspecified"
    named = {
        "frequent": ("condition/1", None, 200, 5 / repetition),
        "rare": ("condition/7", long, 12, np.full(200, 6.0)),
    }
    lines = [
        pd.DataFrame(
            {"group": group, "code": code, "description": description, "persons": persons}
            | {"days": 30, "repetition": repetition, "entropy": entropy}
        )
        for group, (code, description, persons, entropy) in named.items()
    ]
    _write_csv(pd.concat(lines), folder / "repetition.csv")


def write_reach(model: str, folder: Path, fold: int) -> None:
    """Gradients that fall by a factor a step; 60 sequences, of which 5 end at each step."""
    distance = np.arange(12)
    tables = []
    for state in ("fresh", "trained"):
        for quantity in ("h", "c") if model == "lstm" else ("h",):
            median = RATES[state, quantity] ** (distance * (1 + fold))
            quartiles = {"median": median, "low": median / 2, "high": median * 2}
            columns = {name: 0.1 * values for name, values in quartiles.items()}
            columns |= {f"relative_{name}": values for name, values in quartiles.items()}
            line = {"state": state, "quantity": quantity, "distance": distance}
            tables.append(pd.DataFrame({**line, **columns, "sequences": 60 - 5 * distance}))
    _write_csv(pd.concat(tables), folder / "reach.csv")
    radii = {
        state: dict.fromkeys(GATES[model], 0.5 + fold + (state == "trained"))
        for state in ("fresh", "trained")
    }
    (folder / "reach.json").write_text(json.dumps({"spectral_radius": radii}), encoding="utf-8")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")

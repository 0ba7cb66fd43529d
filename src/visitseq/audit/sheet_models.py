"""The sheets' questions on predictors, models and their performance."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from visitseq.audit.sheet_facts import (
    CONFIGURATION,
    FIGURES,
    Answer,
    Facts,
    Open,
    Reply,
    Section,
    joined,
    named,
    shown,
)
from visitseq.figures.small_cells import HIDDEN, may_show, show_count

#: Settings and models that a sentence names; the rest stands in the table.
_NAMED = 6
#: What shows a score where it would be used.
_AS_USED = (shown("as_used"), f"{FIGURES}/fig_as_used.svg")
_NO_MODEL = Open("no model of a task with an outcome was run")
#: What of a model's section says how it is built, in the order in which it is told.
_SETTINGS = (
    *(
        "cell",
        "features",
        "inverse_penalty",
        "trees",
        "neighbours",
        "embedding",
        "hidden",
        "layers",
    ),
    *("heads", "dropout", "l2", "optimiser", "learning_rate", "batch", "epochs", "patience"),
)


def predictor_choice(facts: Facts) -> Reply:
    """Say which codes are predictors."""
    if not facts.encodings:
        return _NO_MODEL
    lines = [
        f"{name}: every {_unit(own)} of the domains {joined(own['domains'])} that the training "
        f"parts hold {own['min_count']} times or more"
        for name, own in facts.encodings.items()
    ]
    sizes = [
        f"{setting.site}, {setting.task}, {setting.encoding}: "
        f"{len(facts.card(setting, model)['known']):,} of "
        f"{pq.read_metadata(facts.study.vocabulary(setting)).num_rows:,}"
        for setting, model in list(_first_models(facts))[:_NAMED]
    ]
    text = f"{'; '.join(lines)}. None was chosen by its association with the outcome."
    if sizes:
        text += f" Such among those in the windows of all parts: {'; '.join(sizes)}."
    return Answer(text, (CONFIGURATION, *_cards(facts), *_vocabularies(facts)))


def predictor_definition(facts: Facts) -> Reply:
    """Say what a predictor is."""
    if not facts.encodings:
        return _NO_MODEL
    lines = [
        f"{name}: {_unit(own)}s, a step of the sequence is a {own['sequence']}"
        for name, own in facts.encodings.items()
    ]
    text = (
        f"{'; '.join(lines)}. A code is recorded or not, in visits that lie within the observation "
        "window; rules are the same for everybody."
    )
    return Answer(text, (CONFIGURATION, f"{FIGURES}/fig_schematic_visits.svg"))


def predictor_handling(facts: Facts) -> Reply:
    """Say in which form predictors enter."""
    if not facts.models:
        return _NO_MODEL
    lines = [f"{name}: {_input(own)}" for name, own in facts.models.items()]
    return Answer(f"{'; '.join(lines)}.", (CONFIGURATION,))


def predictors_blind(facts: Facts) -> Reply:
    """Say that records are older than the outcome, and what the audit found."""
    text = "Codes were recorded in care, before the end of each window and so before the outcome."
    return _with_audit(facts, text, "check_windows")


def availability(facts: Facts) -> Reply:
    """Say that nothing is read that is not known at the time of prediction."""
    if not facts.onsets:
        return _NO_MODEL
    gaps = [f"{task} ({own['prediction_months']:g} months)" for task, own in facts.onsets.items()]
    text = (
        "Nothing from the window's end on is read; the gap between it and the index date is: "
        f"{joined(gaps)}. How late codes reach a record in care has to be added."
    )
    return _with_audit(facts, text, "check_windows")


def sample_size(facts: Facts) -> Reply:
    """Say who was taken of the eligible."""
    if not facts.models:
        return _NO_MODEL
    drawn = [
        f"at most {own['persons']:,} persons in {name}"
        for name, own in facts.cohorts.items()
        if own.get("persons")
    ]
    text = f"Persons were drawn at random: {joined(drawn)}; " if drawn else ""
    text += "every other eligible case was taken" if drawn else "Every eligible case was taken"
    text += f"; no size was calculated before. {_trained_on(facts)}"
    return Answer(text, (CONFIGURATION, shown("metrics"), *_cards(facts)))


def events(facts: Facts) -> Reply:
    """Say how many rows and cases models were trained and tested on."""
    if not facts.models:
        return _NO_MODEL
    text = f"{_trained_on(facts)} {_tested_on(facts)}"
    return Answer(text, (shown("metrics"), *_cards(facts)))


def tested(facts: Facts) -> Reply:
    """Say how many rows and cases models were tested on."""
    return Answer(_tested_on(facts), (shown("metrics"),)) if facts.models else _NO_MODEL


def missing(facts: Facts) -> Reply:
    """Say what was done about missing and censored data."""
    text = (
        "A code that is not recorded counts as absent and nothing is imputed; who lacks a birth "
        "date, or was not observed as the cohort asks, is left out and counted; a row without any "
        "visit in its window stays. Events without a date are dropped and counted."
    )
    if any(own["kind"] == "landmark" for own in facts.cohorts.values()):
        text += (
            " Of the rows of a landmark cohort whose observation ends before the horizon, training "
            "and the table of metrics count those without an onset until then as controls."
        )
    if facts.study.as_used:
        text += (
            " Where scores of other tasks are judged on these rows, the rows of known outcome have "
            "inverse probability of censoring weights, and death competes."
        )
    files = [f"results/1_ingest/{site}/summary.json" for site in facts.study.synthetic]
    return Answer(text, (f"{FIGURES}/fig_attrition.svg", *files))


def partition(facts: Facts) -> Reply:
    """Say how persons are divided."""
    study = facts.study
    text = (
        f"Persons, with their matched sets, are divided into {study.parts} parts by a hash of id "
        f"and seed. Fold f tests on part f, validates on the next and trains on the other "
        f"{study.parts - 2}; {named(len(study.folds), 'fold')} of {study.parts} run. No person "
        "is in two parts."
    )
    return _with_audit(facts, text, "check_splits")


def model_building(facts: Facts) -> Reply:
    """Say the models and their settings."""
    if not facts.models:
        return _NO_MODEL
    lines = [f"{name}: {_settings(own)}" for name, own in facts.models.items()]
    searched = [name for name, own in facts.models.items() if own.get("search")]
    tuned = (
        f"Settings of {joined(searched)} were searched on each fold's validation part."
        if searched
        else "Settings were not searched in this study."
    )
    text = f"{'; '.join(lines)}. {tuned} The test part was scored once."
    return Answer(text, (CONFIGURATION, *_cards(facts)))


def overfitting(facts: Facts) -> Reply:
    """Say what holds models back."""
    if not facts.models:
        return _NO_MODEL
    lines = [f"{name}: {_restraint(own)}" for name, own in facts.models.items()]
    text = f"{'; '.join(lines)}. Performance is of persons whom the model did not see."
    return Answer(text, (CONFIGURATION, shown("metrics")))


def clusters(facts: Facts) -> Reply:
    """Say how sites are kept apart."""
    sites = list(facts.study.synthetic)
    if len(sites) < 2:
        return Open("the study has one site")
    text = f"{joined(sites)} are analysed apart, each with its own models and vocabularies."
    if facts.study.directions:
        pairs = joined([direction.arrow for direction in facts.study.directions])
        text += f" Models are moved as well: {pairs}."
        return Answer(text, (CONFIGURATION, shown("transfer")))
    return Answer(text, (CONFIGURATION, shown("metrics")))


def measures(facts: Facts) -> Reply:
    """Say the measures and plots."""
    text = (
        "Discrimination (AUROC, AUPRC, sensitivity at 90 and 95% specificity, concordance within "
        "matched sets), calibration (intercept, slope, plot) and overall (Brier score, log loss), "
        f"with 95% intervals of {facts.study.draws:,} bootstrap draws of matched sets, "
        "or of persons where there are none."
    )
    if facts.study.reference:
        text += f" Models are compared with {facts.study.reference} by the same draws."
    files = (shown("metrics"), f"{FIGURES}/fig_calibration.svg", shown("comparisons"))
    if not facts.study.as_used:
        return Answer(text, files)
    text += (
        " On landmark rows, weighted for censoring, also the integrated calibration index, "
        "predictive values at stated thresholds and net benefit."
    )
    return Answer(text, (*files, *_AS_USED))


def updating(facts: Facts) -> Reply:
    """Say whether models were updated."""
    lines, files = [], [CONFIGURATION]
    if facts.study.transferred:
        table = facts.table("transfer")
        used = [name for name in dict.fromkeys(table["strategy"]) if name != "zero_shot"]
        lines.append(
            f"At the other site models are evaluated as they are, and updated: {joined(used)}."
        )
        files.append(shown("transfer"))
    if facts.study.as_used:
        lines.append(
            "On landmark rows probabilities are judged as they are, and recalibrated (intercept "
            "and slope) on the landmark rows of the validation part."
        )
        files.append(shown("as_used"))
    text = " ".join(lines) or "No model was updated after its evaluation."
    return Answer(text, tuple(files))


def updated_performance(facts: Facts) -> Reply:
    """Say what updating gave."""
    if not facts.study.transferred:
        return Open("no model was updated")
    table = facts.table("transfer")
    column = next((name for name in ("auroc", "recall_at_30") if name in table), None)
    rows = table[table["patients"] == "all"]
    if column is None or rows.empty:
        return Open("no updated model was evaluated")
    lines = [
        f"{row['source']} to {row['target']}, {row['model']}, {row['strategy']} "
        f"{row['fraction']}%: {row[column]}"
        for _, row in rows.head(_NAMED).iterrows()
    ]
    return Answer(f"{column}: {'; '.join(lines)}.", (shown("transfer"),))


def calculation(facts: Facts) -> Reply:
    """Say how predictions were made."""
    if not facts.models:
        return _NO_MODEL
    text = (
        "By visitseq from the saved weights (model.safetensors or model.skops) and model.json; "
        "`snakemake export_model` writes what another site needs."
    )
    return Answer(text, _cards(facts))


def imbalance(facts: Facts) -> Reply:
    """Say what was done about few cases."""
    if not facts.models:
        return _NO_MODEL
    balanced = _balanced(facts)
    ratios = [
        f"{name}: up to {own['matching']['ratio']}"
        for name, own in facts.cohorts.items()
        if own["kind"] == "case_control"
    ]
    text = f"Controls a case by design: {'; '.join(ratios)}. " if ratios else ""
    text += (
        f"Cases weigh more in the training of {joined(balanced)}, whose scores are no risks."
        if balanced
        else "No class was weighted or sampled anew in training."
    )
    return Answer(text, (CONFIGURATION, f"{FIGURES}/fig_calibration.svg"))


def tested_as_they_are(facts: Facts) -> Reply:
    """Say that test parts are not balanced."""
    if not facts.models:
        return _NO_MODEL
    text = (
        "Test parts are as the cohort has them, unweighted and not sampled anew; in a case-control "
        "cohort the share of cases is the design's."
    )
    if not facts.study.as_used:
        return Answer(text, (shown("metrics"),))
    text += (
        " The same scores are judged on everybody at risk on each 1 January, weighted for "
        "censoring alone."
    )
    return Answer(text, (shown("metrics"), shown("as_used")))


def fairness(facts: Facts) -> Reply:
    """Say what was done for fairness."""
    if not facts.models:
        return _NO_MODEL
    variables = list(dict.fromkeys(facts.table("subgroups")["variable"]))
    divided = joined([name for name in variables if name != "all"]) or "no variable"
    text = f"Models were not changed for it. Performance is shown by {divided}."
    return Answer(text, (shown("subgroups"), f"{FIGURES}/fig_subgroups.svg"))


def output(facts: Facts) -> Reply:
    """Say what a model gives."""
    if not facts.models:
        return _NO_MODEL
    text = (
        "The probability of a case in the cohort as it was sampled (Platt-scaled on the validation "
        "part where a score is none). The threshold is where Youden's J is largest on the "
        "validation part."
    )
    return Answer(text, (CONFIGURATION,))


def training_and_evaluation(facts: Facts) -> Reply:
    """Say in what development and evaluation differ."""
    if not facts.models:
        return _NO_MODEL
    text = "At home none: both are random parts of one cohort, with one outcome and vocabulary."
    files = [CONFIGURATION]
    if facts.study.as_used:
        text += (
            " Models of cases and controls are evaluated on landmark rows too: everybody at risk "
            "on each 1 January, with an onset within the horizon as the outcome."
        )
        files.append(shown("as_used"))
    if not facts.study.directions:
        return Answer(text, tuple(files))
    table = facts.table("coverage")
    lines = [
        f"{row.source} to {row.target}: {row.target_in_source_by_event} of the target's events "
        "have a code that the source knows"
        for row in table[table["of"] == "codes"].itertuples()
    ]
    text += f" Where models are moved, site and codes differ; {'; '.join(lines)}."
    return Answer(text, (*files, shown("coverage"), shown("cohort")))


def development_and_evaluation(facts: Facts) -> Reply:
    """Say how the persons of both compare."""
    if not facts.models:
        return _NO_MODEL
    if facts.study.directions:
        text = "The table has both sites side by side: the source's persons and the target's."
    else:
        text = "Both are random parts of the persons in the table."
    return Answer(text, (shown("cohort"),))


def specification(facts: Facts) -> Reply:
    """Say where the whole model is."""
    if not facts.models:
        return _NO_MODEL
    text = (
        "Weights, settings and vocabulary of every model and fold are in 4_train and 3_encode; "
        "`snakemake export_model` writes a copy without rare codes that may leave the house, and a "
        "model card. knn keeps training rows and does not leave."
    )
    return Answer(text, (*_cards(facts), *_vocabularies(facts)))


def performance(facts: Facts) -> Reply:
    """Say discrimination and calibration of every model."""
    table = _own_rows(facts)
    if not len(table):
        return _NO_MODEL
    lines = [
        f"{row['site']}, {row['task']}, {row['encoding']}, {row['model']}: AUROC {row['auroc']}, "
        f"calibration slope {row['calibration_slope']}, Brier score {row['brier']}"
        for row in table[:_NAMED]
    ]
    more = f"; {len(table) - _NAMED} more in the table" if len(table) > _NAMED else ""
    groups = "subgroups and plots are beside it."
    used = facts.study.as_used
    benefit = "Net benefit is on landmark rows." if used else "Net benefit is not in these tables."
    text = f"{'; '.join(lines)}{more}; {groups} {benefit}"
    figures = [f"{FIGURES}/fig_roc.svg", f"{FIGURES}/fig_calibration.svg"]
    figures += _AS_USED if used else ()
    return Answer(text, (shown("metrics"), shown("subgroups"), *figures))


def heterogeneity(facts: Facts) -> Reply:
    """Say how far the AUROC varies over folds and sites."""
    table = facts.table("variance")
    if table.empty:
        return _NO_MODEL
    lines = [
        f"{row.site}, {row.task}, {row.encoding}, {row.model}: {row.auroc}, over folds "
        f"{row.sd_over_folds}"
        for row in table.head(_NAMED).itertuples()
    ]
    return Answer(
        f"AUROC by site, and its standard deviation: {'; '.join(lines)}.",
        (shown("variance"), shown("metrics")),
    )


def leakage(facts: Facts) -> Reply:
    """Say what the audit found."""
    text = "Whatever is fitted sees the training parts alone; parts hold whole persons and sets."
    leaky = [name for name, own in facts.encodings.items() if own.get("paper_mode")]
    if leaky:
        text = f"Vectors of {joined(leaky)} are learned from test parts too (paper_mode). {text}"
    return _with_audit(facts, text, "check_splits", "check_windows", "run_canaries")


def resampling(facts: Facts) -> Reply:
    """Say that each fold repeats every step."""
    text = (
        f"{named(len(facts.study.folds), 'fold')}: each chooses its codes, fits, stops, searches, "
        "scales and takes its threshold anew in its own training and validation parts. Bootstrap "
        "draws resample who is tested, not the development."
    )
    return Answer(text, (CONFIGURATION, shown("variance")))


def code(facts: Facts) -> Reply:
    """Say where the code is."""
    text = (
        "The code is visitseq (MIT licence); requirements.txt pins every library, and the "
        "configuration with its seed gives the same results again. Protocol and data: to be added "
        "by the authors."
    )
    return Answer(text, (CONFIGURATION,))


def _with_audit(facts: Facts, text: str, *checks: str) -> Reply:
    """Add the verdicts of checks, where the study has them."""
    rows = facts.audit(*checks)
    if rows.empty:
        return Answer(f"{text} The audit has no check of it in this study.", (CONFIGURATION,))
    counts = rows["verdict"].value_counts()
    found = [f"{counts[v]} {v}" for v in ("fail", "warn", "pass") if v in counts]
    return Answer(
        f"{text} The audit's verdicts on it: {', '.join(found)}.",
        (
            CONFIGURATION,
            f"{FIGURES}/audit.csv",
        ),
    )


def _own_rows(facts: Facts) -> list[dict[str, Any]]:
    """Rows of the metrics' table of onset models, without the oracles."""
    table = facts.table("metrics")
    own = table[table["model"].isin(list(facts.models)) & table["task"].isin(list(facts.onsets))]
    return [{str(key): value for key, value in row.items()} for row in own.to_dict("records")]


def _trained_on(facts: Facts) -> str:
    """Rows and cases of the training parts of the first fold, of every setting."""
    lines = []
    for setting, model in _first_models(facts):
        training = facts.card(setting, model)["training"]
        rows, cases = training["rows"], training["cases"]
        few = not all(may_show(n, facts.study.minimum_cell) for n in (cases, rows - cases))
        count = HIDDEN if few else f"{rows:,}"
        lines.append(
            f"{setting.site}, {setting.task}, {setting.encoding}: {count} rows, of them cases "
            f"{show_count(cases, facts.study.minimum_cell)}"
        )
    if not lines:
        return "No fold was trained."
    return f"Trained on (fold {facts.study.folds[0]}): {'; '.join(lines)}."


def _tested_on(facts: Facts) -> str:
    lines = dict.fromkeys(
        f"{row['site']}, {row['task']}, {row['encoding']}: {row['rows']} rows, of them cases "
        f"{row['cases']}"
        for row in _own_rows(facts)
    )
    return f"Tested on (all folds): {'; '.join(lines)}."


def _first_models(facts: Facts) -> Iterator[tuple[Any, str]]:
    """Every setting with its first model."""
    for setting in facts.study.settings if facts.study.folds else ():
        models = facts.study.models_of(setting)
        if models:
            yield setting, models[0]


def _cards(facts: Facts) -> tuple[str, ...]:
    fold = facts.study.folds[0] if facts.study.folds else 0
    return tuple(
        f"results/4_train/{'/'.join(setting)}/{model}/fold{fold}/model.json"
        for setting, model in _first_models(facts)
    )


def _vocabularies(facts: Facts) -> tuple[str, ...]:
    return tuple(
        f"results/3_encode/{'/'.join(setting)}/vocabulary.parquet"
        for setting in facts.study.settings
    )


def _balanced(facts: Facts) -> list[str]:
    return [n for n, own in facts.models.items() if own.get("class_weights") == "balanced"]


def _unit(encoding: Section) -> str:
    return {"codes": "code", "groups": "group of code", "rollup": "rolled-up code"}[
        encoding["vocabulary"]
    ]


def _input(model: Section) -> str:
    if "features" in model:
        return {
            "counts": "how often each code stands in the window",
            "time": "counts of each code in bins of time, with recency and number of visits",
            "frequency": "the number of visits alone",
        }[model["features"]]
    days = ", with the logarithm of the days to the index date" if model.get("duration") else ""
    return f"the visits in order, as vectors of codes{days}"


def _settings(model: Section) -> str:
    told = [f"{key} {model[key]}" for key in _SETTINGS if model.get(key) is not None]
    return f"{model['kind']} ({', '.join(told)})"


def _restraint(model: Section) -> str:
    keys: Sequence[str] = ("inverse_penalty", "l2", "dropout", "patience", "least_rows")
    told = [f"{key} {model[key]}" for key in keys if model.get(key)]
    return ", ".join(told) or "nothing"

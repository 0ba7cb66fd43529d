"""One study from end to end: what it writes, what a second run does, what an edit reruns."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from calls import AFTER_FIGURES, TINY, Workflow

from visitseq import tables
from visitseq.audit.canary_verdicts import QUESTIONS
from visitseq.audit.findings import Finding, read_findings, write_findings

TIMINGS = {"benchmarks", "logs"}
MODEL = "one_hot/gru/fold0"
ABROAD = "6_transfer/riverside_to_lakeview/heart_failure/one_hot"


def contents(results: Path) -> dict[str, str]:
    """Digest of every file that the promise of identical bytes covers."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and path.relative_to(results).parts[0] not in TIMINGS
        and "_timing_" not in path.name
    }


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """Replace ``old`` by ``new`` in a file for a while."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    try:
        yield
    finally:
        path.write_text(text, "utf-8")


def test_a_second_run_does_nothing(study: Workflow) -> None:
    assert study.planned("--configfile", TINY) == {}


def test_every_table_keeps_its_contract(study: Workflow) -> None:
    results = study.directory / "results"
    contracts = {
        "1_ingest/lakeview/persons.parquet": tables.PERSONS,
        "1_ingest/lakeview/codes.parquet": tables.CODES,
        "1_ingest/lakeview/ancestors.parquet": tables.ANCESTORS,
        "2_cohort/lakeview/heart_failure/cohort.parquet": tables.COHORT,
        "2_cohort/lakeview/heart_failure/matches.parquet": tables.MATCHES,
        "2_cohort/lakeview/each_january/cohort.parquet": tables.COHORT,
        "2_cohort/lakeview/each_january/outcomes.parquet": tables.OUTCOMES,
        "3_encode/lakeview/heart_failure/one_hot/vocabulary.parquet": tables.vocabulary_schema(7),
        f"5_evaluate/lakeview/heart_failure/{MODEL}/predictions.parquet": tables.PREDICTIONS,
        f"5_evaluate/lakeview/heart_failure/{MODEL}/validation.parquet": tables.PREDICTIONS,
        f"{ABROAD}/vocabulary.parquet": tables.vocabulary_schema(7),
        f"{ABROAD}/ancestors.parquet": tables.SHARED_ANCESTORS,
        f"{ABROAD}/gru/fold0/zero_shot/predictions.parquet": tables.PREDICTIONS,
        "7_figures/metrics.parquet": tables.METRICS,
    }
    for path, schema in contracts.items():
        assert pq.read_schema(results / path).remove_metadata().equals(schema), path
    events = pq.read_schema(results / "1_ingest/lakeview/events.parquet")
    assert {field.name: field.type for field in events} == {
        field.name: field.type for field in tables.EVENTS
    }
    for folder in ("3_encode/lakeview/heart_failure/one_hot", ABROAD):
        with pa.memory_map(str(results / folder / "visits.arrow")) as source:
            assert pa.ipc.open_file(source).schema.equals(tables.VISITS)


def test_the_audit_asks_every_question_and_nothing_fails(study: Workflow) -> None:
    audit = pd.read_csv(study.directory / "results/7_figures/audit.csv")
    assert "fail" not in set(audit["verdict"])
    windows = audit[audit["question"] == "input_explained"]
    tasks = ("heart_failure", "heart_failure_as_used")
    asked = {(site, task) for site in ("lakeview", "riverside") for task in tasks}
    assert set(zip(windows["site"], windows["task"], strict=True)) == asked
    assert set(windows["verdict"]) == {"pass"}
    splits = audit[audit["check"] == "check_splits"].set_index("question")
    assert "0 of 12 models" in str(splits.loc["training_persons", "evidence"])
    assert set(audit["records"]) == {"synthetic"}


def test_a_failed_check_stops_the_figures_and_leaves_the_evidence(
    study: Workflow, tmp_path: Path
) -> None:
    shutil.copytree(study.directory.parent, tmp_path / "own")
    copied = Workflow(tmp_path / "own/project", tmp_path / "own/run")
    failed = Finding("training_persons", "fail", "1 of 8 models saw the test part.", "Train anew.")
    findings = "results/audit/check_splits/findings.json"
    write_findings([failed], copied.directory / findings)
    done = copied.snakemake("--cores", "1", "figures", "--configfile", TINY)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert printed.count("ERROR visitseq") == 1
    assert "The audit failed (check_splits): 1 of 8 models saw the test part." in printed
    assert "Traceback" not in printed
    audit = pd.read_csv(copied.directory / "results/7_figures/audit.csv")
    assert (audit["verdict"][0], audit["file"][0]) == ("fail", findings)
    (tmp_path / "warn.yaml").write_text("run: {audit: warn}", "utf-8")
    assert "pass_audit" in copied.planned("figures", "--configfile", TINY, tmp_path / "warn.yaml")


def test_folds_test_on_their_own_part(study: Workflow) -> None:
    results = study.directory / "results"
    cohort = pq.read_table(results / "2_cohort/riverside/heart_failure/cohort.parquet").to_pandas()
    for fold in (0, 1):
        folder = results / f"5_evaluate/riverside/heart_failure/one_hot/gru/fold{fold}"
        for name, part in (("predictions", fold), ("validation", fold + 1)):
            scored = pq.read_table(folder / f"{name}.parquet")["subject_id"].to_pylist()
            assert scored == cohort.loc[cohort.part == part, "subject_id"].tolist()
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        assert metrics["n"] == (cohort.part == fold).sum()
        assert 0 <= metrics["auroc"]["low"] <= metrics["auroc"]["value"] <= metrics["auroc"]["high"]


def test_a_landmark_task_runs_beside_that_of_cases_and_controls(study: Workflow) -> None:
    results = study.directory / "results"
    folder = results / "2_cohort/lakeview/each_january"
    cohort, outcomes = (pq.read_table(folder / f"{n}.parquet") for n in ("cohort", "outcomes"))
    assert cohort["subject_id"].equals(outcomes["subject_id"])
    assert pc.sum(pc.equal(outcomes["outcome"], "onset")) == pc.sum(cohort["label"])
    scored = results / "5_evaluate/lakeview/heart_failure_as_used/one_hot/logistic/fold0"
    metrics = json.loads((scored / "metrics.json").read_text("utf-8"))
    assert metrics["n"] == pc.sum(pc.equal(cohort["part"], 0)).as_py()
    assert metrics["concordance_within_sets"]["value"] is None
    assert "oracle" not in metrics
    shown = pq.read_table(results / "7_figures/metrics.parquet", columns=["task", "model"])
    shown = shown.filter(pc.equal(shown["task"], "heart_failure_as_used"))
    assert set(shown["model"].to_pylist()) == {"logistic"}
    flow = (results / "7_figures/fig_attrition.svg").read_text("utf-8")
    assert "Index dates" in flow
    assert "no qualifying run before the index date" in flow


def test_canaries_sing_where_there_are_cases_enough(study: Workflow) -> None:
    folder = study.directory / "results/audit"
    found = {
        (rule, site): read_findings(folder / rule / site / "heart_failure/one_hot/findings.json")
        for rule in ("run_canaries", "test_in_time")
        for site in ("riverside", "lakeview")
    }
    canaries = found["run_canaries", "riverside"]
    assert [finding.question for finding in canaries] == list(QUESTIONS)
    assert {finding.verdict for finding in canaries} <= {"pass", "warn"}
    assert canaries[1].verdict == canaries[2].verdict == "pass"
    in_time = found["test_in_time", "riverside"]
    assert [finding.numbers["model"] for finding in in_time] == ["gru", "logistic"]
    few = [*found["run_canaries", "lakeview"], *found["test_in_time", "lakeview"]]
    assert all(finding.evidence.startswith("Too few cases: ") for finding in few)


def test_case_control_models_are_scored_as_they_would_be_used(study: Workflow) -> None:
    results = study.directory / "results"
    folder = results / "5_evaluate/lakeview/heart_failure/one_hot/logistic/fold0"
    content = json.loads((folder / "as_used.json").read_text("utf-8"))["heart_failure_as_used"]
    home = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert content["case_control"]["auroc"] == home["auroc"]
    outcomes = [content["test"][name] for name in ("onset", "death", "censored", "free")]
    assert sum(outcomes) == content["test"]["n"] > content["test"]["persons"] > 0
    assert set(content) > {"raw", "drop", "trained_on_landmark", "less_trained_on_landmark"}
    assert not (folder.parents[1] / "gru/fold0/as_used.json").exists()  # is not trained there
    table = pd.read_csv(results / "7_figures/table_as_used.csv")
    assert set(table["measured_on"]) == {"case_control", "as_used", "trained_on_landmark"}


def test_the_filled_configuration_is_saved(study: Workflow) -> None:
    saved = yaml.safe_load((study.directory / "results/run_config.yaml").read_text("utf-8"))
    assert saved["models"]["gru"]["hidden"] == 8
    assert saved["cohorts"]["heart_failure"]["matching"]["ratio"] == 10


def test_one_core_gives_the_same_bytes(study: Workflow, tmp_path: Path) -> None:
    alone = Workflow(study.project, tmp_path)
    done = alone.snakemake("--cores", "1", "--configfile", TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = contents(study.directory / "results")
    assert len(expected) > 60
    assert contents(tmp_path / "results") == expected


def test_an_edit_of_one_model_reruns_its_jobs_alone(study: Workflow) -> None:
    # Of the models in the study, gru alone has its learning rate behind this comment.
    rate = "and to 0.1 with sgd.\n    optimiser: adam\n    learning_rate: 0.00"
    with edited(study.project / "config.yaml", f"{rate}1", f"{rate}2"):
        planned = study.planned("--configfile", TINY)
    assert planned == {
        "train_model": 4,
        "evaluate_model": 4,
        "measure_reach": 4,
        "time_scoring": 2,
        "evaluate_abroad": 2,
        "transfer_model": 2,
        "run_canaries": 2,
        "test_in_time": 2,
        "check_splits": 1,
        "write_audit": 1,
        "pass_audit": 1,
        "draw_figures": 1,
        **AFTER_FIGURES,
    }


def test_an_edit_of_the_library_reruns_the_stages_that_use_it(study: Workflow) -> None:
    library = study.project / "src/visitseq"
    with edited(library / "cohort/windows.py", "math.ceil(", "1 + math.ceil("):
        planned = study.planned("--configfile", TINY)
    assert "ingest_site" not in planned
    assert planned["build_cohort"] == planned["build_landmark"] == 2
    assert planned["encode_visits"] == 4
    with edited(library / "figures/draw.py", "", "EDITED = True\n"):
        assert study.planned("--configfile", TINY) == {"draw_figures": 1, **AFTER_FIGURES}
    with edited(library / "cohort/windows.py", "import math", "# A comment.\nimport math"):
        assert study.planned("--configfile", TINY) == {}


def test_truth_is_read_by_no_stage(study: Workflow, tmp_path: Path) -> None:
    """Ingest, cohort, encode and train give the same without truth.parquet."""
    copied = tmp_path / "results"
    shutil.copytree(study.directory / "results/1_ingest/lakeview/omop", copied / "omop")
    overlay = {
        "run": {"sites": ["lakeview"], "folds": [0]},
        "sites": {"lakeview": {"source": "omop", "path": str(copied / "omop")}},
        "models": {"gru": {"embedding": 8, "hidden": 8, "epochs": 3}},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(overlay), "utf-8")
    target = f"results/4_train/lakeview/heart_failure/{MODEL}/model.safetensors"
    alone = Workflow(study.project, tmp_path / "run")
    alone.directory.mkdir()
    done = alone.snakemake("--cores", "2", target, "--configfile", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (alone.directory / target).read_bytes() == (study.directory / target).read_bytes()


def test_a_hospital_transferred_to_itself_is_as_at_home(study: Workflow, tmp_path: Path) -> None:
    """To the last bit; the study itself stays as it is."""
    shutil.copytree(study.directory.parent, tmp_path / "own")
    pair = {"source": "lakeview", "target": "lakeview"}
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump({"run": {"transfer": [pair]}}), "utf-8")
    copied = Workflow(tmp_path / "own/project", tmp_path / "own/run")
    folder = f"results/6_transfer/lakeview_to_lakeview/heart_failure/{MODEL}/zero_shot"
    target = f"{folder}/metrics.json"
    done = copied.snakemake("--cores", "2", target, "--configfile", TINY, tmp_path / "pair.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    home = copied.directory / f"results/5_evaluate/lakeview/heart_failure/{MODEL}"
    for name in ("predictions.parquet", "validation.parquet", "metrics.json"):
        assert (copied.directory / folder / name).read_bytes() == (home / name).read_bytes()
    log = (copied.directory / "results/logs/translate_visits/lakeview_to_lakeview").rglob("*.log")
    assert "persons in both: ids shared" in next(log).read_text("utf-8")


def test_the_report_shows_every_figure(study: Workflow, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = study.snakemake("--configfile", TINY, "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    html = report.read_text("utf-8")
    for name in (
        "fig_roc",
        "fig_calibration",
        "fig_strata",
        "fig_subgroups",
        "table_comparisons",
        "table_delong",
        "table_variance",
        "fig_attrition",
        "fig_love",
        "fig_cohort",
        "fig_reach",
        "fig_encodings",
        "fig_windows",
        "fig_schematic_network",
        "table_timing_scoring",
        "fig_importance",
        "table_errors",
        "table_in_time",
        "audit.html",
        "audit.csv",
        "fig_as_used",
        "table_as_used",
    ):
        assert name in html
    assert "synthetic" in html


@pytest.mark.parametrize(
    "figure",
    [
        *["roc", "calibration", "strata", "subgroups", "attrition", "love", "cohort", "reach"],
        *["importance", "as_used"],
    ],
)
def test_synthetic_records_are_labelled(study: Workflow, figure: str) -> None:
    svg = (study.directory / f"results/7_figures/fig_{figure}.svg").read_text("utf-8")
    assert "synthetic records" in svg


def test_logs_carry_no_person(study: Workflow) -> None:
    ids = pq.read_table(study.directory / "results/2_cohort/lakeview/heart_failure/cohort.parquet")[
        "subject_id"
    ].to_pylist()
    long_ids = {str(number) for number in ids if number > 100_000}
    logs = [path.read_text("utf-8") for path in (study.directory / "results/logs").rglob("*.log")]
    assert logs
    assert not any(number in log for number in long_ids for log in logs)


def test_nothing_that_is_shared_tells_of_a_person(study: Workflow) -> None:
    results = study.directory / "results"
    found = pd.read_csv(results / "7_figures/audit_privacy.csv")
    assert set(found["verdict"]) == {"pass"}
    assert len(found) > 4
    assert json.loads((results / "audit/passed_privacy.json").read_text("utf-8"))["fail"] == 0


def test_a_test_part_of_few_cases_shows_no_metric(study: Workflow) -> None:
    metrics = pq.read_table(study.directory / "results/7_figures/metrics.parquet").to_pandas()
    scored = "results/5_evaluate/lakeview/heart_failure/one_hot/gru/fold0/metrics.json"
    assert 0 < json.loads((study.directory / scored).read_text("utf-8"))["cases"] < 10
    of_fold = metrics[(metrics["target"] == "lakeview") & (metrics["fold"] == 0)]
    assert len(of_fold) > 20
    assert of_fold[["value", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("sheet", ["tripod_ai", "probast_ai", "record"])
def test_what_a_sheet_cites_is_there(study: Workflow, sheet: str) -> None:
    path = study.directory / f"results/7_figures/table_{sheet}.csv"
    table = pd.read_csv(path, keep_default_na=False)
    cited = {file for files in table["from"] if files for file in files.split("; ")}
    assert len(cited) > 5
    assert [file for file in sorted(cited) if not (study.directory / file).is_file()] == []


def test_a_model_leaves_and_scores_another_site(study: Workflow, tmp_path: Path) -> None:
    """Elsewhere there is the folder alone, and the records of a site of its own."""
    names = "heart_failure/one_hot/logistic/fold0"
    manifest = f"results/8_export/model/riverside/{names}/manifest.json"
    done = study.snakemake("--cores", "2", manifest, "--configfile", TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    exported = (study.directory / manifest).parent
    elsewhere = Workflow(study.project, tmp_path / "elsewhere")
    overlay = yaml.safe_load((exported / "study.yaml").read_text("utf-8"))
    folder = elsewhere.directory / overlay["sites"]["carried_riverside"]["path"]
    shutil.copytree(exported, folder)
    records = study.directory / "results/1_ingest/lakeview/omop"
    own = {"run": {"bootstrap": 100}, "sites": {"mine": {"source": "omop", "path": str(records)}}}
    now = {
        "cohorts": {"now": {"kind": "all", "phenotype": f"{folder.name}/phenotype.yaml"}},
        "tasks": {"heart_failure": {"cohort": "now"}},
    }
    for name, content in {"own": own, "now": now}.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), "utf-8")
    configs = ("--configfile", tmp_path / "own.yaml", folder / "study.yaml")
    scored = Path(f"results/6_transfer/carried_riverside_to_mine/{names}/zero_shot/metrics.json")
    # With the outcome: on the records of lakeview, which has the parts that it has at home.
    done = elsewhere.snakemake("--cores", "2", scored, *configs)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((elsewhere.directory / scored).read_text("utf-8"))
    cohort = pq.read_table(
        study.directory / "results/2_cohort/lakeview/heart_failure/cohort.parquet"
    )
    tested = cohort.filter(pc.equal(cohort["part"], 0))
    assert (metrics["n"], metrics["cases"]) == (len(tested), pc.sum(tested["label"]).as_py())
    assert 0 < metrics["auroc"]["low"] < metrics["auroc"]["high"] <= 1
    # Without: everybody of the part, and nothing is trained.
    done = elsewhere.snakemake("--cores", "2", "transfer", *configs, tmp_path / "now.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((elsewhere.directory / scored).read_text("utf-8"))
    assert (metrics["cases"], metrics["auroc"]["reason"]) == (None, "no outcome")
    predictions = pq.read_table(elsewhere.directory / scored.with_name("predictions.parquet"))
    assert predictions["boolean_value"].null_count == len(predictions) == metrics["n"]
    assert metrics["n"] > len(tested)
    assert not (elsewhere.directory / "results/4_train").exists()
    # One byte of it is another: no job starts.
    weights = bytearray((folder / "model.skops").read_bytes())
    weights[100] ^= 1
    (folder / "model.skops").write_bytes(weights)
    done = elsewhere.snakemake("--cores", "2", "transfer", *configs)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Site carried_riverside: " in printed
    assert "model.skops is not the file that was exported" in printed
    assert "Traceback" not in printed

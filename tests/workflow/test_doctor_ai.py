"""Doctor AI's study, reduced: what is planned, and one run of it from records to metrics."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from calls import ROOT, Workflow

from visitseq.config import merge_config
from visitseq.train.next_visit import load_next_visit

RESULTS = "riverside/dx_rx"
#: The models by encoding, as the reduced study pairs them.
PAIRS = {"rolled_up": ["most_frequent", "logistic", "mlp"], "skipgram": ["rnn2_ir"]}
MODELS = [(encoding, model) for encoding, models in PAIRS.items() for model in models]


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reduced study laid over the whole one."""
    whole, reduced = (
        yaml.safe_load((ROOT / path).read_text("utf-8"))
        for path in ("workflow/experiments/paper_doctor_ai.yaml", "tests/configs/doctor_ai.yaml")
    )
    path = tmp_path_factory.mktemp("overlay") / "doctor_ai.yaml"
    path.write_text(yaml.safe_dump(merge_config(whole, reduced)), "utf-8")
    return path


@pytest.fixture(scope="module")
def doctor_ai(overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The workflow after the evaluation of the reduced study."""
    workflow = Workflow(ROOT, tmp_path_factory.mktemp("doctor_ai"))
    done = workflow.snakemake("--cores", "2", "--configfile", overlay, "--", "evaluate")
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def metrics_of(workflow: Workflow, encoding: str, model: str) -> dict[str, Any]:
    folder = workflow.directory / f"results/5_evaluate/{RESULTS}/{encoding}/{model}/fold0"
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text("utf-8"))
    return metrics


def test_each_pair_is_scored_and_no_other(doctor_ai: Workflow) -> None:
    folder = doctor_ai.directory / "results/5_evaluate" / RESULTS
    assert sorted(path.parts[-4:-2] for path in folder.glob("*/*/fold0/metrics.json")) == sorted(
        MODELS
    )
    for encoding, model in MODELS:
        metrics = metrics_of(doctor_ai, encoding, model)
        recalls = [metrics[f"recall_at_{k}"]["value"] for k in (10, 20, 30)]
        assert 0 < recalls[0] < recalls[1] < recalls[2] < 1
        assert (metrics["r2_log_days"]["value"] is None) == (model == "most_frequent")


def test_a_model_on_counts_is_kept_as_a_network_is(doctor_ai: Workflow) -> None:
    for model in ("logistic", "mlp"):
        folder = doctor_ai.directory / f"results/4_train/{RESULTS}/rolled_up/{model}/fold0"
        names = {path.name for path in folder.iterdir()}
        assert names == {"model.safetensors", "model.json", "history.csv"}
        assert load_next_visit(folder).kind == model


def test_what_is_read_is_what_is_predicted(doctor_ai: Workflow) -> None:
    folder = doctor_ai.directory / f"results/3_encode/{RESULTS}/rolled_up"
    read, asked = (
        pq.read_table(folder / f"{name}.parquet").to_pandas().set_index("code")
        for name in ("vocabulary", "labels")
    )
    assert set(asked.index) == {code for code in read.index if not code.startswith("procedure/")}
    of_labels = read.loc[asked.index].drop(columns="id")
    assert of_labels.equals(asked.drop(columns="id"))
    with pa.memory_map(str(folder / "visits.arrow")) as source:
        counted = pa.ipc.open_file(source).schema.metadata
    assert int(counted[b"rolled_up_procedure"]) > 0

"""What importing the library gives and what it costs."""

import subprocess
import sys

import pytest

STAGES = {
    "simulate": ["simulate_site"],
    "ingest": ["ingest_site", "ingest_doctorai"],
    "cohort": ["build_cohort"],
    "encode": ["encode_visits", "train_site_vectors", "train_vectors", "place_vectors"],
    "train": ["train_model", "train_baseline"],
    "evaluate": ["evaluate_model", "score_oracle", "measure_reach", "measure_repetition"],
    "transfer": ["translate_visits", "translate_vectors", "transfer_model"],
    "audit": ["run_canaries", "test_in_time"],
    "figures": ["draw_figures"],
    "export": ["write_doctorai", "reduce_model", "write_model"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_is_a_function_of_its_stage(stage: str) -> None:
    for rule in STAGES[stage]:
        script = f"import visitseq.{stage} as s; assert s.{rule}.__name__ == {rule!r}; s.{rule}()"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert f"TypeError: {rule}() missing".encode() in done.stderr


def test_the_packages_alone_import_nothing_heavy() -> None:
    packages = ", ".join(f"visitseq.{stage}" for stage in STAGES)
    heavy = "{'torch', 'sklearn', 'duckdb', 'gensim'} & set(sys.modules)"
    script = f"import {packages}, sys; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_an_unknown_name_is_no_attribute() -> None:
    import visitseq.train  # noqa: PLC0415

    with pytest.raises(AttributeError, match="has no attribute 'train_forest'"):
        _ = visitseq.train.train_forest

"""What importing the library gives and what it costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

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


#: Packages that take long to import: torch 0.75 s, scikit-learn and gensim 0.4 s, statsmodels and
#: lightgbm 0.5 s, matplotlib 0.2 s, scipy 0.1 s, duckdb and sqlglot 0.05 s. pandas (0.15 s) is
#: none of them, for pyarrow imports it wherever an array is made of a list.
HEAVY = {
    *("torch", "sklearn", "skops", "lightgbm", "statsmodels", "gensim", "scipy"),
    *("matplotlib", "duckdb", "sqlglot"),
}
#: The scripts by what of it they import before they start to work; those that are not named import
#: none. What depends on the kind of a model is imported with the model.
LOADING = {
    ("duckdb",): [
        *("build_cohort", "build_landmark", "build_population", "encode_targets", "encode_visits"),
        *("check_matching", "fill_sheets", "ingest_meds", "score_oracle", "write_meds"),
    ],
    ("duckdb", "sqlglot"): ["ingest_site"],
    ("duckdb", "scipy"): [
        *("check_windows", "measure_giveaways", "run_canaries", "test_in_time"),
    ],
    ("duckdb", "gensim", "scipy"): ["train_site_vectors", "train_vectors"],
    ("scipy",): [
        *("check_splits", "evaluate_as_used", "evaluate_model", "reduce_model", "time_scoring"),
        *("translate_visits", "write_doctorai", "write_model"),
    ],
    ("matplotlib", "scipy"): ["draw_figures"],
    ("scipy", "sklearn"): ["train_baseline"],
    ("scipy", "torch"): [
        *("count_labels", "train_forecast", "train_model", "train_next_visit", "train_pretrained"),
        *("evaluate_forecast", "evaluate_next_visit", "explain_model", "measure_reach"),
        *("measure_repetition", "time_training", "transfer_model", "transfer_next_visit"),
    ],
}
LOADED = {script: set(heavy) for heavy, scripts in LOADING.items() for script in scripts}
SCRIPTS = {path.stem: path for path in sorted((ROOT / "workflow/scripts").glob("*.py"))}


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_is_a_function_of_its_stage(stage: str) -> None:
    script = f"""
import visitseq.{stage}
for rule in {STAGES[stage]}:
    function = getattr(visitseq.{stage}, rule)
    assert function.__name__ == rule
    try:
        function()
    except TypeError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    said = done.stdout.splitlines()
    assert [line.partition("() missing")[0] for line in said] == STAGES[stage]


def test_the_packages_alone_import_nothing_heavy() -> None:
    packages = ", ".join(f"visitseq.{stage}" for stage in STAGES)
    heavy = "{'torch', 'sklearn', 'duckdb', 'gensim'} & set(sys.modules)"
    script = f"import {packages}, sys; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def file_of(module: str) -> Path | None:
    """File of a module of the library, None of any other."""
    base = ROOT / "src" / module.replace(".", "/")
    return next(filter(Path.is_file, (base.with_suffix(".py"), base / "__init__.py")), None)


@cache
def stage_modules(package: str) -> dict[str, str]:
    """Module of each function that a package imports when it is asked for."""
    path = file_of(package)
    calls = ast.walk(ast.parse(path.read_text("utf-8"))) if path else iter(())
    return {
        str(keyword.arg): f"{package}.{keyword.value.value!s}"
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id == "stage_functions"
        for keyword in call.keywords
        if isinstance(keyword.value, ast.Constant)
    }


def names_imported(statements: list[ast.stmt]) -> Iterator[str]:
    """Modules that statements import, with the packages around them."""
    for node in statements:
        named = []
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = stage_modules(node.module)
            inner = (modules.get(a.name, f"{node.module}.{a.name}") for a in node.names)
            named = [node.module, *inner]
        for name in named:
            parts = name.split(".")
            yield from (".".join(parts[:number]) for number in range(1, len(parts) + 1))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Modules that a module of the library imports where it begins, not within a function."""
    path = file_of(module)
    return frozenset(names_imported(ast.parse(path.read_text("utf-8")).body) if path else ())


def loaded(script: Path) -> dict[str, str]:
    """The heavy packages that a script imports, each with the modules by which it comes."""
    body = ast.parse(script.read_text("utf-8")).body
    blocks = [body, *(node.body for node in body if isinstance(node, ast.With))]
    reached = {name: name for block in blocks for name in names_imported(block)}
    waiting = list(reached)
    while waiting:
        module = waiting.pop(0)
        for name in imports_of(module) - reached.keys():
            reached[name] = f"{reached[module]} > {name}"
            waiting.append(name)
    return {name: reached[name] for name in HEAVY & reached.keys()}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_job_imports_what_it_needs_and_nothing_else_that_takes_long(script: str) -> None:
    ways = loaded(SCRIPTS[script])
    assert ways.keys() == LOADED.get(script, set()), ways


def test_every_script_that_is_named_exists() -> None:
    assert LOADED.keys() <= SCRIPTS.keys()


def test_what_is_read_off_the_sources_is_what_is_imported() -> None:
    """In a process: by those that import none of it together, and by one that imports much."""
    light = [stem for stem in SCRIPTS if stem not in LOADED]
    assert len(light) > 10
    for stems, expected in ((light, set()), (["explain_model"], LOADED["explain_model"])):
        trees = [ast.parse(SCRIPTS[stem].read_text("utf-8")) for stem in stems]
        nodes = (node for tree in trees for node in ast.walk(tree))
        ours = (node for node in nodes if isinstance(node, ast.ImportFrom) and node.module)
        imports = [ast.unparse(node) for node in ours if str(node.module).startswith("visitseq")]
        script = "; ".join([*imports, "import sys", f"print(*{HEAVY} & sys.modules.keys())"])
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, check=True, text=True
        )
        assert set(done.stdout.split()) == expected


def test_a_network_is_trained_without_the_compiler_of_torch() -> None:
    script = """
import sys, torch
from visitseq.train.optimiser import OPTIMISERS, Optimiser
from visitseq.train.ranks import Ranks
for name in OPTIMISERS:
    network = torch.nn.Linear(2, 1)
    optimiser = Optimiser(network, name)
    network(torch.ones(3, 2)).sum().backward()
    optimiser.step(0.1, Ranks())
    optimiser.load_state(optimiser.state())
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "False"


def test_an_unknown_name_is_no_attribute() -> None:
    import visitseq.train  # noqa: PLC0415

    with pytest.raises(AttributeError, match="has no attribute 'train_forest'"):
        _ = visitseq.train.train_forest

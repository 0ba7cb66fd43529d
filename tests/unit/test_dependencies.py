"""requirements.txt, environment.yml and pyproject.toml name the same packages."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def pinned() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_requirements_are_plain_pins() -> None:
    for line in pinned():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
    names = [line.split("==")[0].lower() for line in pinned()]
    assert names == sorted(set(names))


def test_conda_installs_the_same_pins() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    python, pip, inline = environment["dependencies"]
    assert inline == {"pip": pinned()}
    assert (python, pip) == (f"python {PYPROJECT['project']['requires-python']}", "pip")


def test_everything_that_the_project_declares_is_pinned() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    declared = PYPROJECT["project"]["dependencies"] + extras["test"]
    assert len(declared) == len(set(declared))
    assert {name.lower() for name in declared} <= {line.split("==")[0].lower() for line in pinned()}


def test_everything_that_the_library_imports_is_declared() -> None:
    called = {
        **{"adbc_driver_manager": "adbc-driver-manager", "sklearn": "scikit-learn"},
        **{"adbc_driver_postgresql": "adbc-driver-postgresql", "yaml": "pyyaml", "py4j": "pyspark"},
    }
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "src").rglob("*.py")]
    imported = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    third_party = imported - sys.stdlib_module_names - {"visitseq"}
    assert {"duckdb", "torch"} <= third_party
    extras = PYPROJECT["project"]["optional-dependencies"]
    declared = {*PYPROJECT["project"]["dependencies"], *extras["spark"]}
    assert {called.get(name, name) for name in third_party} <= declared

"""Which edits change the digest of a stage's code."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from visitseq import fingerprint

STAGES = [
    "simulate.site",
    "ingest.site",
    "cohort.build",
    "encode.encode",
    "train.network",
    "train.baseline",
    "evaluate.evaluate",
    "figures.draw",
]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the library that may be edited."""
    copy = tmp_path / "visitseq"
    shutil.copytree(Path(fingerprint.__file__).parent, copy)
    monkeypatch.setattr(fingerprint, "_ROOT", copy)
    fingerprint._read.cache_clear()
    yield copy
    fingerprint._read.cache_clear()


def digests() -> dict[str, str]:
    fingerprint._read.cache_clear()
    return {stage: fingerprint.code_digest(f"visitseq.{stage}") for stage in STAGES}


def changed(library: Path, file: str, old: str, new: str) -> set[str]:
    """Stages whose digest changes when ``old`` in ``file`` becomes ``new``."""
    before = digests()
    path = library / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    after = digests()
    return {stage for stage in STAGES if before[stage] != after[stage]}


def test_every_stage_has_a_digest_of_its_own(library: Path) -> None:
    assert len(set(digests().values())) == len(STAGES)


def test_an_edit_reruns_the_stages_that_use_it(library: Path) -> None:
    assert changed(library, "ingest/omop.py", '"death"', '"deaths"') == {"ingest.site"}
    # What counts a visit is used by the cohort and by its encoding, and by nothing before.
    assert changed(library, "cohort/visit_merging.py", "STAY = 366", "STAY = 365") == {
        "cohort.build",
        "encode.encode",
    }
    # A query is its module's own.
    assert changed(library, "encode/sql/window_code.sql", ">= cohort", "> cohort") == {
        "encode.encode"
    }


def dependencies(stage: str) -> set[str]:
    """Files of the library that a stage's digest covers."""
    found = fingerprint._dependencies(fingerprint._path_of(f"visitseq.{stage}"))
    return {path.relative_to(fingerprint._ROOT).as_posix() for path in found}


@pytest.mark.parametrize("stage", ["train.network", "train.baseline", "train.pretrained"])
def test_training_does_not_depend_on_how_models_are_judged(stage: str) -> None:
    judged = {f"evaluate/{name}.py" for name in ("bootstrap", "scored_rows", "ranking")}
    assert judged <= dependencies("evaluate.evaluate")
    assert not judged & dependencies(stage)
    assert ("train/features.py" in dependencies(stage)) == (stage == "train.baseline")


@pytest.mark.parametrize("stage", ["encode.encode", "encode.targets"])
def test_what_is_encoded_depends_on_refusals_of_encodings_alone(stage: str) -> None:
    assert "encode/refusal.py" in dependencies(stage)
    assert "grid.py" not in dependencies(stage)


def test_data_files_count(library: Path) -> None:
    edited = changed(library, "data/simulator_emissions.csv", "\n", "\n\n")
    assert edited == {"simulate.site"}


def test_comments_and_docstrings_do_not_count(library: Path) -> None:
    assert not changed(library, "cohort/parts.py", '"""The parts of a site', '"""Parts of a site')
    assert not changed(
        library, "cohort/windows.py", "DAYS_A_MONTH = 30.4375  #", "DAYS_A_MONTH = 30.4375  # or"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if a:\n    b\n    c", "if a:\n    b\nc"),
        ("if a:\n    b\nelse:\n    c", "if a:\n    b\n    c"),
        ("f(a, b)", "f((a, b))"),
        ("f(a)(b)", "f(a, b)"),
        ("x = 1", "x = True"),
        ("x = 1", "x = '1'"),
        ("x = ['a', 'b']", "x = ['a'], 'b'"),
        ("def f(a, b=c): ...", "def f(a=c, b=c): ..."),
        ("def f(): 'says'; x", "def f(): x; 'says'"),
        ("from a import b", "from a import b as b"),
    ],
)
def test_what_is_not_the_same_code_has_not_the_same_digest(
    tmp_path: Path, one: str, other: str
) -> None:
    paths = [tmp_path / "one.py", tmp_path / "other.py"]
    for path, text in zip(paths, (one, other), strict=True):
        path.write_text(text, "utf-8")
    assert fingerprint._read(paths[0]).digest != fingerprint._read(paths[1]).digest


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="no module of visitseq"):
        fingerprint.code_digest("visitseq.nothing")

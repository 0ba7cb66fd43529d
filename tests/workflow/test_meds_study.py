"""A site leaves as a MEDS data set, with labels and predictions, and comes back as it was."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from calls import TINY, Workflow

EXPORT = "results/8_export/meds/lakeview"


def overlay(path: Path, **keys: object) -> Path:
    path.write_text(yaml.safe_dump(keys), "utf-8")
    return path


def test_a_site_goes_out_and_comes_back(study: Workflow, tmp_path: Path) -> None:
    # A copy: other tests compare all that the study wrote.
    directory = tmp_path / "run"
    shutil.copytree(study.directory, directory)
    own = Workflow(study.project, directory)
    run = {"sites": ["lakeview"], "transfer": [], "models": ["logistic"], "folds": [1]}
    run |= {"tasks": ["heart_failure", "next_visit"], "reference": "logistic"}
    out = overlay(directory / "out.yaml", run=run)
    done = own.snakemake("export_meds", "--cores", "2", "--configfile", TINY, out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "task next_visit is of kind next_visit" in done.stdout + done.stderr

    exported = directory / EXPORT
    splits = pq.ParquetFile(exported / "metadata/subject_splits.parquet").read()
    split_of = dict(zip(*(splits[name].to_pylist() for name in splits.column_names), strict=True))
    predicted = exported / "predictions/heart_failure/one_hot/logistic/fold1/predictions.parquet"
    found = [pq.ParquetFile(exported / "labels/heart_failure/labels.parquet").read().to_pylist()]
    found.append(pq.ParquetFile(predicted).read().to_pylist())
    keys = [[tuple(r.values())[:3] for r in rows] for rows in found]
    # Fold 1 is what the splits are made of: its test part is held out, and has its labels.
    assert keys[1] == [key for key in keys[0] if split_of[key[0]] == "held_out"]
    assert keys[1]

    sites = {"back": {"source": "meds", "path": EXPORT}}
    back = overlay(directory / "back.yaml", run={**run, "sites": ["back"]}, sites=sites)
    visits = "results/3_encode/{}/heart_failure/one_hot/visits.arrow"
    done = own.snakemake(visits.format("back"), "--cores", "2", "--configfile", TINY, back)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (visits, "results/2_cohort/{}/heart_failure/cohort.parquet"):
        home, again = (
            (directory / path.format(site)).read_bytes() for site in ("lakeview", "back")
        )
        assert home == again, path

"""Read the folder of a model that came from elsewhere (``export/folder.py``), if it may be read.

A folder is refused where a file that is read is missing or is not the one that was exported, where
its layout is of another format, where its parts contradict one another, and where the configuration
means something else by the names of its task, its encoding or its model.

Nothing in it can run code: manifest and model.json are JSON, phenotype.yaml is read as plain data,
the vocabulary is Parquet, weights are safetensors, or skops of types that are named
(``train/skops_archive.py``).

The manifest says of every other file what it is; of the manifest itself its sender can tell the
SHA-256, which the export wrote to its log.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from visitseq.errors import UserError
from visitseq.export.folder import (
    FILES,
    FOR_PERSONS,
    FORMAT,
    MANIFEST,
    encoding_that_counts,
    file_digest,
    phenotype_digest,
    task_that_counts,
    vocabulary_digest,
)
from visitseq.grid import COUNTED_KINDS

Section = Mapping[str, Any]

#: Kinds of task of which a model may leave.
KINDS = ("onset", "next_visit")

#: What a manifest has to say.
_KEYS = ("format", "names", "fold", "kind", "task", "encoding", "digests", "files")
_NAMES = ("site", "task", "encoding", "model")


def read_carried(site: str, folder: Path) -> dict[str, Any]:
    """Check the files of a carried model and give its manifest.

    Parameters
    ----------
    site
        Its name in the configuration, for messages.
    folder
        Its path.

    Raises
    ------
    UserError
        The folder or a file is missing, was changed, or is of another format.
    """
    if not folder.is_dir():
        _refuse(
            site,
            f"path {folder} does not exist ({folder.absolute()}). Set path to a folder that "
            "export_model wrote; one that does not begin with / is looked up from --directory",
        )
    manifest = _read_manifest(site, folder)
    files = manifest["files"]
    for name in [*_required(manifest), *sorted(files)]:
        if name not in files or name not in FILES:
            what = "does not name" if name not in files else "names"
            _refuse(site, f"{folder / MANIFEST} {what} {name}, unlike that of any exported model")
        if name in FOR_PERSONS:
            continue
        if not (folder / name).is_file():
            _refuse(site, f"{folder} lacks {name}. Have the whole folder sent again")
        if file_digest(folder / name) != files[name]:
            _refuse(
                site,
                f"{folder / name} is not the file that was exported: its SHA-256 is not that in "
                f"{MANIFEST}. Have the folder sent again",
            )
    _check_vocabulary(site, folder, manifest)
    return manifest


def check_fit(site: str, manifest: Section, config: Section, phenotype: Path | None) -> None:
    """Raise unless the configuration means the same by the names of a carried model.

    Parameters
    ----------
    site
        Its name in the configuration, for messages.
    manifest
        Of ``read_carried``.
    config
        The filled configuration, in which task, encoding and model of its names are defined.
    phenotype
        The phenotype file of the task's cohort; None where it has none.

    Raises
    ------
    UserError
        A key decides otherwise what is read or predicted: the key, its value here and there.
    """
    names = manifest["names"]
    task, encoding, model = (config[f"{key}s"][names[key]] for key in ("task", "encoding", "model"))
    kinds = {"kind": task["kind"]}, {"kind": manifest["task"]["kind"]}
    _compare(site, f"tasks/{names['task']}", *kinds)
    _compare(site, f"tasks/{names['task']}", task_that_counts(task), manifest["task"])
    where = f"encodings/{names['encoding']}"
    _compare(site, where, encoding_that_counts(encoding), manifest["encoding"])
    own = {"kind": model["kind"]}
    _compare(site, f"models/{names['model']}", own, {"kind": manifest["kind"]})
    wanted = manifest["digests"].get("phenotype")
    if wanted and phenotype is not None and phenotype_digest(phenotype) != wanted:
        _refuse(
            site,
            f"cohorts/{task['cohort']}/phenotype: the codes in {phenotype} are not those by which "
            "the model was trained. Write the path of the phenotype.yaml in its folder",
        )


def _compare(site: str, where: str, here: Section, there: Section) -> None:
    for key in {**here, **there}:
        if here.get(key) != there.get(key):
            _refuse(
                site,
                f"{where}/{key} is {_shown(here.get(key))}, and the model was trained with "
                f"{_shown(there.get(key))}. Change it, or lay the model's study.yaml over the "
                "configuration",
            )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read_manifest(site: str, folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        _refuse(site, f"{folder} has no {MANIFEST}. Set path to a folder that export_model wrote")
    content = _read_json(site, path)
    if not isinstance(content, dict) or "format" not in content:
        _refuse(site, f"{path} is no manifest of an exported model")
    if content["format"] != FORMAT:
        _refuse(
            site,
            f"{folder} is of format {content['format']}, and this version of visitseq reads format "
            f"{FORMAT}. Take the version that wrote it",
        )
    if not _is_whole(content):
        _refuse(site, f"{path} is no manifest of an exported model")
    return content


def _is_whole(content: Section) -> bool:
    """Whether a manifest says all that it has to say."""
    if not set(_KEYS) <= set(content):
        return False
    sections = ("names", "task", "encoding", "digests", "files")
    return (
        all(isinstance(content[key], dict) for key in sections)
        and set(_NAMES) <= set(content["names"])
        and content["task"].get("kind") in KINDS
    )


def _read_json(site: str, path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        _refuse(site, f"{path} is no JSON. Have the folder sent again")


def _required(manifest: Section) -> list[str]:
    """Files without which a model of its kind and task cannot be scored."""
    of_task = {"onset": "phenotype.yaml", "next_visit": "labels.parquet"}[manifest["task"]["kind"]]
    files = ["model.json", "vocabulary.parquet", "metrics.json", of_task]
    if manifest["kind"] not in COUNTED_KINDS:
        skops = "model.skops" in manifest["files"]
        files.append("model.skops" if skops else "model.safetensors")
    return files


def _check_vocabulary(site: str, folder: Path, manifest: Section) -> None:
    """Raise unless ids count from 0, the names are those exported, and the model knows them."""
    # Imported here so that a configuration without carried models does not wait for it.
    import pyarrow.parquet as pq  # noqa: PLC0415

    card = _read_json(site, folder / "model.json")
    if not isinstance(card, dict) or card.get("kind") != manifest["kind"]:
        _refuse(site, f"{folder / 'model.json'} is of another model than {MANIFEST}")
    for name, ids in (("vocabulary", "known"), ("labels", "known_labels")):
        path = folder / f"{name}.parquet"
        if name not in manifest["digests"]:
            continue
        try:
            table = pq.read_table(path, columns=["id", "code", "description"])
        except (OSError, ValueError):
            _refuse(site, f"{path} is no vocabulary. Have the folder sent again")
        numbers = table["id"].to_pylist()
        fits = numbers == list(range(table.num_rows)) == card.get(ids)
        if not fits or vocabulary_digest(table) != manifest["digests"][name]:
            _refuse(
                site,
                f"{path} is not the vocabulary of the model beside it. Have the folder sent again",
            )


def _refuse(site: str, reason: str) -> NoReturn:
    raise UserError(f"Site {site}: {reason}.")

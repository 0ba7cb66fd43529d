"""A model leaves as a folder, and comes back from it: what is in it, what is refused."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import next_visits
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from arrow_visits import Row, write_visits
from small_training import CLASSICAL, CODES, ENCODING, FOLD, GRU, PARTS, TASK, cohort, inputs
from small_transfer import transfer

from visitseq import tables
from visitseq.errors import UserError
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.evaluate.next_visit import evaluate_next_visit
from visitseq.export.folder import MANIFEST, file_digest
from visitseq.export.model import write_model
from visitseq.export.public_files import public_metrics
from visitseq.export.reduced import reduce_model
from visitseq.export.small_counts import suppress_counts
from visitseq.train.baseline import train_baseline
from visitseq.train.network import train_model
from visitseq.transfer.arms import STRATEGIES
from visitseq.transfer.carried import check_fit, read_carried
from visitseq.transfer.pairs import strategies_of
from visitseq.transfer.translate import translate_visits

NAMES = {"site": "riverside", "task": "onset", "encoding": "one_hot", "model": "own"}
ONSET = {**TASK, "cohort": "patients", "phenotype_codes": "drop"}
NEXT = {**next_visits.TASK, "cohort": "everyone"}
COHORT = {"kind": "case_control", "phenotype": "gout", "age": [40, 85]}
LEAST = 10
NETWORK = {**GRU, "epochs": 2, "search": {"hidden": [8, 4]}}
MODELS = {**{kind: m for kind, m in CLASSICAL.items() if kind != "knn"}, "recurrent": NETWORK}
#: Planted: a code and persons whose names must not be in the folder.
RARE, FIRST_PERSON = "condition/source/ONLY-ONE-HAS-IT", 7_310_000_000


def home_rows() -> list[Row]:
    """A cohort of persons with long ids; one in training and one in the test has the last code."""
    rows = [
        replace(
            row,
            visits=[[code for code in visit if code != CODES - 1] for visit in row.visits],
            subject_id=FIRST_PERSON + place,
        )
        for place, row in enumerate(cohort())
    ]
    for part in (FOLD + 2, FOLD):
        place = next(place for place, row in enumerate(rows) if row.part == part)
        rows[place] = replace(rows[place], visits=[[CODES - 1], [0, CODES - 1], [1, CODES - 1]])
    return rows


def rename(table: Path, code: int, name: str) -> None:
    rows = pq.read_table(table)
    names = rows["code"].to_pylist()
    names[code] = name
    place = rows.schema.get_field_index("code")
    tables.write_parquet(rows.set_column(place, "code", pa.array(names)), table)


def phenotype(folder: Path, code: str = "274.0") -> Path:
    path = folder / "gout.yaml"
    path.write_text(f'description: Gout.\nsource: made up\nconcepts: []\nicd9cm: ["{code}"]\n')
    return path


def score_onset(visits: Path, trained: Path, folder: Path, home: Path | None = None) -> None:
    settings: Any = {"fold": FOLD, "parts": PARTS, "seed": 0, "draws": 100}
    evaluate_model(visits=visits, trained=trained, task=TASK, folder=folder, home=home, **settings)


def leave(folder: Path, task: dict[str, Any], model: dict[str, Any]) -> Path:
    """Let a model in ``folder`` that was reduced and evaluated leave; return where it is."""
    is_onset = task["kind"] == "onset"
    write_model(
        reduced=folder / "reduced",
        metrics=folder / "evaluated/metrics.json",
        vocabulary=folder / "vocabulary.parquet",
        labels=None if is_onset else folder / "labels.parquet",
        phenotype=phenotype(folder) if is_onset else None,
        names=NAMES,
        sections={"task": task, "cohort": COHORT, "encoding": ENCODING, "model": model},
        synthetic=True,
        minimum_cell=LEAST,
        folder=folder / "out",
    )
    return folder / "out"


def export(folder: Path, model: dict[str, Any]) -> Path:
    """Train a model of an onset at home, and let it leave."""
    files = inputs(home_rows(), folder)
    rename(files["vocabulary"], CODES - 1, RARE)
    learn: Any = train_model if model["kind"] == "recurrent" else train_baseline
    options = {} if model["kind"] == "recurrent" else {"task": TASK}
    common = {"encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 0}
    learn(**files, **options, **common, model=model, folder=folder / "model")
    assert RARE in (folder / "model/model.json").read_text()
    reduce_model(
        trained=folder / "model",
        visits=files["visits"],
        task=ONSET,
        minimum_cell=LEAST,
        folder=folder / "reduced",
    )
    score_onset(files["visits"], folder / "reduced", folder / "evaluated")
    return leave(folder, ONSET, model)


def translate(folder: Path, carried: Path) -> Path:
    """The home's own visits in the vocabulary of the carried model."""
    above = folder / "ancestors.parquet"
    tables.write_parquet(pa.Table.from_pylist([], schema=tables.ANCESTORS), above)
    labels: Any = {}
    if (carried / "labels.parquet").exists():
        labels = {
            "labels": folder / "labels.parquet",
            "source_labels": carried / "labels.parquet",
        }
    translate_visits(
        visits=folder / "visits.arrow",
        vocabulary=folder / "vocabulary.parquet",
        source_vocabulary=carried / "vocabulary.parquet",
        ancestors=above,
        folder=folder / "translated",
        **labels,
    )
    return folder / "translated"


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


@pytest.mark.parametrize("kind", MODELS)
def test_the_folder_scores_its_home_to_what_it_says(kind: str, tmp_path: Path) -> None:
    carried = export(tmp_path, MODELS[kind])
    assert read_carried("carried", carried)["kind"] == kind
    visits = translate(tmp_path, carried) / "visits.arrow"
    score_onset(visits, carried, tmp_path / "abroad", carried / "metrics.json")
    enclosed = read(carried / "metrics.json")
    assert 0 < enclosed["unknown_codes"] < 1
    assert public_metrics(read(tmp_path / "abroad/metrics.json"), LEAST) == enclosed
    first, second = (
        pq.read_table(tmp_path / f"{name}/predictions.parquet").drop(["predicted_boolean_value"])
        for name in ("evaluated", "abroad")
    )
    assert first.equals(second)  # but for the threshold, which was rounded
    files = {path.name for path in carried.iterdir()}
    assert files == {*read(carried / MANIFEST)["files"], MANIFEST}
    assert not holds(carried, RARE, *map(str, range(FIRST_PERSON, FIRST_PERSON + 300)))
    assert holds(carried, "condition/0")


@pytest.mark.parametrize("kind", MODELS)
def test_what_left_can_be_trained_on(kind: str, tmp_path: Path) -> None:
    carried = export(tmp_path, MODELS[kind])
    pair = {"strategies": [*STRATEGIES[1:]], "fractions": [100], "draws": 1}
    files = translate(tmp_path, carried)
    names = {"visits": "arrow", "vocabulary": "parquet", "ancestors": "parquet"}
    arguments: dict[str, Any] = {
        **{name: files / f"{name}.{ending}" for name, ending in names.items()},
        **{"trained": carried, "zero_shot": tmp_path / "abroad", "pair": pair},
        **{"task": ONSET, "encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 0},
        **{"draws": 100, "folder": tmp_path / "moved"},
    }
    score_onset(arguments["visits"], carried, tmp_path / "abroad", carried / "metrics.json")
    content = transfer(arguments)
    for strategy in strategies_of(pair, MODELS[kind]):
        assert 0 < content[strategy]["100"]["auroc"]["value"] < 1


def holds(folder: Path, *words: str) -> list[str]:
    """Words that stand in a file of ``folder``, unpacked where it is packed."""
    texts = [path.read_bytes() for path in folder.iterdir()]
    tables_of = map(pq.read_table, folder.glob("*.parquet"))
    texts += [json.dumps(table.to_pydict()).encode() for table in tables_of]
    for path in folder.glob("*.skops"):
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            texts += [archive.read(name) for name in archive.namelist()]
    return [word for word in words if any(word.encode() in text for text in texts)]


def test_what_was_tried_and_small_numbers_stay_at_home(tmp_path: Path) -> None:
    carried = export(tmp_path, NETWORK)
    assert "trials" in (tmp_path / "model/model.json").read_text()
    assert not holds(carried, "trials", "validation_auroc", "persons_digest", "part_0")
    seen = read(tmp_path / "model/model.json")["persons"]
    assert not holds(carried, seen["training"], seen["validation"])
    card = read(carried / "model.json")
    assert card["model"]["search"] == {}
    assert card["known"] == list(range(CODES - 1))
    assert card["left_out"] == {"fewer_persons_than": LEAST, "codes": 1}
    whole = read(tmp_path / "evaluated/metrics.json")
    cases, n = whole["cases"], whole["n"]
    enclosed = read(carried / "metrics.json")
    small = [c for c in (cases, n - cases) if 0 < c < LEAST]
    assert (enclosed["cases"] is None) == bool(small)
    assert enclosed["n"] == n >= LEAST
    # An exact share tells what it is a share of.
    auroc = whole["auroc"]["value"]
    assert enclosed["auroc"]["value"] == (round(auroc, 2) if "suppressed" in enclosed else auroc)
    table = pq.read_table(carried / "vocabulary.parquet")
    assert table.schema.names == ["id", "code", "description"]


def test_the_next_visit_leaves_with_its_labels(tmp_path: Path) -> None:
    rows = next_visits.chains()
    rows = [replace(row, visits=[[code % 20] for (code,) in row.visits]) for row in rows]
    rows[0] = replace(rows[0], visits=[[30], *rows[0].visits[1:]])
    next_visits.train(rows, tmp_path, epochs=2)
    for name in ("vocabulary", "labels"):
        rename(tmp_path / f"{name}.parquet", 30, RARE)
    visits = tmp_path / "visits.arrow"
    reduce_model(
        trained=tmp_path / "model",
        visits=visits,
        task=NEXT,
        minimum_cell=LEAST,
        folder=tmp_path / "reduced",
    )
    settings: Any = {"fold": FOLD, "parts": PARTS, "seed": 0, "draws": 100}
    evaluate_next_visit(
        visits=visits, trained=tmp_path / "reduced", folder=tmp_path / "evaluated", **settings
    )
    carried = leave(tmp_path, NEXT, next_visits.MODEL)
    read_carried("carried", carried)
    assert not holds(carried, RARE)
    assert min(read(carried / "model.json")["label_visits"]) >= LEAST
    translated = translate(tmp_path, carried)
    evaluate_next_visit(
        visits=translated / "visits.arrow",
        labels=translated / "labels.parquet",
        trained=carried,
        folder=tmp_path / "abroad",
        **settings,
    )
    abroad, enclosed = read(tmp_path / "abroad/metrics.json"), read(carried / "metrics.json")
    assert public_metrics(abroad, LEAST) == enclosed
    assert enclosed["recall_at_10"]["value"] > 0


def test_persons_without_outcome_are_scored(tmp_path: Path) -> None:
    carried = export(tmp_path, CLASSICAL["svm"])
    visits = translate(tmp_path, carried) / "visits.arrow"
    home = carried / "metrics.json"
    score_onset(visits, carried, tmp_path / "known", home)
    unknown = [replace(row, label=None) for row in home_rows()]
    write_visits(unknown, tmp_path / "visits.arrow")
    score_onset(translate(tmp_path, carried) / "visits.arrow", carried, tmp_path / "not", home)
    with_label, without = (
        pq.read_table(tmp_path / f"{name}/predictions.parquet") for name in ("known", "not")
    )
    assert without["boolean_value"].null_count == len(without) > 0
    assert without.schema.equals(tables.PREDICTIONS)
    assert without.drop(["boolean_value"]).equals(with_label.drop(["boolean_value"]))
    content = read(tmp_path / "not/metrics.json")
    nothing = {"value": None, "low": None, "high": None, "reason": "no outcome"}
    assert content["auroc"] == content["auroc_delong"] == content["brier"] == nothing
    assert (content["n"], content["cases"]) == (len(without), None)
    assert content["threshold"] == read(home)["threshold"] | {
        "chosen": "Youden's J on the validation part"
    }
    with pytest.raises(UserError, match="have no label"):
        score_onset(tmp_path / "visits.arrow", tmp_path / "reduced", tmp_path / "home")


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("home"), CLASSICAL["logistic"])


@pytest.fixture
def copy(carried: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be spoilt."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in carried.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize(
    "name", ["model.json", "model.skops", "vocabulary.parquet", "metrics.json"]
)
def test_one_byte_is_enough_to_be_refused(name: str, copy: Path) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(UserError, match=f"^Site other: .*{name} is not the file that was exported"):
        read_carried("other", copy)


def test_persons_may_write_into_what_is_theirs(copy: Path) -> None:
    (copy / "study.yaml").unlink()
    with (copy / "model_card.md").open("a") as file:
        file.write("CC BY 4.0")
    assert read_carried("other", copy)["names"] == NAMES


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**read(path), **values}))


def forge(folder: Path, name: str, content: bytes | None = None) -> None:
    """Exchange a file, with a manifest that says that all is well."""
    if content is None:
        rename(folder / name, 0, "condition/forged")
    else:
        (folder / name).write_bytes(content)
    files = read(folder / MANIFEST)["files"]
    change(folder / MANIFEST, files={**files, name: file_digest(folder / name)})


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no file": (lambda folder: (folder / "model.skops").unlink(), "lacks model.skops. Have the"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "has no manifest.json. Set path"),
    "no JSON": (lambda folder: (folder / MANIFEST).write_text("{"), "manifest.json is no JSON"),
    "a list": (lambda folder: (folder / MANIFEST).write_text("[]"), "is no manifest of an"),
    "half": (lambda folder: (folder / MANIFEST).write_text('{"format": 1}'), "is no manifest of"),
    "newer": (lambda folder: change(folder / MANIFEST, format=2), "is of format 2, .* format 1"),
    "outside": (
        lambda folder: change(
            folder / MANIFEST, files={**read(folder / MANIFEST)["files"], "../x": "0"}
        ),
        r"names \.\./x, unlike that of any exported model",
    ),
    "unlisted": (
        lambda folder: change(folder / MANIFEST, files={}),
        "does not name model.json, unlike",
    ),
    "forged": (
        lambda folder: forge(folder, "vocabulary.parquet"),
        "vocabulary.parquet is not the vocabulary of the model beside it",
    ),
    "no table": (
        lambda folder: forge(folder, "vocabulary.parquet", b"PAR1"),
        "vocabulary.parquet is no vocabulary",
    ),
    "exchanged": (
        lambda folder: forge(folder, "model.json", b'{"kind": "svm"}'),
        "model.json is of another model than manifest.json",
    ),
    "a list of names": (
        lambda folder: change(folder / MANIFEST, names=["site"]),
        "is no manifest of an exported model",
    ),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_folder_that_is_not_as_it_was_is_refused(fault: str, copy: Path) -> None:
    spoil, message = SPOILT[fault]
    spoil(copy)
    with pytest.raises(UserError, match=f"^Site other: .*{message}"):
        read_carried("other", copy)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Site other: path .*nowhere does not exist"):
        read_carried("other", tmp_path / "nowhere")


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"tasks": {"kind": "next_visit"}}, "tasks/onset/kind is next_visit, and .* onset"),
    "window": (
        {"tasks": {"observation_months": 12}},
        "tasks/onset/observation_months is 12, and the model was trained with 18. Change it",
    ),
    "gap": ({"tasks": {"prediction_months": 6}}, "prediction_months is 6, .* with 0"),
    "codes": ({"tasks": {"phenotype_codes": "keep"}}, "phenotype_codes is keep, .* with drop"),
    "groups": (
        {"encodings": {"vocabulary": "groups", "level": 2}},
        "encodings/one_hot/vocabulary is groups, and the model was trained with codes",
    ),
    "steps": ({"encodings": {"sequence": "code"}}, "sequence is code, .* with visit"),
    "domains": (
        {"encodings": {"domains": ["drug", "condition"]}},
        r"domains is \[condition, drug\], .* \[condition\]",
    ),
    "model": ({"models": {"kind": "lstm"}}, "models/own/kind is lstm, .* with logistic"),
}


def configured(**changes: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose sections are those of the home, but for ``changes``."""
    sections = {"tasks": ("onset", ONSET), "encodings": ("one_hot", ENCODING)}
    sections["models"] = ("own", CLASSICAL["logistic"])
    return {key: {name: {**own, **changes.get(key, {})}} for key, (name, own) in sections.items()}


@pytest.mark.parametrize("change", UNFIT)
def test_a_configuration_that_means_something_else_is_refused(
    change: str, carried: Path, tmp_path: Path
) -> None:
    changes, message = UNFIT[change]
    manifest = read_carried("other", carried)
    check_fit("other", manifest, configured(), phenotype(tmp_path))
    with pytest.raises(UserError, match=f"^Site other: .*{message}"):
        check_fit("other", manifest, configured(**changes), phenotype(tmp_path))


def test_labels_that_mean_something_else_are_refused() -> None:
    manifest = {
        "names": {**NAMES, "task": "next"},
        "task": {"kind": "next_visit", "labels": ["condition"], "rollup": "icd3", "level": 2.0},
    }
    config = {**configured(), "tasks": {"next": {**NEXT, "rollup": "ccs", "level": 2}}}
    with pytest.raises(UserError, match=r"tasks/next/rollup is ccs, and .* icd3"):
        check_fit("other", manifest, config, None)
    config["tasks"]["next"].update(rollup="icd3", labels=["drug"])
    with pytest.raises(UserError, match=r"labels is \[drug\], and .* \[condition\]"):
        check_fit("other", manifest, config, None)


def test_another_disease_is_refused_and_other_words_are_not(carried: Path, tmp_path: Path) -> None:
    manifest = read_carried("other", carried)
    same = phenotype(tmp_path)
    same.write_text(same.read_text().replace("Gout.", "Podagra."))
    check_fit("other", manifest, configured(), same)
    with pytest.raises(UserError, match=r"cohorts/patients/phenotype: the codes in .*gout.yaml"):
        check_fit("other", manifest, configured(), phenotype(tmp_path, "274.1"))


def test_the_overlay_and_the_card_say_what_is_there(carried: Path) -> None:
    overlay = yaml.safe_load((carried / "study.yaml").read_text())
    assert overlay["run"]["transfer"][0]["source"] == "carried_riverside"
    name = overlay["sites"]["carried_riverside"]["path"]
    assert overlay["cohorts"]["patients"]["phenotype"] == f"{name}/phenotype.yaml"
    assert overlay["tasks"]["onset"] == ONSET
    # The command in its head names the file where it is, which is below --directory.
    assert f"runs/mine/{name}/study.yaml" in (carried / "study.yaml").read_text()
    card = (carried / "model_card.md").read_text()
    auroc = read(carried / "metrics.json")["auroc"]["value"]
    assert f"| auroc | {auroc:.3f} |" in card
    for words in ("synthetic records", "Licence: ____", "left out because fewer than 10 persons"):
        assert words in card


def test_the_same_model_leaves_as_the_same_bytes(carried: Path, tmp_path: Path) -> None:
    again = export(tmp_path, CLASSICAL["logistic"])
    first, second = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for folder in (carried, again)
    )
    assert first == second


@pytest.mark.parametrize(
    ("numbers", "hidden"),
    [
        ((100, 30, 0), []),
        ((100, 9, 0), ["cases"]),
        ((100, 91, 20), ["cases"]),
        ((9, 3, 0), ["n", "cases", "empty"]),
        ((100, 30, 3), ["empty"]),
        ((0, 0, 0), []),
    ],
)
def test_small_numbers_and_their_complements_are_held_back(
    numbers: tuple[int, ...], hidden: list[str]
) -> None:
    content = dict(zip(("n", "cases", "empty"), numbers, strict=True))
    shown = suppress_counts(content, "n", ("cases", "empty"), 10)
    assert [name for name in content if shown[name] is None] == hidden
    assert list(shown.get("suppressed", {})) == hidden

"""Which combinations of the configuration are run, and why others cannot be.

The grid of a study is the product of the lists in ``run``, as far as ``run.narrow`` asks for it. A
kind of task may ask for what a kind of model or an encoding cannot give: such a combination is left
out of the grid and named, and refused with the reason where somebody asks for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from visitseq.encode.refusal import refusal_of_encoding

Section = Mapping[str, Any]


def refusal(
    task: Section, encoding: Section | None = None, model: Section | None = None
) -> str | None:
    """Why these sections of the configuration do not go together, in words; None if they do."""
    of_model = None if model is None else _refusal_of_model(task["kind"], model)
    if of_model is not None or encoding is None:
        return of_model
    return refusal_of_encoding(task, encoding)


#: The kinds of model that predict the next visit; those without weights are counted.
COUNTED_KINDS = ("most_frequent", "last_visit")
NEXT_VISIT_KINDS = (*COUNTED_KINDS, "logistic", "mlp", "recurrent")


def _refusal_of_model(task: str, model: Section) -> str | None:
    """Why a kind of task cannot be given to a model, in words; None if it can."""
    kind = model["kind"]
    if task == "forecast" and kind != "seq2seq":
        return (
            f"a model of kind {kind} gives each person one score, and a forecast is of visits; "
            "take kind seq2seq"
        )
    if task == "onset" and kind in COUNTED_KINDS:
        return f"a model of kind {kind} ranks labels of visits, and an onset has none"
    if task == "next_visit" and kind not in NEXT_VISIT_KINDS:
        return (
            f"a model of kind {kind} does not predict at every visit; take one of kind "
            f"{', '.join(NEXT_VISIT_KINDS)}"
        )
    return _refusal_of_reading(model) if task == "next_visit" else None


def _refusal_of_reading(model: Section) -> str | None:
    """Why a model of such a kind cannot predict at every visit, in words; None if it can."""
    if model.get("bidirectional"):
        return "a bidirectional network has read the visits that it is to predict"
    if model.get("visits", "in_order") != "in_order":
        return f"the next visit is that of visits in order, and the model's are {model['visits']}"
    if model.get("features", "counts") != "counts":
        return (
            f"the last visits' codes are counted, and the model's features are {model['features']}"
        )
    if model.get("class_weights", "none") != "none":
        return "class weights are of cases and controls, and a visit is neither"
    if model.get("search"):
        return "a search chooses by AUROC, which the next visit does not have"
    return None


#: Why a kind of model is not explained; the other kinds are.
_UNEXPLAINED = {
    "svm": "its margin is not in log-odds; take kind logistic",
    "mlp": "how its hidden units share out a score is not computed here; take a network",
    "knn": "its score counts neighbours, and no code has a share of that",
    "trees": "a tree asks for codes together, and shares of single codes depend on the order in "
    "which they are asked for",
}


def unexplained(model: Section) -> str | None:
    """Why a model's scores cannot be divided among codes, in words; None if they can."""
    reason = _UNEXPLAINED.get(model["kind"])
    if model.get("features", "counts") != "counts":
        reason = reason or f"a code has no single coefficient among features {model['features']}"
    return None if reason is None else f"it is of kind {model['kind']}, and {reason}"


def unexported(task: Section, model: Section) -> str | None:
    """Why a trained model cannot leave the house, in words; None if it can."""
    if model["kind"] == "knn":
        return "a model of kind knn is its training records, and nobody should be given those"
    if task["kind"] == "forecast":
        return "a forecast is not carried to another hospital"
    return None


def lacks_outcome(config: Section, task: str) -> bool:
    """Whether an onset is asked in a cohort without outcome, so that it can be scored alone."""
    section = config["tasks"][task]
    return section["kind"] == "onset" and bool(
        config["cohorts"][section["cohort"]]["kind"] == "all"
    )


def has_oracle(config: Section, task: str) -> bool:
    """Whether the simulator's truth ranks the rows of a task as well as can be.

    It does among the persons of a risk set, where the hazard at the index date is all that counts;
    what comes of a person in a year depends on how the hazard goes on.
    """
    section = config["tasks"][task]
    return bool(
        section["kind"] == "onset"
        and config["cohorts"][section["cohort"]]["kind"] == "case_control"
    )


#: What an onset task of cases and controls and one of a landmark cohort share where the models of
#: the one score the rows of the other.
_SAME_DISEASE = ("phenotype", "qualifying_encounters", "qualifying_months")
_SAME_WINDOW = ("observation_months", "prediction_months", "phenotype_codes")


def as_used_of(config: Section) -> list[tuple[str, str]]:
    """Tasks of the study in which a model is trained, and as it would be used.

    Returns
    -------
    list of (str, str)
        A task of the study with a case-control cohort, and one of the configuration with a landmark
        cohort, the same disease and the same window: the study need not train models in it.
    """
    pairs = product(
        _onsets_in(config, config["run"]["tasks"], "case_control"),
        _onsets_in(config, config["tasks"], "landmark"),
    )
    return [(one, other) for one, other in pairs if _alike(config, one) == _alike(config, other)]


def without_partner(config: Section) -> list[str]:
    """Onset tasks that ``as_used_of`` finds no partner for, a sentence each.

    Nothing is said where no task of the study is asked in a landmark cohort.
    """
    names, paired = config["run"]["tasks"], as_used_of(config)
    landmarks = _onsets_in(config, names, "landmark")
    if not landmarks:
        return []
    same = "whose disease and window are the same"
    alone = [
        f"task {task} has no task with cases and controls {same}: no other model scores its rows."
        for task in landmarks
        if task not in (landmark for _, landmark in paired)
    ]
    return alone + [
        f"task {task} has no task of a landmark cohort {same}: its models are not scored as used."
        for task in _onsets_in(config, names, "case_control")
        if task not in (case_control for case_control, _ in paired)
    ]


def _onsets_in(config: Section, names: Iterable[str], kind: str) -> list[str]:
    """Those of the tasks ``names`` that are onsets in a cohort of a kind."""
    tasks = ((name, config["tasks"][name]) for name in names)
    onsets = ((name, task) for name, task in tasks if task["kind"] == "onset")
    return [name for name, task in onsets if config["cohorts"][task["cohort"]]["kind"] == kind]


def _alike(config: Section, task: str) -> list[Any]:
    section = config["tasks"][task]
    cohort = config["cohorts"][section["cohort"]]
    return [cohort[key] for key in _SAME_DISEASE] + [section[key] for key in _SAME_WINDOW]


def asked(run: Section, task: str, **names: str) -> bool:
    """Whether ``run.narrow`` leaves a task the encoding or model named, as encoding=…, model=….

    Both together have to be a pair that is left: an encoding under ``pairs`` goes with the models
    that are named for it alone.
    """
    narrowed = run["narrow"].get(task, {})
    if {"encoding", "model"} <= names.keys():
        paired = narrowed.get("pairs", {}).get(names["encoding"], [names["model"]])
        if names["model"] not in paired:
            return False
    return all(name in narrowed.get(f"{key}s", [name]) for key, name in names.items())


def replicates(models: Mapping[str, Section], names: Sequence[str]) -> dict[str, list[str]]:
    """Models that differ in their seed alone, by the first of each in the order of ``names``.

    Two whose seeds are the same, or that have none, are two models: they say nothing of chance.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        same = (first for first, group in found.items() if _replicate(models, group, name))
        found.setdefault(next(same, name), []).append(name)
    return found


def _replicate(models: Mapping[str, Section], group: Sequence[str], name: str) -> bool:
    """Whether a model is of a group but for its seed, and no model of the group has that seed."""
    model, seeds = models[name], [models[other].get("seed") for other in group]
    return _but_seed(models[group[0]]) == _but_seed(model) and model.get("seed") not in seeds


def _but_seed(model: Section) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key != "seed"}


def left_out(config: Section) -> list[str]:
    """What the study leaves out of the product of its lists, a sentence each."""
    sentences, run = [], config["run"]
    for name in run["tasks"]:
        task = config["tasks"][name]
        if lacks_outcome(config, name):
            sentences.append(
                f"task {name} has no outcome, as its cohort {task['cohort']} is of kind all: "
                "carried models score it, and nothing is trained or evaluated on it."
            )
            continue
        for section in ("encoding", "model"):
            for other in run[f"{section}s"]:
                if not asked(run, name, **{section: other}):
                    continue
                reason = refusal(task, **{section: config[f"{section}s"][other]})
                if reason is not None:
                    sentences.append(f"{section} {other} is left out of task {name}: {reason}.")
    return sentences


def without_any_model(config: Section) -> list[str]:
    """Tasks that no model is left for though the study names some, a sentence each."""
    run = config["run"]
    if not (run["encodings"] and run["models"]):
        return []
    return [
        f"task {task} is run with no encoding and model: all that run names are left out of it."
        for task in run["tasks"]
        if not lacks_outcome(config, task) and not any(_runs(config, task))
    ]


def _runs(config: Section, task: str) -> Iterator[bool]:
    """Whether each encoding and model of the study goes with a task."""
    for encoding, model in product(config["run"]["encodings"], config["run"]["models"]):
        sections = (config["tasks"][task], config["encodings"][encoding], config["models"][model])
        named = asked(config["run"], task, encoding=encoding, model=model)
        yield named and refusal(*sections) is None

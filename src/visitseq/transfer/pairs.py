"""Which models move from which hospital to which, and what of a pair is left out.

A pair of ``run.transfer`` moves the models that the study runs, in the tasks that have one score or
one list of labels to compare. What it cannot have is left out and named: a hospital outside the
study, a task of kind forecast, a model that the study does not run, a strategy that a kind of model
has no use for.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from visitseq.errors import UserError
from visitseq.grid import COUNTED_KINDS, asked, lacks_outcome, refusal

Section = Mapping[str, Any]
#: Task, encoding and model of each carried model, by the name of its site.
Carried = Mapping[str, tuple[str, str, str]]

#: The kinds of task in which models move.
KINDS = ("onset", "next_visit")

#: Kinds without weights that training could go on from.
_FITTED_ONCE = ("knn", "svm", "trees", *COUNTED_KINDS)


def refusal_of_strategy(strategy: str, model: Section) -> str | None:
    """Why a strategy cannot be tried with a model's section, in words; None if it can."""
    kind = model["kind"]
    if strategy != "scratch" and kind in _FITTED_ONCE:
        return f"a model of kind {kind} has no weights to train on from; it is zero-shot or scratch"
    if strategy == "last_layer" and kind == "logistic":
        return "a model of kind logistic has no layer but the last, so that this is fine_tuned"
    return None


def strategies_of(pair: Section, model: Section) -> list[str]:
    """Strategies that a pair tries with a model, in the pair's order."""
    return [name for name in pair["strategies"] if refusal_of_strategy(name, model) is None]


def refusal_of_pair(pair: Section, config: Section) -> str | None:
    """Why nothing of a pair is run, in words; None if it is."""
    run, sites = config["run"], config["sites"]
    for name in (pair["source"], pair["target"]):
        if name not in run["sites"] and sites[name]["source"] != "model":
            return f"{name} is not among run/sites"
    return None


def transferred(config: Section, carried: Carried | None = None) -> list[list[str]]:
    """All that is transferred: source, target, task, encoding and model of each.

    Parameters
    ----------
    config
        The filled configuration.
    carried
        Task, encoding and model of each carried model, by the name of its site: a pair from there
        moves that alone. A task without outcome is scored by carried models alone.
    """
    run, sections = config["run"], ("tasks", "encodings", "models")
    found = []
    for pair in _pairs(config):
        for task, encoding, model in product(*(run[section] for section in sections)):
            named = {"encoding": encoding, "model": model}
            own = {key: config[f"{key}s"][name] for key, name in named.items()}
            section = config["tasks"][task]
            fits = section["kind"] in KINDS and model in _named(pair, run, "models")
            fits = fits and task in _named(pair, run, "tasks")
            brought = (carried or {}).get(pair["source"])
            if brought is None:
                fits = fits and not lacks_outcome(config, task)
            else:
                fits = fits and (task, encoding, model) == brought
            if fits and asked(run, task, **named) and refusal(section, **own) is None:
                found.append([pair["source"], pair["target"], task, encoding, model])
    return found


def left_out_of_transfer(config: Section, carried: Carried | None = None) -> list[str]:
    """What of ``run.transfer`` is left out, a sentence each; ``carried`` as in ``transferred``."""
    run, moved = config["run"], transferred(config, carried)
    sentences = []
    for pair in run["transfer"]:
        name = f"transfer {pair['source']} to {pair['target']}"
        reason = refusal_of_pair(pair, config)
        if reason is not None:
            sentences.append(f"{name} is left out: {reason}.")
            continue
        brought = (carried or {}).get(pair["source"])
        if brought is not None:
            what = f"{name} moves {_in_words(brought)} and nothing else"
            sentences.append(f"{what}: that is what the folder holds.")
            continue
        sentences += [
            f"{kind} {own} is left out of {name}: it is not among run/{kind}s."
            for kind in ("model", "task")
            for own in pair[f"{kind}s"] or ()
            if own not in run[f"{kind}s"]
        ]
    return [*sentences, *_tasks_left_out(config), *_strategies_left_out(config, moved)]


def require_carried_run(config: Section, carried: Carried) -> None:
    """Raise where a pair's source is a folder that holds nothing of what the study runs.

    Raises
    ------
    UserError
        The task, encoding and model of the folder are not run together, or the pair names others.
    """
    moved = transferred(config, carried)
    for pair in _pairs(config):
        brought = carried.get(pair["source"])
        if brought is None or [pair["source"], pair["target"], *brought] in moved:
            continue
        raise UserError(
            f"Configuration, run/transfer: {pair['source']} to {pair['target']} moves nothing. The "
            f"folder holds {_in_words(brought)}, which the study does not run; name them in run, "
            "as the folder's study.yaml does, or leave the pair out."
        )


def _in_words(brought: tuple[str, str, str]) -> str:
    return "model {2} of task {0} with encoding {1}".format(*brought)


def _pairs(config: Section) -> Iterator[Section]:
    """Pairs that are run."""
    return (pair for pair in config["run"]["transfer"] if refusal_of_pair(pair, config) is None)


def _named(pair: Section, run: Section, section: str) -> list[str]:
    """Models or tasks that a pair moves, in the order of the study's."""
    return [name for name in run[section] if pair[section] is None or name in pair[section]]


def _tasks_left_out(config: Section) -> Iterator[str]:
    if not any(_pairs(config)):
        return
    for name in config["run"]["tasks"]:
        kind = config["tasks"][name]["kind"]
        if kind not in KINDS:
            yield f"task {name} is left out of transfer: it is of kind {kind}, which is not moved."


def _strategies_left_out(config: Section, moved: list[list[str]]) -> list[str]:
    sentences: dict[str, None] = {}
    for pair in _pairs(config):
        places = [pair["source"], pair["target"]]
        for strategy, model in product(pair["strategies"], config["run"]["models"]):
            reason = refusal_of_strategy(strategy, config["models"][model])
            if reason is not None and any(row[:2] == places and row[4] == model for row in moved):
                sentences[f"{strategy} is left out of transfer of model {model}: {reason}."] = None
    return list(sentences)

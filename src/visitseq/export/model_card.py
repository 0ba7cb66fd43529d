"""The model card: what a model is, what it was trained on, what it is worth, in words.

It is written from what else is in the folder, and says nothing that is not there. Whoever gives the
model away fills in the licence.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from visitseq.export.public_files import MEASURES

Section = Mapping[str, Any]

_USES = """\
It is meant for research: to be compared at another hospital with models that were trained there.
It has not been examined for the care of patients, and no number here says that it is fit for it.
Whoever applies it elsewhere should expect scores that mean other probabilities (recalibrate them),
codes that it does not know (the share of them is reported), and groups of persons whom it serves
less well than others, which was not looked at here."""

_LIMITS = """\
The folder holds no record of a patient. The model lost the codes and labels that fewer than {few}
persons of its training parts have; what it had learned from them is still in its other weights, as
what it learned from every person is. Nobody has proved that a person's presence among the training
records cannot be guessed from the weights."""


def model_card(
    names: Section, card: Section, scored: Section, sections: Section, *, synthetic: bool
) -> str:
    """Text of model_card.md.

    Parameters
    ----------
    names
        Names of site, task, encoding and model in the study that it comes from.
    card, scored
        Contents of the folder's model.json and metrics.json.
    sections
        Sections of the configuration: task and cohort.
    synthetic
        Whether the records were made up.
    """
    lines = [
        f"# Model {names['model']} for {names['task']}, from {names['site']}",
        "",
        *_records(synthetic),
        "",
        "## What it predicts",
        "",
        _prediction(sections["task"], sections["cohort"]),
        f"It is of kind {card['kind']} and reads visits as the encoding {names['encoding']} writes "
        f"them ({_in_line(card['encoding'])}).",
        "",
        "## Whom it was trained on",
        "",
        *_training(card),
        "",
        "The cohort:",
        "",
        "```yaml",
        yaml.safe_dump(dict(sections["cohort"]), sort_keys=False).rstrip(),
        "```",
        "",
        "## What it is worth at home",
        "",
        f"On the test part of fold {card['fold']}, as the model is in this folder:",
        "",
        *_measures(scored),
        "",
        "## Use and limits",
        "",
        _USES,
        "",
        _LIMITS.format(few=card["left_out"]["fewer_persons_than"]),
        "",
        "## Licence",
        "",
        "Licence: ____________________ (to be filled in by whoever gives the model away)",
    ]
    return "\n".join(lines) + "\n"


def _records(synthetic: bool) -> list[str]:
    if synthetic:
        return ["**Trained on synthetic records: its numbers say nothing about patients.**"]
    return ["Trained on records of patients."]


def _prediction(task: Section, cohort: Section) -> str:
    if task["kind"] == "onset":
        months = cohort.get("horizon_months")
        when = f"within {months:g} months from a 1 January on, the" if months else "at the"
        return (
            f"Whether the disease of the phenotype {cohort['phenotype']} (phenotype.yaml) begins "
            f"{when} index date, from the visits of {task['observation_months']:g} months that end "
            f"{task['prediction_months']:g} months before it. Codes that define the disease are "
            f"{'left out of' if task['phenotype_codes'] == 'drop' else 'kept in'} the window."
        )
    rollup = "" if task["rollup"] == "none" else f", rolled up ({task['rollup']})"
    return (
        f"At each visit, from it and those before it, the codes of the next visit "
        f"({', '.join(task['labels'])}{rollup}) and, of kinds that can, the days until it."
    )


def _training(card: Section) -> Iterator[str]:
    trained_on = card.get("trained_on", "the training parts")
    yield f"On {trained_on} of fold {card['fold']} ({card['parts']} parts)."
    for name, part in ((name, card.get(name)) for name in ("training", "validation")):
        if part is not None:
            numbers = {key: part[key] for key in ("rows", "cases") if key in part}
            shown = [f"{key} {_number(value)}" for key, value in numbers.items()]
            yield f"- {name} part{'s' if name == 'training' else ''}: {', '.join(shown)}"
    yield f"- codes that it knows: {len(card['known'])}"
    if "known_labels" in card:
        yield f"- labels that it knows: {len(card['known_labels'])}"
    left_out = card["left_out"]
    few = f"fewer than {left_out['fewer_persons_than']} persons have them"
    for what in ("codes", "labels"):
        if what in left_out:
            yield f"- {what} left out because {few}: {left_out[what]}"


def _measures(scored: Section) -> Iterator[str]:
    yield f"n {_number(scored['n'])}" + (
        f", cases {_number(scored['cases'])}." if "cases" in scored else "."
    )
    yield from ("", "| metric | value | 95% interval |", "|---|---|---|")
    for name in MEASURES:
        if name in scored:
            value, low, high = (scored[name][key] for key in ("value", "low", "high"))
            interval = "" if low is None else f"{low:.3f} to {high:.3f}"
            reason = scored[name].get("reason", "")
            yield f"| {name} | {'' if value is None else f'{value:.3f}'} | {interval or reason} |"


def _number(value: int | None) -> str:
    return "not shown (small)" if value is None else f"{value:,}"


def _in_line(section: Section) -> str:
    return ", ".join(f"{key}: {_text(value)}" for key, value in section.items())


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)

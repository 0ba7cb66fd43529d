"""The configuration: laid together, checked against its schema, its defaults filled in.

Everything that can be wrong without looking at any record is found here, before work starts.
"""

import difflib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from visitseq.errors import UserError

Config = dict[str, Any]

#: The kind of cohort that a kind of task is asked in: with an outcome, or without.
_COHORT_KINDS = {"onset": "case_control", "forecast": "all"}


def merge_config(default: Mapping[str, Any], overlay: Mapping[str, Any]) -> Config:
    """Lay ``overlay`` over ``default``: mappings merge key by key, lists and values replace.

    A site whose ``source`` differs from the default's is replaced whole: nothing of a simulated
    hospital is left in a real one of its name.
    """
    merged = _merge(default, overlay)
    for name, site in (overlay.get("sites") or {}).items():
        before = (default.get("sites") or {}).get(name)
        if isinstance(before, Mapping) and isinstance(site, Mapping):
            source = before.get("source")
            if site.get("source", source) != source:
                merged["sites"][name] = deepcopy(dict(site))
    return merged


def _merge(default: Mapping[str, Any], overlay: Mapping[str, Any]) -> Config:
    merged = deepcopy(dict(default))
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def fill_config(config: Mapping[str, Any], schema: Path) -> Config:
    """Check ``config`` against the schema file and return it with every default filled in.

    Raises
    ------
    UserError
        For the first thing that is wrong: the key, what was found, what it may be.
    """
    rules = yaml.safe_load(schema.read_text(encoding="utf-8"))
    filled: Config = _dates_as_text(config)
    errors = sorted(_Filling(rules).iter_errors(filled), key=lambda error: list(error.path))
    if errors:
        raise UserError(_describe(errors[0]))
    _check_references(filled)
    _check_values(filled)
    return filled


def _dates_as_text(value: Any) -> Any:
    """Copy with every date as YYYY-MM-DD: YAML reads one that is not quoted as a date."""
    if isinstance(value, Mapping):
        return {key: _dates_as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _fill_defaults(
    validator: Any, properties: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """Set the default of each property that is absent, then validate as usual."""
    if isinstance(instance, dict):
        for name, rule in properties.items():
            if "default" in rule:
                instance.setdefault(name, deepcopy(rule["default"]))
    yield from jsonschema.Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


_Filling = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"properties": _fill_defaults}
)


def _describe(error: jsonschema.ValidationError) -> str:
    """Say where the configuration is wrong, what was found, and what it may be."""
    key = "/".join(str(step) for step in error.path) or "the top level"
    rule: Any = error.validator_value
    found: Any = error.instance
    if error.validator == "additionalProperties":
        schema: Any = error.schema
        known = sorted(schema.get("properties", {}))
        unknown = sorted(set(found) - set(known))
        close = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"Did you mean {close[0]}? " if close else ""
        return (
            f"Configuration, {key}: unknown key {', '.join(unknown)}. {hint}"
            f"Known keys are {', '.join(known)}."
        )
    if error.validator == "required":
        missing = ", ".join(sorted(set(rule) - set(found)))
        return f"Configuration, {key}: {missing} is missing. Add it."
    if error.validator == "pattern":
        return f"Configuration, {key}: {found!r} does not have the form {rule}."
    if error.validator == "maxItems" and rule == 0:
        return f"Configuration, {key}: nothing can be named here yet. Leave the list empty."
    return f"Configuration, {key}: {error.message}."


def _check_references(config: Config) -> None:
    """Raise unless every name that is used is defined."""
    for section in ("sites", "tasks", "encodings", "models"):
        for name in config["run"][section]:
            _require(name, config[section], f"run/{section}", section)
    for name, task in config["tasks"].items():
        _require(task["cohort"], config["cohorts"], f"tasks/{name}/cohort", "cohorts")
        found, wanted = config["cohorts"][task["cohort"]]["kind"], _COHORT_KINDS[task["kind"]]
        if found != wanted:
            raise UserError(
                f"Configuration, tasks/{name}/cohort: {task['cohort']} is of kind {found}, but a "
                f"task of kind {task['kind']} needs a cohort of kind {wanted}."
            )


def _require(name: str, defined: Mapping[str, Any], key: str, section: str) -> None:
    if name not in defined:
        close = difflib.get_close_matches(name, list(defined), 1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise UserError(
            f"Configuration, {key}: {name} is not defined. {hint}Defined under {section} are "
            f"{', '.join(sorted(defined)) or 'none'}."
        )


def _check_values(config: Config) -> None:
    """Raise for values that are each well formed but contradict one another."""
    parts = config["run"]["parts"]
    for fold in config["run"]["folds"]:
        if fold >= parts:
            raise UserError(
                f"Configuration, run/folds: fold {fold} does not exist; with run/parts {parts} "
                f"folds go from 0 to {parts - 1}."
            )
    for name, site in config["sites"].items():
        latest = site.get("latest_date")
        if latest is not None and not _is_date(latest):
            raise UserError(
                f"Configuration, sites/{name}/latest_date: {latest} is no day of the calendar, "
                "written YYYY-MM-DD."
            )
    for name, cohort in config["cohorts"].items():
        youngest, oldest = cohort.get("age", (0, 0))
        if youngest > oldest:
            raise UserError(
                f"Configuration, cohorts/{name}/age: [{youngest}, {oldest}] is upside down. Write "
                "the youngest age first."
            )


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

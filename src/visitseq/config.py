"""The configuration: laid together, checked against its schema, its defaults filled in.

Everything that can be wrong without looking at any record is found here, before work starts.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date
from itertools import chain, product
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from visitseq.errors import UserError
from visitseq.grid import lacks_outcome, unexplained

Config = dict[str, Any]

#: The kinds of cohort that a kind of task is asked in: with an outcome, or without.
_COHORT_KINDS = {
    "onset": ("case_control", "landmark"),
    "forecast": ("all",),
    "next_visit": ("all",),
}

#: libyaml's, if PyYAML was built with it: it reads the schema in an eighth of the time.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: What a cell alone has: key, cell and what it is where it means nothing.
_CELL_KEYS = (("nonlinearity", "rnn", "tanh"), ("reset", "gru", "after"))

#: What an encoding with vectors alone has.
_VECTOR_KEYS = ("dimension", "window", "corpus", "paper_mode")

#: What of a model's section is no setting that a search could try values of: what says which model
#: it is, by which it is named, drawn, measured and left out before any fold has chosen.
_NOT_SEARCHED = (
    *("kind", "search", "seed", "features", "next_visit", "cell", "reset", "nonlinearity"),
    *("bidirectional", "visits", "duration", "embed", "loss", "tradeoff"),
)

#: What in a URL holds a user's password, or the options of its scheme, among which a key may be.
_SECRET = re.compile(r"://.*:.*@|://.*[?]")

#: The presets whose hazard of heart failure order_effect moves.
WITH_DIAL = ("primary_care", "intensive_care")


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
    rules = yaml.load(schema.read_text(encoding="utf-8"), Loader=_LOADER)
    filled: Config = _dates_as_text(config)
    errors = sorted(_Filling(rules).iter_errors(filled), key=lambda error: list(error.path))
    if errors:
        raise UserError(_describe(errors[0]))
    _check_references(filled)
    _check_values(filled)
    _check_pairs(filled)
    _check_cells(filled)
    _check_vectors(filled, rules["$defs"]["encoding"]["properties"])
    _check_search(filled, rules["$defs"])
    _check_heads(filled)
    _check_dial(filled, rules["$defs"]["site_simulated"]["properties"]["order_effect"]["default"])
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
    fault = _fault(error)
    if "://" in fault or key.endswith("_env"):
        fault = (
            "what stands there is not shown, for it may hold a password. Export a URL as an "
            "environment variable, and write the variable's name under url_env or spark/master_env."
        )
    return f"Configuration, {key}: {fault}"


def _fault(error: jsonschema.ValidationError) -> str:
    rule: Any = error.validator_value
    found: Any = error.instance
    match error.validator:
        case "additionalProperties":
            schema: Any = error.schema
            known = sorted(schema.get("properties", {}))
            unknown = sorted(set(found) - set(known))
            hint = _hint(unknown[0], known)
            text = f"unknown key {', '.join(unknown)}. {hint}Known keys are {', '.join(known)}."
        case "required":
            text = f"{', '.join(sorted(set(rule) - set(found)))} is missing. Add it."
        case "pattern":
            text = f"{found!r} does not have the form {rule}."
        case "enum":
            choices = [str(choice) for choice in rule]
            hint = _hint(str(found), choices)
            text = f"{found!r} is not one of {', '.join(choices)}. {hint}".rstrip()
        case "type" if rule == "boolean":
            text = f"{found!r} is no truth value. Write true or false, without quotes."
        case _:
            text = f"{error.message}."
    return text


def _hint(name: str, known: Sequence[str]) -> str:
    """Ask whether the closest of the known names was meant, if one is close."""
    close = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {close[0]}? " if close else ""


def _check_references(config: Config) -> None:
    """Raise unless every name that is used is defined."""
    for section in ("sites", "tasks", "encodings", "models"):
        for name in config["run"][section]:
            _require(name, config[section], f"run/{section}", section)
    for name, narrowed in config["run"]["narrow"].items():
        named = {"tasks": [name], **narrowed}
        pairs = named.pop("pairs", {})
        named["encodings"] = [*named.get("encodings", []), *pairs]
        named["models"] = [*named.get("models", []), *chain.from_iterable(pairs.values())]
        for section, names in named.items():
            for other in names:
                _require(other, config[section], f"run/narrow/{name}", section)
    for name in config["run"]["explain"]:
        _require(name, config["models"], "run/explain", "models")
    if config["run"]["models"] and config["run"]["reference"] is not None:
        listed = {name: config["models"][name] for name in config["run"]["models"]}
        _require(config["run"]["reference"], listed, "run/reference", "run/models")
    for name, task in config["tasks"].items():
        _require(task["cohort"], config["cohorts"], f"tasks/{name}/cohort", "cohorts")
        found, wanted = config["cohorts"][task["cohort"]]["kind"], _COHORT_KINDS[task["kind"]]
        if lacks_outcome(config, name) and _has_carried_source(config):
            _check_without_outcome(config, name)
        elif found not in wanted:
            raise UserError(
                f"Configuration, tasks/{name}/cohort: {task['cohort']} is of kind {found}, but a "
                f"task of kind {task['kind']} needs a cohort of kind {' or '.join(wanted)}."
            )


def _has_carried_source(config: Config) -> bool:
    """Whether a pair moves a model from elsewhere, which needs no outcome to score."""
    sites = config["sites"]
    return any(
        sites.get(pair["source"], {}).get("source") == "model" for pair in config["run"]["transfer"]
    )


def _check_without_outcome(config: Config, name: str) -> None:
    """Raise where an onset drops the codes of a disease that its cohort does not name."""
    task = config["tasks"][name]
    if task["phenotype_codes"] == "drop" and config["cohorts"][task["cohort"]]["phenotype"] is None:
        raise UserError(
            f"Configuration, cohorts/{task['cohort']}/phenotype: task {name} drops the codes that "
            "define its disease, and its cohort names none. Write the phenotype.yaml in the "
            "model's folder."
        )


def _require(name: str, defined: Mapping[str, Any], key: str, section: str) -> None:
    if name not in defined:
        raise UserError(
            f"Configuration, {key}: {name} is not defined. {_hint(name, list(defined))}Defined "
            f"under {section} are {', '.join(sorted(defined)) or 'none'}."
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
    for name in config["run"]["explain"]:
        reason = unexplained(config["models"][name])
        if reason is not None:
            raise UserError(
                f"Configuration, run/explain: {name} cannot be explained: {reason}. Leave it out."
            )
    for name, site in config["sites"].items():
        restrict = site.get("restrict", {})
        days = {f"restrict/{key}": restrict.get(key) for key in ("from", "until")}
        for key, day in {"latest_date": site.get("latest_date"), **days}.items():
            if day is not None and not _is_date(day):
                raise UserError(
                    f"Configuration, sites/{name}/{key}: {day} is no day of the calendar, written "
                    "YYYY-MM-DD."
                )
        _check_path(name, site.get("path", ""))
        if site["source"] == "omop":
            _check_place(name, site)
            _check_restrict(name, site)
        if site["source"] == "meds":
            _check_patterns(name, site["domains"])
    for name, cohort in config["cohorts"].items():
        youngest, oldest = cohort.get("age", (0, 0))
        if youngest > oldest:
            raise UserError(
                f"Configuration, cohorts/{name}/age: [{youngest}, {oldest}] is upside down. Write "
                "the youngest age first."
            )


def _check_patterns(name: str, domains: Mapping[str, str]) -> None:
    """Raise where what finds a domain's codes is no regular expression."""
    for domain, pattern in domains.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"Configuration, sites/{name}/domains/{domain}: {pattern!r} is no regular "
                f"expression ({error})."
            ) from error


def _check_path(name: str, path: str) -> None:
    """Raise where a path holds a password: paths are logged, and kept by Snakemake."""
    if _SECRET.search(path):
        raise UserError(
            f"Configuration, sites/{name}/path: a URL with a password or options stands there, "
            "which is not shown. The URL of a SQL server belongs in an environment variable, which "
            "url_env names, and the secret of object storage in DuckDB (docs/omop_files.md)."
        )


def _check_place(name: str, site: Mapping[str, Any]) -> None:
    """Raise unless an OMOP site's records are in one place."""
    places = [key for key in ("path", "url_env", "spark") if key in site]
    if len(places) != 1:
        raise UserError(
            f"Configuration, sites/{name}: its records are at one of path, url_env and spark; "
            f"found {' and '.join(places) or 'none of them'}."
        )


def _check_restrict(name: str, site: Mapping[str, Any]) -> None:
    """Raise where a restriction leaves nothing to read."""
    restrict = site["restrict"]
    first, last = restrict["from"], restrict["until"]
    if first is not None and last is not None and first > last:
        raise UserError(
            f"Configuration, sites/{name}/restrict: from {first} until {last} is upside down. "
            "Write the earlier day under from."
        )
    more = sorted(set(restrict["domains"] or ()) - set(site["domains"]))
    if more:
        raise UserError(
            f"Configuration, sites/{name}/restrict/domains: {', '.join(more)} is none of the "
            f"site's domains, {', '.join(site['domains'])}. Leave it out, or read it."
        )


def _check_pairs(config: Config) -> None:
    """Raise where a model would move from or to where it cannot."""
    sites, seen = config["sites"], set()
    for name in config["run"]["sites"]:
        if sites[name]["source"] == "model":
            raise UserError(
                f"Configuration, run/sites: {name} is a model and has no records to study. Name it "
                "as the source of a pair in run/transfer."
            )
    for pair in config["run"]["transfer"]:
        source, target = pair["source"], pair["target"]
        key = f"run/transfer, {source} to {target}"
        for name in (source, target):
            _require(name, sites, key, "sites")
        for section in ("models", "tasks"):
            for name in pair[section] or ():
                _require(name, config[section], key, section)
        if (source, target) in seen:
            raise UserError(f"Configuration, {key}: the pair is named twice. Name it once.")
        seen.add((source, target))
        if sites[target]["source"] == "model":
            raise UserError(
                f"Configuration, {key}: {target} is a model and has no records to be applied to. "
                "Name a hospital as the target."
            )
        if pair["same_persons"]:
            _check_same_persons(key, source, target, sites)


def _check_same_persons(key: str, source: str, target: str, sites: Config) -> None:
    """Raise where two places cannot have persons in common, or nobody can know."""
    reasons = {
        "simulated": "is simulated, and nobody in it is anywhere else",
        "model": "is a model, which came without the ids of those it was trained on",
    }
    for name in (source, target) if source != target else ():
        reason = reasons.get(sites[name]["source"])
        if reason is not None:
            raise UserError(
                f"Configuration, {key}/same_persons: {name} {reason}. Write false, or leave it out."
            )


def _check_cells(config: Config) -> None:
    """Raise where a network is told something that its cell does not have."""
    for name, model in config["models"].items():
        for key, cell, default in _CELL_KEYS:
            if model.get(key, default) != default and model["cell"] != cell:
                raise UserError(
                    f"Configuration, models/{name}/{key}: {model[key]} is for the cell {cell}, and "
                    f"the model's is {model['cell']}. Leave it out, or write {default}."
                )


def _check_vectors(config: Config, keys: Mapping[str, Any]) -> None:
    """Raise where vectors that an encoding does not have, or cannot have, are described."""
    for name, encoding in config["encodings"].items():
        for key in _VECTOR_KEYS:
            if encoding["vectors"] == "none" and encoding[key] != keys[key]["default"]:
                raise UserError(
                    f"Configuration, encodings/{name}/{key}: {encoding[key]} is for an encoding "
                    "with vectors. Leave it out, or write vectors: skipgram."
                )
        of_site = encoding["vectors"] != "none" and encoding["corpus"] == "site"
        if of_site and encoding["vocabulary"] == "rollup":
            raise UserError(
                f"Configuration, encodings/{name}/corpus: the site's records belong to no task, so "
                "that its labels' rollup is not theirs. Write corpus: cohort."
            )


def _check_search(config: Config, definitions: Mapping[str, Any]) -> None:
    """Raise where a search names no setting of the model's kind, or a value it cannot have."""
    for name, model in config["models"].items():
        for setting, values in model.get("search", {}).items():
            key = f"models/{name}/search/{setting}"
            rules = definitions[f"model_{model['kind']}"]["properties"]
            known = sorted(set(rules) - set(_NOT_SEARCHED))
            if setting not in known:
                raise UserError(
                    f"Configuration, {key}: {setting} is no setting of a model of kind "
                    f"{model['kind']} that can be searched. {_hint(setting, known)}Those that can "
                    f"be are {', '.join(known)}."
                )
            each = {"$defs": definitions, "items": rules[setting]}
            for error in jsonschema.Draft202012Validator(each).iter_errors(values):
                raise UserError(f"Configuration, {key}: {_fault(error)}")


def _check_heads(config: Config) -> None:
    """Raise where the heads of a transformer do not divide its width, searched values included."""
    for name, model in config["models"].items():
        if model["kind"] != "transformer":
            continue
        tried = [model["search"].get(key, [model[key]]) for key in ("hidden", "heads")]
        for hidden, heads in product(*tried):
            if hidden % heads:
                raise UserError(
                    f"Configuration, models/{name}/hidden: {hidden} is no multiple of heads, "
                    f"{heads}, which share it out equally."
                )


def _check_dial(config: Config, default: float) -> None:
    """Raise where order_effect is turned at a hospital whose preset has no such dial."""
    for name, site in config["sites"].items():
        if site.get("order_effect", default) != default and site["preset"] not in WITH_DIAL:
            raise UserError(
                f"Configuration, sites/{name}: order_effect works in {' and '.join(WITH_DIAL)} "
                f"only, and the preset is {site['preset']}. Leave it out."
            )


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

r"""Phenotypes: which events say that a person has a disease, or is treated for it.

A phenotype file names standard concepts of one domain, and ICD codes. An event qualifies

- by its concept: a condition (with ``domain: drug`` a drug) whose concept is named, or descends (by
  the site's concept_ancestor) from a concept named with ``descendants: true``. Where no code of
  that domain has an ancestor at the site, the ids under ``listed`` stand in for the descendants.
  What ``exclude`` names never qualifies by its concept, wherever the site's ancestors put it;
- by its source code: a condition whose ICD code is named. Codes compare without dots, case and
  blanks, and only within their vocabulary where the event knows it: ``ICD9CM/428.20`` against
  ``icd9cm``, ``ICD10CM/I50.9`` (or ICD10, ICD10GM …) against ``icd10cm``, a bare ``428.20`` against
  both, ``SNOMED/…`` or ``ICD9Proc/42.81`` against none. Only conditions are looked at: the
  procedure CPT 42821 is a tonsillectomy;
- by a pattern: a code of the domain in which one of ``patterns`` (regular expressions) is found.
  Of a code without a concept it is looked for in the code as the site has it, in the
  ``DIAGNOSIS//ICD//9//4280`` of a MEDS data set, elsewhere in the whole, ``condition/316139``.
  ``exclude`` does not concern it.

``register_phenotype`` puts both sets into temporary tables of a DuckDB connection, and the SQL
expression ``IS_QUALIFYING`` asks them about the columns ``code`` and ``source_code``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
import yaml

from visitseq.errors import UserError

#: True for an event that qualifies, false (never null) for any other. Reads the columns ``code``
#: and ``source_code`` of the query around it and the tables that ``register_phenotype`` makes.
#: Vocabularies of procedures (ICD9Proc, ICD10PCS) are the ones left out by the letter P.
IS_QUALIFYING = r"""(
    code IN (SELECT qualifying_code.code FROM qualifying_code)
    OR coalesce(
        CASE WHEN starts_with(code, 'condition/') THEN regexp_replace(
            regexp_replace(
                upper(coalesce(source_code, regexp_extract(code, '^condition/source/(.*)', 1))),
                '[.\s]', '', 'g'
            ),
            '^(ICD9|ICD10)([^P/][^/]*)?/', '\1/'
        ) END IN (SELECT qualifying_source.source FROM qualifying_source),
        FALSE
    )
)"""

_DOMAINS = ("condition", "drug")
_REQUIRED = {"description", "source", "concepts"}
_CODE_LISTS = ("icd9cm", "icd10cm")
_KEYS = _REQUIRED | {"domain", "exclude", "listed", "patterns", *_CODE_LISTS}
_CONCEPT_KEYS = {"id", "name", "descendants"}


@dataclass(frozen=True)
class Concept:
    """A standard concept, with its descendants or alone."""

    id: int
    name: str
    descendants: bool


@dataclass(frozen=True)
class Phenotype:
    """A phenotype file, checked.

    Parameters
    ----------
    name
        The file's name without its suffix.
    description, source
        What it means, and where it comes from.
    domain
        Of the concepts: condition or drug.
    concepts, exclude
        The concepts that qualify, and those that never do.
    listed
        Concept ids in place of descendants where a site has no ancestors.
    icd9cm, icd10cm
        ICD codes as written in the file.
    patterns
        Regular expressions, one of which is found in a code that qualifies.
    """

    name: str
    description: str
    source: str
    domain: str
    concepts: tuple[Concept, ...]
    exclude: tuple[Concept, ...]
    listed: tuple[int, ...]
    icd9cm: tuple[str, ...]
    icd10cm: tuple[str, ...]
    patterns: tuple[str, ...]


def read_phenotype(path: Path) -> Phenotype:
    """Read and check a phenotype file.

    Raises
    ------
    UserError
        The file does not exist, is no YAML, or has a key that is unknown, missing or of the wrong
        type.
    """
    content = _read_mapping(path)
    unknown, missing = set(content) - _KEYS, _REQUIRED - set(content)
    if unknown or missing:
        wrong = [f"the unknown key {key!r}" for key in sorted(map(str, unknown))]
        wrong += [f"no key {key!r}" for key in sorted(missing)]
        _refuse(path, f"it has {' and '.join(wrong)}; known keys are {', '.join(sorted(_KEYS))}")
    for key in ("description", "source"):
        if not isinstance(content[key], str):
            _refuse(path, f"{key!r} has to be text")
    phenotype = Phenotype(
        name=path.stem,
        description=content["description"],
        source=content["source"],
        domain=_domain(path, content),
        concepts=tuple(_concepts(path, "concepts", content["concepts"])),
        exclude=tuple(_concepts(path, "exclude", content.get("exclude", []))),
        listed=tuple(_values(path, "listed", content.get("listed", []), int)),
        icd9cm=tuple(_values(path, "icd9cm", content.get("icd9cm", []), str)),
        icd10cm=tuple(_values(path, "icd10cm", content.get("icd10cm", []), str)),
        patterns=tuple(_patterns(path, content.get("patterns", []))),
    )
    named = (phenotype.concepts, phenotype.icd9cm, phenotype.icd10cm, phenotype.patterns)
    if not any(named):
        _refuse(path, "it names neither a concept nor an ICD code nor a pattern")
    return phenotype


def qualifying_codes(phenotype: Phenotype, codes: pa.Table) -> set[str]:
    """Event codes (``<domain>/<concept_id>``) that qualify by their concept or by a pattern.

    Parameters
    ----------
    phenotype
        The phenotype.
    codes
        The site's codes.parquet: its ``parent_codes`` say what descends from what.
    """
    ancestors = _ancestors(phenotype.domain, codes)
    included = _with_descendants(phenotype.concepts, ancestors)
    if not any(ancestors.values()):
        included |= {str(concept) for concept in phenotype.listed}
    excluded = _with_descendants(phenotype.exclude, ancestors)
    by_concept = {f"{phenotype.domain}/{concept}" for concept in included - excluded}
    return by_concept | _matching(phenotype, codes["code"].to_pylist())


def _matching(phenotype: Phenotype, codes: Sequence[str]) -> set[str]:
    """Codes of the phenotype's domain in which one of its patterns is found."""
    domain, found = f"{phenotype.domain}/", [re.compile(p).search for p in phenotype.patterns]
    return {
        code
        for code in codes
        if code.startswith(domain)
        and any(search(code.removeprefix(f"{domain}source/")) for search in found)
    }


def unseen(phenotype: Phenotype, codes: pa.Table) -> str | None:
    """Why a site's codes cannot show who has the phenotype, in words; None if they can.

    Parameters
    ----------
    phenotype
        The phenotype.
    codes
        The site's codes.parquet.
    """
    ancestors, domain = _ancestors(phenotype.domain, codes), phenotype.domain
    if not ancestors:
        return f"the site has no {domain} codes"
    below = any(concept.descendants for concept in phenotype.concepts)
    named_else = phenotype.listed or phenotype.patterns
    if below and not named_else and not any(ancestors.values()):
        return f"the site's {domain} codes have no ancestors, and {phenotype.name} lists no ids"
    return None


def register_phenotype(
    connection: duckdb.DuckDBPyConnection, phenotype: Phenotype, codes: pa.Table
) -> None:
    """Make the temporary tables that ``IS_QUALIFYING`` asks, in place of those of that name.

    ``qualifying_code`` (code) holds the event codes of :func:`qualifying_codes`,
    ``qualifying_source`` (source) the ICD codes without dots: ``ICD9/4280``, ``ICD10/I509``, and
    each once more without a vocabulary.
    """
    sources = {
        prefix + re.sub(r"[.\s]", "", code).upper()
        for vocabulary, listed in (("ICD9/", phenotype.icd9cm), ("ICD10/", phenotype.icd10cm))
        for prefix in (vocabulary, "")
        for code in listed
    }
    _make_table(connection, "qualifying_code", "code", qualifying_codes(phenotype, codes))
    _make_table(connection, "qualifying_source", "source", sources)


def _make_table(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, values: Iterable[str]
) -> None:
    """Make a temporary table of one column of text."""
    rows = pa.table({column: pa.array(sorted(values), pa.string())})
    connection.register("registered_phenotype", rows)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM registered_phenotype")
    connection.unregister("registered_phenotype")


def _ancestors(domain: str, codes: pa.Table) -> dict[str, set[str]]:
    """Concept ids of the ancestors of each of the site's concepts of a domain, itself left out.

    A parent that a MEDS data set names in another vocabulary is no concept.
    """
    ancestors: dict[str, set[str]] = {}
    columns = (codes["code"].to_pylist(), codes["parent_codes"].to_pylist())
    for code, parents in zip(*columns, strict=True):
        if code.startswith(f"{domain}/"):
            concept = code.removeprefix(f"{domain}/")
            own = [parent for parent in parents or () if parent.startswith(f"{domain}/")]
            ancestors[concept] = {parent.split("/")[-1] for parent in own} - {concept}
    return ancestors


def _with_descendants(concepts: Sequence[Concept], ancestors: dict[str, set[str]]) -> set[str]:
    """Ids of ``concepts`` and of what descends from those that are named with descendants."""
    roots = {str(concept.id) for concept in concepts if concept.descendants}
    below = {concept for concept, above in ancestors.items() if above & roots}
    return below | {str(concept.id) for concept in concepts}


def _read_mapping(path: Path) -> dict[str, Any]:
    """Read the file's content as a mapping."""
    if not path.is_file():
        others = sorted(file.stem for file in path.parent.glob("*.yaml"))
        known = f"phenotypes there are {', '.join(others)}" if others else "no phenotype is there"
        raise UserError(f"The phenotype file {path} does not exist; {known}.")
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fault = " ".join(str(error).split())
        raise UserError(f"The phenotype file {path} is no YAML: {fault}") from error
    if not isinstance(content, dict):
        _refuse(path, f"it holds no mapping; its keys have to be {', '.join(sorted(_KEYS))}")
    return content


def _concepts(path: Path, key: str, entries: Any) -> list[Concept]:
    """Check a list of ``{id, name, descendants}``; descendants is false where it is left out."""
    concepts = []
    for entry in _list(path, key, entries):
        if not isinstance(entry, dict) or not {"id", "name"} <= set(entry) <= _CONCEPT_KEYS:
            _refuse(
                path, f"an entry of {key!r} has to read {{id: 1, name: text, descendants: true}}"
            )
        descendants = entry.get("descendants", False)
        _values(path, f"{key}: id", [entry["id"]], int)
        if not isinstance(entry["name"], str) or not isinstance(descendants, bool):
            _refuse(path, f"in {key!r} a name has to be text and descendants true or false")
        concepts.append(Concept(entry["id"], entry["name"], descendants))
    return concepts


def _domain(path: Path, content: dict[str, Any]) -> str:
    """Check the domain; ICD codes are of conditions."""
    domain = content.get("domain", "condition")
    if domain not in _DOMAINS:
        _refuse(path, f"'domain' has to be one of {', '.join(_DOMAINS)}, found {domain!r}")
    for key in _CODE_LISTS:
        if domain != "condition" and content.get(key):
            _refuse(path, f"{key!r} holds codes of conditions, and its domain is {domain}")
    return str(domain)


def _values(path: Path, key: str, entries: Any, kind: type) -> list[Any]:
    """Check a list of values of one kind; ICD codes without quotes are read as numbers."""
    wanted = "whole numbers" if kind is int else 'text (write "428.0" with its quotes)'
    for entry in _list(path, key, entries):
        if type(entry) is not kind:
            _refuse(path, f"{key!r} has to hold {wanted}, found {entry!r}")
    return list(entries)


def _patterns(path: Path, entries: Any) -> list[str]:
    """Check a list of regular expressions."""
    patterns = _values(path, "patterns", entries, str)
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            _refuse(path, f"in 'patterns' {pattern!r} is no regular expression ({error})")
    return patterns


def _list(path: Path, key: str, entries: Any) -> list[Any]:
    if not isinstance(entries, list):
        _refuse(path, f"{key!r} has to be a list")
    return list(entries)


def _refuse(path: Path, reason: str) -> NoReturn:
    raise UserError(f"The phenotype file {path} is not valid: {reason}.")

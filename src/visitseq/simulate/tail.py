"""The long tail of codes that mean nothing here, to the sizes that the papers report.

``simulator_codes.csv`` has the codes with a meaning and the commonest of the others. This module
adds to them up to 6,910 diagnoses, 6,897 drugs and 4,374 procedures (Choi et al., JAMIA 2017,
Methods): diagnoses from ICD-9-CM as ``ccs_diagnoses.csv`` lists them (Clinical Classifications
Software, single level, of the Agency for Healthcare Research and Quality, revised 2016-03-24,
public domain), spread over 1,183 three-character groups (Choi et al., MLHC 2016, section 4.1), and
local numbers for drugs (of 96 classes) and procedures (of 244 groups). Which codes, and in which
order, is decided by a hash of the code: no random generator whose stream could change.

The hospitals differ in their dialect. Each never mapped a share of these codes (concept 0);
intensive_care maps a fifth of its diagnoses to their three-character group alone, and knows
diagnoses of 767 groups, all of them among the other's.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache

from visitseq.code_tables import Row, read_rows

SIZES = {"condition": 6910, "drug": 6897, "procedure": 4374}
GROUPS = {"primary_care": 1183, "intensive_care": 767}
DRUG_CLASSES = 96
PROCEDURE_GROUPS = 244
#: Share of the codes that a hospital never mapped, and of diagnoses that it maps to their group.
UNMAPPED = {"primary_care": 0.04, "intensive_care": 0.15}
COARSE = {"primary_care": 0.0, "intensive_care": 0.2}

#: First local concept ids: of the codes, of the diagnoses' source codes, and of what stands above.
CODE_CONCEPTS = {
    "condition": 2_000_100_000,
    "drug": 2_000_110_000,
    "procedure": 2_000_120_000,
}
SOURCE_CONCEPTS = 2_000_130_000
CATEGORY_CONCEPTS = 2_000_140_000
CHARACTER_CONCEPTS = 2_000_150_000
DRUG_CLASS_CONCEPTS = 2_000_021_000
PROCEDURE_GROUP_CONCEPTS = 2_000_170_000
LOCAL_PREFIX = {"drug": "MED1", "procedure": "PROC1"}

HEART_FAILURE = re.compile(r"428|398\.91|402\.\d1|404\.\d[13]")


def draw(*words: str) -> float:
    """A number in [0, 1) that depends on the words alone."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def three_characters(code: str) -> str:
    """The three-character group of an ICD-9-CM code, four characters of an E code."""
    return code.partition(".")[0]


@cache
def diagnosis_categories() -> dict[str, tuple[int, str]]:
    """Number and label of the CCS category of each ICD-9-CM code."""
    return {
        code: (int(row["category"]), row["label"])
        for row in read_rows("ccs_diagnoses.csv")
        for code in row["codes"].split()
    }


@cache
def known_groups(dialect: str) -> frozenset[str]:
    """Three-character groups of the diagnoses that a hospital writes."""
    rows = [row for row in read_rows("simulator_codes.csv") if row["domain"] == "condition"]
    meant = {three_characters(row["source_value"]) for row in rows if not row["tail_rank"]}
    named = {three_characters(row["source_value"]) for row in rows}
    others = {three_characters(code) for code in diagnosis_categories()} - named
    widest = [*sorted(named), *_shuffled(others)][: GROUPS["primary_care"]]
    chosen = [*sorted(meant), *_shuffled(set(widest) - meant)]
    return frozenset(chosen[: GROUPS[dialect]])


@cache
def tail_codes() -> list[Row]:
    """Rows like those of ``simulator_codes.csv`` for the codes that this module adds."""
    rows = []
    for domain, concept in CODE_CONCEPTS.items():
        for number, source in enumerate(_sources(domain)):
            values = {
                dialect: str(_mapped(dialect, domain, source, concept + number))
                for dialect in GROUPS
            }
            standing = SOURCE_CONCEPTS + number if domain == "condition" else 0
            rows.append(
                {
                    "code": source,
                    "domain": domain,
                    "source_value": source,
                    "source_concept_id": str(standing),
                    "tail_rank": str(10_000 + number),
                    **values,
                }
            )
    return rows


@cache
def tail_concepts() -> list[Row]:
    """Rows like those of ``simulator_concepts.csv`` for those codes and what stands above them."""
    rows = [*_category_concepts(), *_character_concepts(), *_group_concepts()]
    for number, code in enumerate(_sources("condition")):
        category, label = diagnosis_categories()[code]
        name, parent = f"{label} (ICD-9-CM {code})", CATEGORY_CONCEPTS + category
        own = CODE_CONCEPTS["condition"] + number
        rows.append(
            _concept(own, name, "Condition", "Local diagnosis", f"dx-{code}", parent=parent)
        )
        source = _concept(SOURCE_CONCEPTS + number, name, "Condition", "ICD9CM code", code)
        rows.append({**source, "vocabulary_id": "ICD9CM", "standard_concept": ""})
    for number, local in enumerate(_sources("drug")):
        parent = DRUG_CLASS_CONCEPTS + 1 + int(draw("class", local) * DRUG_CLASSES)
        own, name = CODE_CONCEPTS["drug"] + number, f"Local product {local}"
        rows.append(_concept(own, name, "Drug", "Local medication", local, parent=parent))
    for number, local in enumerate(_sources("procedure")):
        own, name = CODE_CONCEPTS["procedure"] + number, f"Local procedure {local}"
        parent = procedure_group(local)
        rows.append(_concept(own, name, "Procedure", "Local procedure", local, parent=parent))
    return rows


def procedure_group(code: str) -> int:
    """Concept of the local group of a procedure."""
    return PROCEDURE_GROUP_CONCEPTS + 1 + int(draw("group", code) * PROCEDURE_GROUPS)


@cache
def _sources(domain: str) -> list[str]:
    """Source codes that this module adds to a domain, the most popular first."""
    named = {row["source_value"] for row in _named(domain)}
    missing = SIZES[domain] - len(named)
    if domain != "condition":
        return [f"{LOCAL_PREFIX[domain]}{number:05}" for number in range(missing)]
    groups = known_groups("primary_care")
    codes = _shuffled(
        code
        for code in diagnosis_categories()
        if code not in named and three_characters(code) in groups and not HEART_FAILURE.match(code)
    )
    covered = {three_characters(code) for code in named}
    first = []
    for code in codes:  # every group gets a code before any gets a second
        if three_characters(code) not in covered:
            covered.add(three_characters(code))
            first.append(code)
    needed = set(first)
    chosen = {*first, *[code for code in codes if code not in needed][: missing - len(first)]}
    return [code for code in codes if code in chosen]


def _named(domain: str) -> list[Row]:
    return [row for row in read_rows("simulator_codes.csv") if row["domain"] == domain]


def _shuffled(codes: Iterable[str]) -> list[str]:
    return sorted(codes, key=lambda code: (draw("order", code), code))


def _mapped(dialect: str, domain: str, source: str, own: int) -> int:
    """Concept that a hospital maps a code to, 0 where it never mapped it."""
    chance = draw(dialect, source)
    if chance < UNMAPPED[dialect]:
        return 0
    if domain == "condition" and chance < UNMAPPED[dialect] + COARSE[dialect]:
        return _characters()[three_characters(source)]
    return own


@cache
def _characters() -> dict[str, int]:
    """Local concept of each three-character group."""
    groups = sorted(known_groups("primary_care"))
    return {group: CHARACTER_CONCEPTS + number for number, group in enumerate(groups)}


def _category_concepts() -> list[Row]:
    labels = sorted(set(diagnosis_categories().values()))
    return [
        _group(CATEGORY_CONCEPTS + number, label, "Condition", "Diagnosis group", f"ccs-{number}")
        for number, label in labels
    ]


def _character_concepts() -> list[Row]:
    above: dict[str, int] = {}
    for code, (category, _) in diagnosis_categories().items():
        above.setdefault(three_characters(code), CATEGORY_CONCEPTS + category)
    return [
        _concept(
            own,
            f"ICD-9-CM {group}",
            "Condition",
            "Local diagnosis",
            f"dx-{group}-",
            parent=above[group],
        )
        for group, own in _characters().items()
    ]


def _group_concepts() -> list[Row]:
    """Drug classes beyond the named ones, and the groups of procedures."""
    named = {int(row["concept_id"]) for row in read_rows("simulator_concepts.csv")}
    numbers = range(1, DRUG_CLASSES + 1)
    classes = [
        _group(
            DRUG_CLASS_CONCEPTS + number, f"Local drug class {number}", "Drug", "Drug class",
            f"class-{number}",
        )
        for number in numbers
        if DRUG_CLASS_CONCEPTS + number not in named
    ]  # fmt: skip
    groups = [
        _group(
            PROCEDURE_GROUP_CONCEPTS + number, f"Local procedure group {number}", "Procedure",
            "Procedure group", f"procedures-{number}",
        )
        for number in range(1, PROCEDURE_GROUPS + 1)
    ]  # fmt: skip
    return [*classes, *groups]


def _group(concept: int, name: str, domain: str, kind: str, code: str) -> Row:
    return {**_concept(concept, name, domain, kind, code), "standard_concept": ""}


def _concept(
    concept: int, name: str, domain: str, kind: str, code: str, *, parent: int | None = None
) -> Row:
    return {
        "concept_id": str(concept),
        "concept_name": name,
        "domain_id": domain,
        "vocabulary_id": "visitseq",
        "concept_class_id": kind,
        "standard_concept": "S",
        "concept_code": code,
        "parent_concept_id": "" if parent is None else str(parent),
    }

"""What a MEDS code becomes: an event of a domain, what is known of a person, or itself.

Stages 2 and 3 tell a domain by the code's first word (``condition/316139``). A code that a site's
``domains`` claims for one becomes ``<domain>/source/<code>``, as a source value without a concept
does in OMOP. The codes that ``export_meds`` writes say what they are and stay as they are. Every
other code stays too, and is seen by nobody; one that would only look like one of ours is set apart
as ``source/<code>``.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

DOMAINS = ("condition", "drug", "procedure", "measurement", "observation")

#: First words of codes that an export has of persons, by the kind of row that they make: concept
#: ids (of a care site its own id) and the precision of the birth, none of which has a time.
PERSON_WORDS = {
    "race": "race",
    "ethnicity": "ethnicity",
    "care_site": "person_care_site",
    "precision": "birth_precision",
}
#: Codes of the first and the last day of an observation period.
PERIOD_START, PERIOD_END = "observation_period/start", "observation_period/end"

_PERSON_FORMS = {
    kind: re.compile(rf"{word}/({'day|month|year' if kind == 'precision' else '[0-9]+'})")
    for kind, word in PERSON_WORDS.items()
}
_FORMS = {
    "event": re.compile(
        rf"(?:{'|'.join(DOMAINS)})/(?:[0-9]+|source/.+)|(?:visit|care_site)/[0-9]+", re.S
    ),
    "end": re.compile(r"visit_end/[0-9]+"),
    "period": re.compile(PERIOD_START),
    "period_end": re.compile(PERIOD_END),
}
#: What stages 2 and 3, or a later ingest, would take for something else than the code means.
_RESERVED = ("visit", "visit_end", "care_site", "sex", "observation_period")

_MARKED = re.compile(r"MEDS_(BIRTH|DEATH)(?:/.*)?", re.S)
_SEX = re.compile(r"(?:gender|sex)//?(f|female|m|male)|sex/([0-9]+)", re.I)
_CONCEPTS = {"f": "8532", "female": "8532", "m": "8507", "male": "8507"}

#: An ICD code somewhere in a code: ``ICD9CM/428.0``, ``DIAGNOSIS//ICD10CM//I50.9`` …
_ICD = re.compile(r"(?:.*/)?(ICD(?:9|10)[A-Z]*)//?([^/]+)(?:/.*)?", re.I | re.S)
#: … or with the revision apart, as of MIMIC-IV: ``DIAGNOSIS//ICD//9//4280``.
_REVISION = re.compile(r"(?:.*/)?ICD//?(9|10)//?([^/]+)(?:/.*)?", re.I | re.S)
_PROCEDURES = {"9": "ICD9Proc", "10": "ICD10PCS"}


class Placed(NamedTuple):
    """What the rows of a code are.

    Attributes
    ----------
    code
        Their code in events.parquet.
    source_code
        ``<vocabulary>/<code>`` of an ICD code, the MEDS code of any other that was claimed for a
        domain; None elsewhere.
    kind
        event; end (of a visit), period, period_end; birth, death; sex, race, ethnicity, care_site,
        precision.
    value
        Of what is known of a person.
    """

    code: str
    source_code: str | None
    kind: str
    value: str | None


def place_code(
    code: str, domains: Mapping[str, re.Pattern[str]], sex_codes: Mapping[str, int]
) -> Placed:
    """Find what a code is.

    Parameters
    ----------
    code
        A code as the data set has it.
    domains
        A pattern that is looked for in the code, by domain; the first that is found decides.
    sex_codes
        8507 or 8532 by code, for those that the usual forms (``GENDER//F``, ``sex/male``) miss.
    """
    known = _of_person(code, sex_codes)
    if known is not None:
        return known
    own = next((kind for kind, form in _FORMS.items() if form.fullmatch(code)), None)
    if own is not None:
        return Placed(code, None, own, None)
    for domain in DOMAINS:
        if domain in domains and domains[domain].search(code):
            return Placed(f"{domain}/source/{code}", source_code(code, domain), "event", None)
    apart = code.partition("/")[0] in _RESERVED
    return Placed(f"source/{code}" if apart else code, None, "event", None)


def _of_person(code: str, sex_codes: Mapping[str, int]) -> Placed | None:
    """What a code says of a person, None where it says nothing."""
    marked, sex = _MARKED.fullmatch(code), _SEX.fullmatch(code)
    if marked is not None:
        return Placed(f"MEDS_{marked[1]}", None, marked[1].lower(), None)
    if code in sex_codes or sex is not None:
        told = "" if sex is None else sex[2] or _CONCEPTS[sex[1].lower()]
        value = str(sex_codes.get(code, told))
        return Placed(f"sex/{value}", None, "sex", value)
    for kind, form in _PERSON_FORMS.items():
        own = form.fullmatch(code)
        if own is not None:
            return Placed(code, None, kind, own[1])
    return None


def source_code(code: str, domain: str) -> str:
    """Source code of a code that was claimed for a domain, which phenotypes and roll-ups read."""
    revision, named = _REVISION.fullmatch(code), _ICD.fullmatch(code)
    if revision is not None:
        clinical = f"ICD{revision[1]}CM"
        vocabulary = _PROCEDURES[revision[1]] if domain == "procedure" else clinical
        return f"{vocabulary}/{revision[2]}"
    return code if named is None else f"{named[1]}/{named[2]}"

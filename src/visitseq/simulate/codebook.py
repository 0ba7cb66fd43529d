"""What can be written down, and how a hospital writes it.

``visitseq/data/simulator_codes.csv`` has a row for each code with a meaning and for the commonest
of the others, with the concept that each kind of hospital maps it to (0 where it never mapped it);
``tail_rank`` orders the codes that mean nothing here, the commonest first, and tail.py adds to
them. Diagnoses are written in ICD-9-CM. ``visitseq/data/simulator_emissions.csv`` says how often a
visit of each kind records which code in which state of the person, and which share of persons it
concerns at all.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from visitseq.code_tables import Row, read_rows
from visitseq.simulate.hazard import Float, Int
from visitseq.simulate.tail import known_groups, tail_codes, three_characters

DOMAINS = ("condition", "drug", "procedure", "measurement", "observation")
#: The domains whose codes are a visit's content; the tail draws from them in this order.
CODED_DOMAINS = DOMAINS[:3]
#: What a hospital writes before the local numbers of its drugs and procedures.
PREFIXES = {"primary_care": "PC-", "intensive_care": "IC-"}

Text = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Emission:
    """A code that a state leaves behind.

    It concerns ``share`` of the persons; ``probability`` is that of one visit of each kind in the
    state, shape (kinds,).
    """

    state: str
    code: int
    share: float
    probability: Float


@dataclass(frozen=True)
class Codebook:
    """The codes of one hospital, every array of shape (codes,), and when they are recorded.

    ``domain`` is a place in ``DOMAINS``; ``tail`` holds the row numbers of the unrelated codes of
    each coded domain, by rank.
    """

    name: list[str]
    domain: npt.NDArray[np.int8]
    concept: Int
    source_value: Text
    source_concept: Int
    tail: list[Int]
    emissions: list[Emission]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row number of each code by its name."""
        return {name: row for row, name in enumerate(self.name)}

    @cached_property
    def first_alike(self) -> Int:
        """First code of the same domain and concept as each code; itself without a concept."""
        own = np.arange(len(self.name))
        key = np.where(self.concept > 0, self.concept * len(DOMAINS) + self.domain, -1 - own)
        _, first, which = np.unique(key, return_index=True, return_inverse=True)
        return np.asarray(first[which])

    @cached_property
    def shared(self) -> npt.NDArray[np.bool_]:
        """Whether another code has the same domain and concept, shape (codes,)."""
        alike = np.bincount(self.first_alike, minlength=len(self.name))
        return np.asarray(alike[self.first_alike] > 1)

    def row(self, name: str) -> int:
        """Row number of a code."""
        return self.rows[name]


@cache
def load_codebook(dialect: str) -> Codebook:
    """Read the codes as a hospital writes them (``primary_care`` or ``intensive_care``).

    Local numbers (no source concept) get the hospital's prefix: no other hospital knows them.
    """
    rows = [*read_rows("simulator_codes.csv"), *tail_codes()]
    source_concept = np.array([int(row["source_concept_id"]) for row in rows])
    values = [row["source_value"] for row in rows]
    local = np.array([PREFIXES[dialect] + value for value in values], dtype=object)
    return Codebook(
        name=[row["code"] for row in rows],
        domain=np.array([DOMAINS.index(row["domain"]) for row in rows], dtype=np.int8),
        concept=np.array([int(row[dialect]) for row in rows]),
        source_value=np.where(source_concept == 0, local, values).astype(object),
        source_concept=source_concept,
        tail=[_tail(rows, domain, dialect) for domain in CODED_DOMAINS],
        emissions=_emissions([row["code"] for row in rows]),
    )


def _tail(rows: list[Row], domain: str, dialect: str) -> Int:
    """Row numbers of the unrelated codes of a domain that a hospital writes, by rank."""
    groups = known_groups(dialect)
    ranks = {
        number: int(row["tail_rank"])
        for number, row in enumerate(rows)
        if row["tail_rank"]
        and row["domain"] == domain
        and (domain != "condition" or three_characters(row["source_value"]) in groups)
    }
    return np.array(sorted(ranks, key=ranks.__getitem__))


def _emissions(codes: list[str]) -> list[Emission]:
    """Rows of the emission table, with the codes as row numbers."""
    number = {code: row for row, code in enumerate(codes)}
    return [
        Emission(
            state=row["state"],
            code=number[row["code"]],
            share=float(row["share"]),
            probability=np.array([float(row[kind]) for kind in _KINDS]),
        )
        for row in read_rows("simulator_emissions.csv")
    ]


_KINDS = ("outpatient", "emergency", "inpatient")

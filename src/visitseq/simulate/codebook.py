"""What can be written down, and how a hospital writes it.

``visitseq/data/simulator_codes.csv`` has a row for everything that can be recorded, with the
concept that each kind of hospital maps it to (0 where it never mapped it); ``tail_rank`` orders the
codes that mean nothing here, the commonest first. Diagnoses are written in ICD-9-CM; the codes of
the tail are taken from the single-level Clinical Classifications Software of the Agency for
Healthcare Research and Quality (public domain), whose categories name them.
``visitseq/data/simulator_emissions.csv`` says how often a visit of each kind records which code in
which state of the person, and which share of persons it concerns at all.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import visitseq
from visitseq.simulate.hazard import Float, Int
from visitseq.simulate.parameters import Preset

DATA = Path(visitseq.__file__).parent / "data"
#: The domains whose codes are a visit's content; the tail draws from them in this order.
CODED_DOMAINS = ("condition", "drug", "procedure")

Text = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Emission:
    """A code that a state leaves behind.

    It concerns ``share`` of the persons; ``probability`` is that of one visit of each kind in the
    full state, shape (kinds,).
    """

    state: str
    code: int
    share: float
    probability: Float


@dataclass(frozen=True)
class Codebook:
    """The codes of one hospital, every array of shape (codes,), and when they are recorded.

    ``tail`` holds the row numbers of the unrelated codes of each coded domain, by rank.
    """

    name: list[str]
    domain: Text
    concept: Int
    source_value: Text
    source_concept: Int
    tail: list[Int]
    emissions: list[Emission]


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table in ``visitseq/data``."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load_codebook(preset_name: str, preset: Preset) -> Codebook:
    """Read the codes as a hospital of this kind writes them.

    Local numbers (no source concept) get the hospital's prefix: no other hospital knows them.
    """
    rows = read_rows("simulator_codes.csv")
    source_concept = np.array([int(row["source_concept_id"]) for row in rows])
    values = [row["source_value"] for row in rows]
    local = [preset.prefix + value for value in values]
    return Codebook(
        name=[row["code"] for row in rows],
        domain=np.array([row["domain"] for row in rows], dtype=object),
        concept=np.array([int(row[preset_name]) for row in rows]),
        source_value=np.where(source_concept == 0, np.array(local, object), values).astype(object),
        source_concept=source_concept,
        tail=[_tail(rows, domain) for domain in CODED_DOMAINS],
        emissions=_emissions([row["code"] for row in rows]),
    )


def _tail(rows: list[dict[str, str]], domain: str) -> Int:
    """Row numbers of the unrelated codes of a domain, by rank."""
    ranks = {
        number: int(row["tail_rank"])
        for number, row in enumerate(rows)
        if row["tail_rank"] and row["domain"] == domain
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

"""Planted defects, counted by an ingest that knows nothing of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from visitseq.ingest.site import ingest_site
from visitseq.simulate.site import simulate_site

DOMAINS = ["condition", "drug", "procedure", "measurement", "observation"]
TABLES = {
    "condition_occurrence": "condition",
    "drug_exposure": "drug",
    "procedure_occurrence": "procedure",
    "measurement": "measurement",
    "observation": "observation",
}


class Ingested:
    """A simulated site, its summary, and what its truth says was planted."""

    def __init__(self, folder: Path, preset: str, messy: bool) -> None:
        section = {"preset": preset, "persons": 2600, "seed": 5, "order_effect": 0.5}
        simulate_site({**section, "messy": messy}, folder)
        site = {"path": str(folder / "omop"), "schema": "main", "domains": DOMAINS}
        ingest_site(name="messy", site={**site, "latest_date": None}, folder=folder)
        self.summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
        self.database = duckdb.connect()
        for path in [*folder.glob("*.parquet"), *(folder / "omop").glob("*.parquet")]:
            self.database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")

    def planted(self) -> Counter[tuple[str, str]]:
        """Planted rows by table and defect."""
        rows = self.database.execute(
            'SELECT d."table", d.defect, sum(d.rows) FROM (SELECT unnest(defects) AS d FROM truth) '
            "GROUP BY ALL"
        ).fetchall()
        return Counter({(table, defect): int(count) for table, defect, count in rows})

    def number(self, sql: str) -> int:
        return int(self.database.execute(f"SELECT count(*) FROM ({sql})").fetchall()[0][0])


@pytest.fixture(scope="module", params=["primary_care", "intensive_care"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ingested, Ingested]:
    folder = tmp_path_factory.mktemp(request.param)
    clean = Ingested(folder / "clean", request.param, messy=False)
    return clean, Ingested(folder / "messy", request.param, messy=True)


def test_a_clean_site_loses_nothing(pair: tuple[Ingested, Ingested]) -> None:
    clean, _ = pair
    assert not clean.planted()
    assert clean.summary["detached"] == 0
    assert all(not any(t["dropped"].values()) for t in clean.summary["tables"].values())


def test_ingest_drops_what_was_planted(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    planted = messy.planted()
    for table, counted in messy.summary["tables"].items():
        expected = {
            defect: rows
            for (where, defect), rows in planted.items()
            if where == table and defect not in ("null_visit_id", "detached", "no_mapping")
        }
        dropped = {reason: rows for reason, rows in counted["dropped"].items() if rows}
        assert dropped == expected, table
        assert counted["kept"] == clean.summary["tables"][table]["kept"], table
    assert {defect for _, defect in planted} >= {
        "unknown_person", "no_date", "before_birth", "after_death", "implausible_date",
        "no_concept", "duplicate",
    }  # fmt: skip


def test_what_is_kept_shows_its_defect(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    planted = messy.planted()
    detached = sum(rows for (_, defect), rows in planted.items() if defect == "detached")
    assert messy.summary["detached"] == detached > 100
    for table, domain in TABLES.items():
        events = f"SELECT 1 FROM events WHERE code LIKE '{domain}/%'"
        without = planted[table, "null_visit_id"] + planted[table, "detached"]
        assert messy.number(f"{events} AND visit_id IS NULL") == without
        unmapped = [site.number(f"{events} AND code LIKE '%/source/%'") for site in pair]
        assert unmapped[1] - unmapped[0] == planted[table, "no_mapping"]
        assert messy.number(events) == clean.number(events)


def test_every_defect_is_planted_at_its_rate(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    rows = clean.summary["tables"]["condition_occurrence"]["read"]
    for defect, rate in {"null_visit_id": 0.02, "no_mapping": 0.01, "duplicate": 0.006}.items():
        count = messy.planted()["condition_occurrence", defect]
        assert abs(count - rate * rows) < 5 * (rate * rows) ** 0.5 + 0.1 * rate * rows

"""How the simulated records compare with what the papers report of theirs.

    python benchmarks/fidelity.py [--persons 100000]

Simulates primary_care, reads the records back by SQL, and rewrites the table between the markers
in docs/simulator.md. A target without a tolerance is shown for comparison alone.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from visitseq.simulate.site import simulate_site

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "simulator.md"
BEGIN, END = "<!-- fidelity: begin -->", "<!-- fidelity: end -->"

SEVERAL = "(SELECT person_id FROM visit_occurrence GROUP BY person_id HAVING count(*) > 1)"
CODES = (
    "(SELECT visit_occurrence_id AS v, 'c' || condition_source_value AS code "
    "FROM condition_occurrence UNION ALL SELECT visit_occurrence_id, 'd' || drug_source_value "
    "FROM drug_exposure UNION ALL SELECT visit_occurrence_id, 'p' || procedure_source_value "
    "FROM procedure_occurrence)"
)
GAPS = (
    "(SELECT person_id, day - lag(day) OVER (PARTITION BY person_id ORDER BY day) AS gap FROM "
    "(SELECT DISTINCT person_id, visit_start_date AS day FROM visit_occurrence))"
)
BEFORE = (
    "(SELECT onset IS NOT NULL AS ill, p.person_id, count(v.person_id) AS n "
    "FROM person p JOIN truth ON subject_id = p.person_id JOIN observation_period o "
    "ON o.person_id = p.person_id LEFT JOIN visit_occurrence v ON v.person_id = p.person_id "
    "AND v.visit_start_date < coalesce(onset, DATE '2009-07-01') "
    "AND v.visit_start_date >= coalesce(onset, DATE '2009-07-01') - 366 "
    "WHERE 2009 - year_of_birth BETWEEN 60 AND 80 "
    "AND observation_period_start_date <= coalesce(onset, DATE '2009-07-01') - 366 "
    "AND observation_period_end_date >= coalesce(onset, DATE '2009-07-01') GROUP BY ALL)"
)


@dataclass(frozen=True)
class Estimand:
    """A number of the records: its words, the query, the target, tolerance and source."""

    words: str
    sql: str
    target: str
    tolerance: str
    digits: int = 2


ESTIMANDS = [
    Estimand(
        "visits a person, of those with two or more",
        f"SELECT count(*) / count(DISTINCT person_id) FROM visit_occurrence SEMI JOIN {SEVERAL} "
        "USING (person_id)",
        "54.6 (MLHC 2016, table 1)",
        "± 3",
        1,
    ),
    Estimand(
        "codes a visit", f"SELECT count(*) / count(DISTINCT v) FROM {CODES}",
        "3.22 (MLHC 2016, table 1)", "± 0.15",
    ),
    Estimand(
        "diagnoses a visit",
        "SELECT (SELECT count(*) FROM condition_occurrence) / count(*) FROM visit_occurrence",
        "1.83 (RETAIN, section 3.1)", "± 0.1",
    ),
    Estimand(
        "most codes in a visit", "SELECT max(n) FROM "
        f"(SELECT count(*) AS n FROM {CODES} GROUP BY v)",
        "62 (MLHC 2016, table 1; of 14 million visits)", "40 to 80", 0,
    ),
    Estimand(
        "days between visits, pooled", f"SELECT avg(gap) FROM {GAPS} WHERE gap IS NOT NULL",
        "none reported (54.6 visits in 8 years are on average at most 55 days apart)", "", 1,
    ),
    Estimand(
        "days between visits, mean of the persons' means",
        f"SELECT avg(g) FROM (SELECT avg(gap) AS g FROM {GAPS} WHERE gap IS NOT NULL "
        "GROUP BY person_id)",
        "76.12 (MLHC 2016, table 1)", "± 5", 1,
    ),
    Estimand(
        "years of follow-up",
        "SELECT avg(observation_period_end_date - observation_period_start_date) / 365.25 "
        "FROM observation_period",
        "up to 8 (MLHC 2016, section 4.1)", "", 1,
    ),
    Estimand(
        "unique codes", f"SELECT count(DISTINCT code) FROM {CODES}",
        "18,181 (JAMIA 2017, Methods)", "90 to 100%", 0,
    ),
    Estimand(
        "share of heart failure, %",
        "SELECT 100 * count(DISTINCT person_id) / (SELECT count(*) FROM person) "
        "FROM (SELECT a.person_id FROM "
        "(SELECT DISTINCT person_id, condition_start_date AS d FROM condition_occurrence WHERE "
        "condition_source_value LIKE '428%' OR condition_source_value = '402.91') a JOIN "
        "(SELECT DISTINCT person_id, condition_start_date AS d FROM condition_occurrence WHERE "
        "condition_source_value LIKE '428%' OR condition_source_value = '402.91') b "
        "ON a.person_id = b.person_id AND b.d BETWEEN a.d AND a.d + 366 GROUP BY a.person_id, a.d "
        "HAVING count(*) >= 3)",
        "1.57 (4,178 of 265,336; JAMIA 2017, Results)", "± 0.3",
    ),
    Estimand(
        "visits in the year before heart failure, aged 60 to 80",
        f"SELECT avg(n) FROM {BEFORE} WHERE ill",
        "31.7 in cases that the model found, 13.4 in those it missed (JAMIA 2017, table 4)", "", 1,
    ),
    Estimand(
        "visits in a year of the others, aged 60 to 80",
        f"SELECT avg(n) FROM {BEFORE} WHERE NOT ill",
        "12.1 in controls that the model left alone, 30.0 in those it took for cases "
        "(JAMIA 2017, table 4)", "", 1,
    ),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=100_000)
    persons = parser.parse_args().persons
    lines = [
        f"{persons:,} persons of `primary_care`, `order_effect: 0.5`, seed 1.",
        "",
        "| estimand | target | simulated | tolerance |",
        "| --- | --- | ---: | --- |",
    ]
    with tempfile.TemporaryDirectory() as name:
        site = {"preset": "primary_care", "persons": persons, "seed": 1, "order_effect": 0.5}
        simulate_site({**site, "messy": False}, Path(name), threads=2)
        database = duckdb.connect()
        for path in [*(Path(name) / "omop").glob("*.parquet"), Path(name) / "truth.parquet"]:
            database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")
        for one in ESTIMANDS:
            value = float(database.execute(one.sql).fetchall()[0][0])
            lines.append(
                f"| {one.words} | {one.target} | {value:,.{one.digits}f} | {one.tolerance} |"
            )
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    table = "\n".join([BEGIN, *lines, END])
    DOCUMENT.write_text(before + table + after, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""The simulator: whole small hospitals, read back by SQL that doesn't know how they were made."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visitseq.simulate.hazard import AGE_EDGES, first_event
from visitseq.simulate.parameters import NEVER
from visitseq.simulate.site import simulate_site

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
LOCAL = 2_000_000_000

# Columns that the OMOP CDM 5.4 requires to be filled.
REQUIRED = {
    "person": "person_id gender_concept_id year_of_birth race_concept_id ethnicity_concept_id",
    "observation_period": "observation_period_id person_id observation_period_start_date "
    "observation_period_end_date period_type_concept_id",
    "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date "
    "visit_end_date visit_type_concept_id",
    "condition_occurrence": "condition_occurrence_id person_id condition_concept_id "
    "condition_start_date condition_type_concept_id",
    "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date "
    "drug_exposure_end_date drug_type_concept_id",
    "procedure_occurrence": "procedure_occurrence_id person_id procedure_concept_id "
    "procedure_date procedure_type_concept_id",
    "measurement": "measurement_id person_id measurement_concept_id measurement_date "
    "measurement_type_concept_id",
    "observation": "observation_id person_id observation_concept_id observation_date "
    "observation_type_concept_id",
    "death": "person_id death_date",
    "care_site": "care_site_id",
    "concept": "concept_id concept_name domain_id vocabulary_id concept_class_id concept_code "
    "valid_start_date valid_end_date",
    "concept_ancestor": "ancestor_concept_id descendant_concept_id min_levels_of_separation "
    "max_levels_of_separation",
}
# Event tables with the column of their domain and their date.
EVENTS = {
    "condition_occurrence": ("condition", "condition_start_date", "condition_start_datetime"),
    "drug_exposure": ("drug", "drug_exposure_start_date", "drug_exposure_start_datetime"),
    "procedure_occurrence": ("procedure", "procedure_date", "procedure_datetime"),
    "measurement": ("measurement", "measurement_date", "measurement_datetime"),
    "observation": ("observation", "observation_date", "observation_datetime"),
}
# The paper's qualifying codes (RETAIN, table 3).
HEART_FAILURE = (
    "condition_source_value LIKE '428%' OR condition_source_value IN ('398.91', '402.01', "
    "'402.11', '402.91', '404.01', '404.03', '404.11', '404.13', '404.91', '404.93')"
)


def simulate(folder: Path, preset: str, persons: int, seed: int = 7) -> Path:
    site = {
        "source": "simulated",
        "preset": preset,
        "persons": persons,
        "seed": seed,
        "order_effect": 0.5,
        "messy": False,
        "domains": ["condition", "drug", "procedure"],
    }
    simulate_site(site, folder)
    return folder


def files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*.parquet"))}


class Site:
    """A simulated site behind SQL, with its tables by name, ``hf`` and ``event`` views."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = duckdb.connect()
        for name, path in files(folder).items():
            view = Path(name).stem
            self.database.execute(f"CREATE VIEW {view} AS FROM read_parquet('{path}')")
        self.database.execute(
            "CREATE VIEW hf AS SELECT DISTINCT person_id, condition_start_date AS day "
            f"FROM condition_occurrence WHERE {HEART_FAILURE}"
        )
        self.database.execute(
            "CREATE VIEW event AS "
            + " UNION ALL ".join(
                f"SELECT '{domain}' AS domain, person_id, visit_occurrence_id, "
                f"{domain}_concept_id AS concept_id, {date} AS day, {datetime} AS time FROM {table}"
                for table, (domain, date, datetime) in EVENTS.items()
            )
        )

    def one(self, sql: str) -> tuple[Any, ...]:
        row = self.database.execute(sql).fetchall()[0]
        return tuple(row)

    def number(self, sql: str) -> float:
        return float(self.one(sql)[0])

    def count(self, sql: str) -> int:
        return int(self.number(f"SELECT count(*) FROM ({sql})"))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(simulate(tmp_path_factory.mktemp("clinic"), "primary_care", 4000))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(simulate(tmp_path_factory.mktemp("hospital"), "intensive_care", 3000))


@pytest.fixture(params=["clinic", "hospital"])
def site(request: pytest.FixtureRequest) -> Site:
    chosen: Site = request.getfixturevalue(request.param)
    return chosen


def test_same_section_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = files(simulate(tmp_path / "a", "primary_care", 300))
    second = files(simulate(tmp_path / "b", "primary_care", 300))
    other = files(simulate(tmp_path / "c", "primary_care", 300, seed=8))
    assert set(first) == {"truth.parquet"} | {f"omop/{table}.parquet" for table in REQUIRED}
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
    changed = {name for name in first if first[name].read_bytes() != other[name].read_bytes()}
    assert changed == set(first) - {
        "omop/care_site.parquet",
        "omop/concept.parquet",
        "omop/concept_ancestor.parquet",
    }


@pytest.mark.parametrize("persons", [1, 300, 2000])
def test_persons_are_the_same_however_many_follow(
    clinic: Site, tmp_path: Path, persons: int
) -> None:
    few = files(simulate(tmp_path, "primary_care", persons))
    many = files(clinic.folder)
    for name, path in few.items():
        table, whole = pq.read_table(path), pq.read_table(many[name])
        key = {"truth": "subject_id"}.get(Path(name).stem, "person_id")
        if key in whole.column_names:
            whole = whole.filter(pc.field(key) <= persons)
        assert table.equals(whole), name
    assert pq.read_metadata(few["omop/person.parquet"]).num_rows == persons


def test_tables_have_what_the_standard_requires(site: Site) -> None:
    for table, columns in REQUIRED.items():
        for column in columns.split():
            nulls = site.count(f"SELECT 1 FROM {table} WHERE {column} IS NULL")
            assert nulls == 0, f"{table}.{column}"
        assert site.count(f"FROM {table}") > 0
    for table, key in [
        ("person", "person_id"),
        ("death", "person_id"),
        ("care_site", "care_site_id"),
        ("concept", "concept_id"),
        *((table, f"{table}_id") for table in ("visit_occurrence", "condition_occurrence")),
        ("drug_exposure", "drug_exposure_id"),
        ("measurement", "measurement_id"),
    ]:
        assert site.one(f"SELECT count(*) = count(DISTINCT {key}) FROM {table}") == (True,), table


def test_column_types(site: Site) -> None:
    kinds = {
        "_id": pa.int64(),
        "_date": pa.date32(),
        "_datetime": pa.timestamp("us"),
        "_value": pa.string(),
    }
    text = {"domain_id", "vocabulary_id", "concept_class_id"}
    for table in REQUIRED:
        for field in pq.read_schema(site.folder / "omop" / f"{table}.parquet"):
            for suffix, kind in kinds.items():
                if field.name.endswith(suffix) and field.name not in text:
                    assert field.type == kind, f"{table}.{field.name}"
    assert pq.read_schema(site.folder / "truth.parquet").field("onset").type == pa.date32()


def test_every_event_lies_in_a_visit_of_its_person(site: Site) -> None:
    outside = site.count(
        "SELECT 1 FROM event LEFT JOIN visit_occurrence v USING (visit_occurrence_id, person_id) "
        "WHERE v.person_id IS NULL OR event.time < v.visit_start_datetime "
        "OR event.time > v.visit_end_datetime OR event.day <> CAST(event.time AS DATE)"
    )
    assert outside == 0


def test_every_visit_lies_in_the_life_and_record_of_its_person(site: Site) -> None:
    outside = site.count(
        "SELECT 1 FROM visit_occurrence v LEFT JOIN person USING (person_id) "
        "LEFT JOIN observation_period o USING (person_id) LEFT JOIN death USING (person_id) "
        "LEFT JOIN care_site ON care_site.care_site_id = v.care_site_id "
        "WHERE birth_datetime IS NULL OR visit_start_date < birth_datetime "
        "OR visit_start_date < observation_period_start_date "
        "OR visit_end_date > observation_period_end_date OR visit_end_date > death_date "
        "OR visit_end_datetime <= visit_start_datetime OR care_site_name IS NULL "
        "OR visit_start_date <> CAST(visit_start_datetime AS DATE) "
        "OR visit_end_date <> CAST(visit_end_datetime AS DATE)"
    )
    assert outside == 0
    assert site.one(
        "SELECT min(observation_period_start_date) >= '2005-01-01', "
        "max(observation_period_end_date) <= '2012-12-31' FROM observation_period"
    ) == (True, True)
    assert (
        site.count("SELECT person_id FROM person ANTI JOIN visit_occurrence USING (person_id)") == 0
    )


def test_a_death_ends_the_record(site: Site) -> None:
    assert site.count("FROM death") > 20
    late = site.count(
        "SELECT 1 FROM death JOIN observation_period o USING (person_id) "
        "WHERE death_date <> observation_period_end_date"
    )
    assert late == 0


def test_nothing_begins_while_a_stay_lasts(site: Site) -> None:
    overlaps = site.count(
        "SELECT 1 FROM visit_occurrence stay JOIN visit_occurrence v USING (person_id) "
        "WHERE stay.visit_concept_id = 9201 AND v.visit_start_datetime > stay.visit_start_datetime "
        "AND v.visit_start_date <= stay.visit_end_date"
    )
    assert overlaps == 0
    nights = "SELECT avg(visit_end_date - visit_start_date) FROM visit_occurrence"
    assert site.number(f"{nights} WHERE visit_concept_id = 9201") > 1.5
    assert site.number(f"{nights} WHERE visit_concept_id <> 9201") == 0


@pytest.mark.parametrize("table", ["visit_occurrence", *EVENTS])
def test_tables_are_sorted_by_person_and_time(site: Site, table: str) -> None:
    time = {"visit_occurrence": "visit_start_datetime"}
    time |= {name: datetime for name, (_, _, datetime) in EVENTS.items()}
    rows = pq.read_table(site.folder / "omop" / f"{table}.parquet")
    person = rows["person_id"].to_numpy()
    when = rows[time[table]].to_numpy().astype(np.int64)
    step = np.diff(person)
    assert step.min() >= 0
    assert np.diff(when)[step == 0].min() >= 0


def test_codes_stand_in_the_concept_table(site: Site) -> None:
    for table, (domain, _, _) in EVENTS.items():
        unknown = site.count(
            f"SELECT 1 FROM {table} t LEFT JOIN concept c ON t.{domain}_concept_id = c.concept_id "
            f"LEFT JOIN concept s ON t.{domain}_source_concept_id = s.concept_id "
            "WHERE c.concept_id IS NULL OR s.concept_id IS NULL "
            "OR (c.concept_id <> 0 AND c.standard_concept IS DISTINCT FROM 'S') "
            f"OR trim(t.{domain}_source_value) = ''"
        )
        assert unknown == 0, table


def test_diagnoses_are_written_in_icd_9_cm(site: Site) -> None:
    wrong = site.count(
        "SELECT 1 FROM condition_occurrence LEFT JOIN concept "
        "ON condition_source_concept_id = concept_id "
        "WHERE vocabulary_id IS DISTINCT FROM 'ICD9CM' OR concept_code <> condition_source_value "
        f"OR concept_id < {LOCAL} "
        "OR NOT regexp_full_match(concept_code, '(V[0-9]{2}|E?[0-9]{3})(\\.[0-9]{1,2})?')"
    )
    assert wrong == 0


def test_heart_failure_codes_and_concepts_agree(site: Site) -> None:
    """Every qualifying code maps to 316139 or below; nothing else does."""
    wrong = site.count(
        "SELECT 1 FROM condition_occurrence LEFT JOIN concept_ancestor "
        "ON condition_concept_id = descendant_concept_id AND ancestor_concept_id = 316139 "
        f"WHERE ({HEART_FAILURE}) <> (ancestor_concept_id IS NOT NULL)"
    )
    assert wrong == 0
    kinds = site.number(
        "SELECT count(DISTINCT condition_concept_id) FROM condition_occurrence "
        f"WHERE {HEART_FAILURE}"
    )
    assert kinds >= 10


def test_ancestors_are_closed(site: Site) -> None:
    open_chains = site.count(
        "SELECT a.ancestor_concept_id, b.descendant_concept_id, "
        "a.min_levels_of_separation + b.min_levels_of_separation FROM concept_ancestor a "
        "JOIN concept_ancestor b ON a.descendant_concept_id = b.ancestor_concept_id "
        "EXCEPT SELECT ancestor_concept_id, descendant_concept_id, min_levels_of_separation "
        "FROM concept_ancestor"
    )
    assert open_chains == 0
    for table, domain in [
        ("condition_occurrence", "condition"),
        ("drug_exposure", "drug"),
        ("procedure_occurrence", "procedure"),
    ]:
        concepts = f"SELECT DISTINCT {domain}_concept_id AS id FROM {table}"
        lonely = site.count(
            "SELECT id, count(*) FILTER (WHERE min_levels_of_separation = 0) AS self, "
            "count(*) AS n "
            f"FROM ({concepts}) JOIN concept_ancestor ON id = descendant_concept_id "
            "GROUP BY id HAVING self <> 1 OR n < 2"
        )
        known = site.count(
            f"SELECT id FROM ({concepts}) JOIN concept_ancestor ON id = descendant_concept_id "
            "WHERE ancestor_concept_id = id"
        )
        mapped = site.count(f"SELECT id FROM ({concepts}) WHERE id <> 0")
        assert (lonely, known) == (0, mapped)
    assert site.one(
        "SELECT min_levels_of_separation FROM concept_ancestor JOIN concept "
        "ON ancestor_concept_id = concept_id WHERE descendant_concept_id = 957136 "
        "AND concept_name = 'Loop diuretics'"
    ) == (2,)


def shared_concepts() -> set[tuple[int, str, str, str]]:
    """(id, name in lower case, vocabulary, code) of the shared data sets' concept tables."""
    columns = "concept_id, lower(concept_name), vocabulary_id, concept_code"
    database = duckdb.connect()
    database.execute(f"ATTACH '{SHARED / 'gibleed' / 'gibleed.duckdb'}' AS gibleed (READ_ONLY)")
    sources = [
        f"read_csv('{SHARED / 'synthea1k' / 'CONCEPT.csv'}', all_varchar = true)",
        f"read_csv('{SHARED / 'synthea27nj' / 'csv' / 'CONCEPT.csv'}', all_varchar = true)",
        "gibleed.concept",
    ]
    rows = [
        row
        for source in sources
        for row in database.execute(f"SELECT {columns} FROM {source}").fetchall()
    ]
    rows += database.execute(
        "SELECT concept_id, lower(concept_name_if_found_on_disk), vocabulary, code FROM "
        f"read_csv('{SHARED / 'codelists' / 'hf_omop_concept_ids.csv'}', all_varchar = true)"
    ).fetchall()
    return {(int(concept), name, vocabulary, code) for concept, name, vocabulary, code in rows}


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not here")
def test_concepts_below_two_thousand_million_are_real(clinic: Site) -> None:
    rows = clinic.database.execute(
        "SELECT concept_id, lower(concept_name), vocabulary_id, concept_code FROM concept "
        f"WHERE concept_id < {LOCAL}"
    ).fetchall()
    assert len(rows) > 200
    assert set(rows) <= shared_concepts()
    assert clinic.count(
        f"FROM concept WHERE concept_id >= {LOCAL} AND vocabulary_id NOT IN ('visitseq', 'ICD9CM')"
    ) == 0  # fmt: skip


def test_unmapped_rows_keep_a_source_value(clinic: Site, hospital: Site) -> None:
    share = (
        "SELECT avg(CAST(concept_id = 0 AS INT)) FROM event WHERE domain IN ('drug', 'procedure')"
    )
    assert 0.005 < clinic.number(share) < 0.05
    assert clinic.number(share) * 1.5 < hospital.number(share) < 0.2
    assert clinic.count(
        "FROM drug_exposure WHERE drug_source_concept_id = 0 AND drug_source_value NOT LIKE 'PC-%'"
    ) == 0  # fmt: skip


def test_outlines_of_the_records(clinic: Site, hospital: Site) -> None:
    """Age, visits a person and codes a visit as papers and presets have them."""
    age = "SELECT avg(CAST(2009 - year_of_birth BETWEEN 40 AND 85 AS INT)) FROM person"
    visits = "SELECT count(*) / (SELECT count(*) FROM person) FROM visit_occurrence"
    codes = (
        "SELECT count(*) / count(DISTINCT visit_occurrence_id) FROM event "
        "WHERE domain NOT IN ('measurement', 'observation')"
    )
    assert clinic.number(age) > 0.85
    assert 50 < clinic.number(visits) < 58
    assert 3.0 < clinic.number(codes) < 3.4
    assert hospital.number(codes) > clinic.number(codes) + 0.5
    stays = f"{visits} WHERE visit_concept_id = 9201"
    assert hospital.number(stays) > 3 * clinic.number(stays)
    empty = "SELECT visit_occurrence_id FROM visit_occurrence ANTI JOIN (FROM event WHERE domain "
    assert (
        clinic.count(f"{empty} IN ('condition', 'drug', 'procedure')) USING (visit_occurrence_id)")
        == 0
    )


def test_unrelated_codes_have_a_long_tail(clinic: Site) -> None:
    counts = np.array(
        clinic.database.execute(
            "SELECT count(*) FROM condition_occurrence GROUP BY condition_source_value"
        ).fetchall()
    )[:, 0]
    assert len(counts) > 500
    assert np.median(counts) < counts.mean() / 3


def test_share_of_heart_failure(clinic: Site, hospital: Site) -> None:
    share = "SELECT count(onset) / count(*) FROM truth"
    assert 0.011 < clinic.number(share) < 0.022
    assert 0.03 < hospital.number(share) < 0.08


def test_heart_failure_is_written_down_after_its_onset_alone(site: Site) -> None:
    """Before its onset it stands only where it was ruled out, with the code for observation."""
    early = site.database.execute(
        "SELECT count(*), count(DISTINCT hf.person_id), bool_and(o.person_id IS NOT NULL) FROM hf "
        "JOIN truth ON person_id = subject_id LEFT JOIN condition_occurrence o "
        "ON o.person_id = hf.person_id AND o.condition_start_date = hf.day "
        "AND o.condition_source_value = 'V71.7' WHERE onset IS NULL OR day < onset"
    ).fetchall()
    ((days, persons, observed),) = early
    assert observed
    assert 0.9 < persons / days <= 1
    first = site.count(
        "SELECT 1 FROM truth LEFT JOIN (SELECT person_id, min(day) AS first FROM hf GROUP BY ALL) "
        "ON subject_id = person_id WHERE onset IS NOT NULL AND onset IS DISTINCT FROM first"
    )
    # A diagnosis in a stay may be written down some days after the stay began.
    stays = site.count(
        "SELECT 1 FROM truth JOIN visit_occurrence ON subject_id = person_id "
        "AND visit_start_date = onset AND visit_concept_id = 9201"
    )
    assert first <= stays


CASES = (
    "SELECT subject_id, onset, min(a.day) AS index FROM truth LEFT JOIN (SELECT a.person_id, a.day "
    "FROM hf a JOIN hf b ON a.person_id = b.person_id AND b.day BETWEEN a.day AND a.day + 366 "
    "GROUP BY ALL HAVING count(*) >= 3) a ON subject_id = person_id "
    "WHERE onset IS NOT NULL GROUP BY subject_id, onset"
)


def test_most_true_cases_qualify(site: Site) -> None:
    """Three days with a qualifying code within twelve months."""
    assert site.number(f"SELECT avg(CAST(index IS NOT NULL AS INT)) FROM ({CASES})") > 0.75
    within = f"SELECT avg(CAST(index <= onset + 366 AS INT)) FROM ({CASES}) WHERE index IS NOT NULL"
    assert site.number(within) > 0.9


def test_a_default_site_has_enough_cases(clinic: Site, hospital: Site) -> None:
    """Of 40 to 85 years: fold 0 tests on a seventh of 50,000 and of 8,000 persons."""
    usable = (
        f"SELECT 1 FROM ({CASES}) c JOIN person ON subject_id = person_id "
        "JOIN observation_period USING (person_id) "
        "WHERE index > observation_period_start_date "
        "AND index >= birth_datetime + INTERVAL 40 YEAR "
        "AND index < birth_datetime + INTERVAL 86 YEAR"
    )
    assert clinic.count(usable) / 4000 * 50_000 / 7 >= 100
    assert hospital.count(usable) / 3000 * 8000 / 7 >= 30


def coded(code: str) -> str:
    """Persons with a diagnosis code before 2007."""
    return (
        "SELECT DISTINCT person_id AS subject_id FROM condition_occurrence "
        f"WHERE condition_source_value = '{code}' AND condition_start_date < '2007-01-01'"
    )


@pytest.mark.parametrize("code", ["401.9", "250.00", "414.01", "427.31"])
def test_conditions_raise_the_rate_of_heart_failure(
    clinic: Site, hospital: Site, code: str
) -> None:
    """Mantel-Haenszel risk ratio over hospital and ten years of age: new cases from 2007 on."""
    rows = [
        row
        for place in (clinic, hospital)
        for row in place.database.execute(
            "SELECT count(*) FILTER (WHERE ill), "
            "count(*) FILTER (WHERE ill AND onset IS NOT NULL), "
            "count(*) FILTER (WHERE NOT ill), "
            "count(*) FILTER (WHERE NOT ill AND onset IS NOT NULL) "
            f"FROM (SELECT *, subject_id IN ({coded(code)}) AS ill FROM truth "
            "JOIN person ON subject_id = person_id WHERE onset IS NULL OR onset >= '2007-01-01') "
            "GROUP BY year_of_birth // 10 ORDER BY year_of_birth // 10"
        ).fetchall()
    ]
    n1, a, n0, b = np.array(rows, dtype=np.float64).T
    ratio = (a * n0 / (n1 + n0)).sum() / (b * n1 / (n1 + n0)).sum()
    assert ratio > 1.25


def test_signs_come_before_heart_failure(clinic: Site) -> None:
    """Share with edema or dyspnea in the year before the onset, against persons of the same age.

    The others are everybody of the same decade of birth without heart failure who is seen in the
    same year; persons with chronic lung and kidney disease have the signs for other reasons.
    """
    sign = "condition_source_value IN ('782.3', '786.05')"
    shares = clinic.one(
        "WITH compared AS (SELECT c.subject_id AS person_id, c.onset AS day, 1 AS ill "
        "FROM truth c WHERE onset IS NOT NULL UNION ALL "
        "SELECT o.subject_id, c.onset, 0 FROM truth c JOIN person p ON p.person_id = c.subject_id "
        "JOIN person q ON q.year_of_birth // 10 = p.year_of_birth // 10 "
        "JOIN truth o ON o.subject_id = q.person_id AND o.onset IS NULL "
        "WHERE c.onset IS NOT NULL AND q.person_id % 20 = c.subject_id % 20) "
        "SELECT avg(signed) FILTER (WHERE ill = 1), avg(signed) FILTER (WHERE ill = 0) FROM "
        "(SELECT ill, CAST(EXISTS (SELECT 1 FROM condition_occurrence o WHERE "
        "o.person_id = compared.person_id AND o.condition_start_date >= day - 365 "
        f"AND o.condition_start_date < day AND {sign}) AS INT) AS signed FROM compared)"
    )
    before, otherwise = shares
    assert before > 0.3
    assert before > 3 * otherwise


def test_values_follow_the_disease(clinic: Site) -> None:
    """Blood pressure rises with hypertension, hemoglobin falls with anemia."""
    for concept, code, unit, rise in [
        (3004249, "401.9", "mm[Hg]", 4),
        (3000963, "285.9", "g/dL", -1),
    ]:
        ill, others, units = clinic.one(
            "SELECT avg(value_as_number) FILTER (WHERE ill), "
            "avg(value_as_number) FILTER (WHERE NOT ill), list(DISTINCT unit_source_value) "
            "FROM (SELECT *, person_id IN (SELECT person_id FROM condition_occurrence "
            f"WHERE condition_source_value = '{code}') AS ill FROM measurement "
            f"WHERE measurement_concept_id = {concept})"
        )
        assert units == [unit]
        assert (ill - others) / rise > 1
    wrong = "FROM measurement WHERE value_as_number IS NULL OR value_as_number <= 0"
    assert clinic.count(wrong) == 0


STEPS = len(AGE_EDGES) - 1


@given(
    rate=st.floats(1e-3, 2.0),
    threshold=st.floats(1e-6, 5.0),
    start_age=st.floats(0, 90),
    birth=st.integers(-30_000, 10_000),
)
def test_first_event_of_a_constant_hazard(
    rate: float, threshold: float, start_age: float, birth: int
) -> None:
    """Closed form: the event comes threshold / rate years after the clock starts."""
    start = birth + int(start_age * 365.25)
    day = first_event(
        np.full((1, STEPS), np.log(rate)),
        np.array([birth]),
        np.array([start]),
        np.array([threshold]),
    )[0]
    begins = max(float(start - birth), AGE_EDGES[0])
    expected = begins + threshold / rate * 365.25
    if expected > AGE_EDGES[-1] + 1:
        assert day == NEVER
    elif expected < AGE_EDGES[-1] - 1:
        assert day >= start
        assert abs(day - birth - expected) <= 1.01


def test_first_event_reaches_the_cumulative_hazard() -> None:
    """A hazard that doubles half-way: the cumulative hazard at the event is the threshold."""
    threshold = np.linspace(0.1, 4, 40)
    hazards = np.where(np.arange(STEPS) < 40, 0.05, 0.1)
    day = first_event(
        np.tile(np.log(hazards), (40, 1)), np.zeros(40, int), np.zeros(40, int), threshold
    )
    years = (day - AGE_EDGES[0]) / 365.25
    cumulative = np.where(years < 40, 0.05 * years, 0.05 * 40 + 0.1 * (years - 40))
    np.testing.assert_allclose(cumulative, threshold, atol=0.1 / 365.25)

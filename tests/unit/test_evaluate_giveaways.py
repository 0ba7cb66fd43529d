"""What gives the outcome away: hand-written windows of two matched sets."""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_tables import event, write_events

from visitseq.cohort.phenotype import qualifying_codes, read_phenotype, unseen
from visitseq.errors import UserError
from visitseq.evaluate.giveaways import measure_giveaways
from visitseq.tables import CODES, COHORT

PHENOTYPES = Path(__file__).parents[2] / "workflow/phenotypes"
INDEX = datetime(2015, 6, 1)
TASK = {"observation_months": 12, "prediction_months": 1}  # 366 and 31 days
END = INDEX - timedelta(days=31)
START = END - timedelta(days=366)
TABLET, FUROSEMIDE = "drug/957136", "956874"
FAILURE = "condition/316139"

#: Set 1: case 1, controls 2 and 3. Set 2: case 4, control 5.
ROWS = [(1, 1, True), (1, 2, False), (1, 3, False), (2, 4, True), (2, 5, False)]
HOUR = timedelta(hours=1)


def measured(
    folder: Path,
    events: list[tuple[int, datetime, str]],
    ancestors: bool = True,
    one_visit: bool = False,
) -> pd.DataFrame:
    listed = [
        event(*found, visit_id=0 if one_visit else number) for number, found in enumerate(events)
    ]
    listed += [event(person, START + HOUR, "condition/1") for _, person, _ in ROWS]
    codes = [
        {
            "code": code,
            "description": "",
            "parent_codes": [f"drug/{FUROSEMIDE}"] if code == TABLET and ancestors else [],
        }
        for code in sorted({found[2] for found in listed})
    ]
    pq.write_table(pa.Table.from_pylist(codes, CODES), folder / "codes.parquet")
    names = ("set_id", "subject_id", "label")
    rows = [dict(zip(names, row, strict=True), index_time=INDEX, part=0) for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows, COHORT), folder / "cohort.parquet")
    measure_giveaways(
        cohort=folder / "cohort.parquet",
        phenotype=PHENOTYPES / "heart_failure.yaml",
        treatment=PHENOTYPES / "loop_diuretics.yaml",
        events=write_events(folder / "events.parquet", listed),
        codes=folder / "codes.parquet",
        task=TASK,
        draws=100,
        seed=0,
        path=folder / "giveaways.csv",
    )
    return pd.read_csv(folder / "giveaways.csv").set_index(["giveaway", "group"])


def test_only_what_stands_in_the_window_counts(tmp_path: Path) -> None:
    events = [
        (1, START, TABLET),
        (2, START - HOUR, TABLET),
        (3, END - HOUR, TABLET),
        (4, END, TABLET),
        (4, INDEX, FAILURE),
        (5, END - timedelta(days=9), FAILURE),
        (5, END - timedelta(days=9), "drug/12345"),
    ]
    table = measured(tmp_path, events)
    drugs, failure = table.loc["loop_diuretics"], table.loc["heart_failure"]
    assert drugs["persons_with"].tolist() == [1, 1]
    assert drugs["persons"].tolist() == [2, 3]
    assert failure["persons_with"].tolist() == [0, 1]
    # Of the controls one of two in set 1 has the drug and none of one in set 2.
    assert drugs["share"].tolist() == [0.5, 0.25]
    assert failure["share"].tolist() == [0, 0.5]
    assert (drugs["low"] <= drugs["share"]).all()
    assert (drugs["share"] <= drugs["high"]).all()
    assert table["reason"].isna().all()


@pytest.mark.parametrize(("other", "found"), [("drug/12345", 0), ("measurement/1", 1)])
def test_visits_are_of_the_default_domains(tmp_path: Path, other: str, found: int) -> None:
    """A drug makes the visit begin before the window; a measurement is of no default domain."""
    events = [(1, START - HOUR, other), (1, START + HOUR, FAILURE)]
    table = measured(tmp_path, events, one_visit=True)
    assert table.loc[("heart_failure", "cases"), "persons_with"] == found


def test_without_ancestors_nothing_is_known_of_an_ingredient(tmp_path: Path) -> None:
    table = measured(tmp_path, [(1, START, TABLET)], ancestors=False).loc["loop_diuretics"]
    assert table["share"].isna().all()
    assert table["persons_with"].isna().all()
    assert set(table["reason"]) == {
        "the site's drug codes have no ancestors, and loop_diuretics lists no ids"
    }


def test_without_drugs_nothing_is_known_of_them(tmp_path: Path) -> None:
    table = measured(tmp_path, [(1, START, FAILURE)])
    assert set(table.loc["loop_diuretics"]["reason"]) == {"the site has no drug codes"}
    assert table.loc[("heart_failure", "cases"), "share"] == 0.5


def test_loop_diuretics_are_what_contains_one() -> None:
    phenotype = read_phenotype(PHENOTYPES / "loop_diuretics.yaml")
    rows = [("drug/957136", [FUROSEMIDE]), ("drug/1", ["2"]), ("condition/3", [FUROSEMIDE])]
    table = pa.Table.from_pylist(
        [
            {"code": c, "description": "", "parent_codes": [f"drug/{p}" for p in up]}
            for c, up in rows
        ],
        CODES,
    )
    ingredients = {f"drug/{concept}" for concept in (956874, 932745, 942350, 987406)}
    assert qualifying_codes(phenotype, table) == {"drug/957136", *ingredients}
    assert unseen(phenotype, table) is None


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("domain: procedure", "'domain' has to be one of condition, drug, found 'procedure'"),
        ('domain: drug\nicd9cm: ["428.0"]', "'icd9cm' holds codes of conditions, and its domain"),
    ],
)
def test_a_domain_that_cannot_be_is_refused(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "mine.yaml"
    concepts = "concepts: [{id: 1, name: one}]"
    path.write_text(f"description: mine\nsource: me\n{concepts}\n{line}\n", "utf-8")
    with pytest.raises(UserError, match=fault):
        read_phenotype(path)

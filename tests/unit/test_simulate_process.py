"""The process behind the simulated records, against closed forms and plain loops."""

import dataclasses
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from visitseq.simulate.attendance import Stops
from visitseq.simulate.controls import EFFECTS, FILLERS, FIRST, LOG_HAZARD, SECOND
from visitseq.simulate.future import SPLIT, expected_hazard, possible_signs
from visitseq.simulate.hazard import AGE_EDGES, Float32, edges_around
from visitseq.simulate.healthy import simulate_healthy
from visitseq.simulate.heart_failure import (
    ABSENT,
    COUNTS,
    FEMALE,
    GROWTH,
    HAZARD_CODES,
    MOST,
    ORDER,
    RECENCY,
    WINDOW_TICKS,
    Hits,
    draw_diagnosis,
    history_effect,
    intercept,
)
from visitseq.simulate.parameters import (
    BLOCK,
    DEATH,
    FIRST_DAY,
    NEVER,
    PRESETS,
    RECENT_TICKS,
    SIGNS,
    TICK_DAYS,
    TICKS,
    ZIPF,
)
from visitseq.simulate.past import Record, known_past
from visitseq.simulate.persons import Persons, survival
from visitseq.simulate.recording import choose, popular_ranks
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.signs import sign_rate, with_offspring
from visitseq.simulate.site import simulate_block, simulate_site
from visitseq.simulate.therapy import draw_courses
from visitseq.simulate.ticks import TICK_START, draw_days, in_force_from, tick_of


def site_section(preset: str, persons: int = 2000, **keys: Any) -> dict[str, Any]:
    section = {"preset": preset, "persons": persons, "seed": 3, "order_effect": 0.5}
    return {**section, "messy": False, **keys}


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def test_an_onset_takes_effect_with_the_tick_after_it() -> None:
    days = np.array([FIRST_DAY - 500, FIRST_DAY, FIRST_DAY + 13, FIRST_DAY + 14, NEVER])
    assert in_force_from(days).tolist() == [0, 1, 1, 2, TICKS]


def test_events_come_at_their_rate_and_in_their_tick() -> None:
    rate = np.zeros((4000, TICKS), dtype=np.float32)
    rate[:, 10], rate[:, 20] = 5.0, 1.0
    person, day = draw_days(rate, generator())
    counts = np.bincount(tick_of(day), minlength=TICKS)
    expected = 4000 * TICK_DAYS / 365.25 * rate[0]
    assert (counts[expected == 0] == 0).all()
    assert abs(counts[10] - expected[10]) < 5 * expected[10] ** 0.5
    assert abs(counts[20] - expected[20]) < 5 * expected[20] ** 0.5
    assert (np.diff(person) >= 0).all()
    offsets = np.bincount((day - FIRST_DAY) % TICK_DAYS, minlength=TICK_DAYS)
    assert stats.chisquare(offsets).pvalue > 1e-4


@pytest.mark.parametrize("probability", [0.003, 0.1, 0.24, 0.6])
def test_each_visit_is_chosen_independently(probability: float) -> None:
    rng, size = generator(), 500
    drawn = np.zeros((2000, size), dtype=bool)
    for row in drawn:
        rows = choose(size, probability, rng)
        assert (np.diff(rows) > 0).all()
        row[rows] = True
    deviation = (probability * (1 - probability) / drawn.size) ** 0.5
    assert abs(drawn.mean() - probability) < 5 * deviation
    # The number a row is binomial, the first and the last place as likely as any.
    assert abs(drawn.sum(axis=1).var() / (size * probability * (1 - probability)) - 1) < 0.2
    ends = drawn[:, [0, -1]].mean()
    assert abs(ends - probability) < 5 * (probability / drawn[:, :2].size) ** 0.5


def test_nothing_to_choose_from() -> None:
    assert len(choose(0, 0.1, generator())) == 0


def test_popularity_falls_like_zipf() -> None:
    ranks = np.bincount(popular_ranks(1000, 400_000, generator()), minlength=1000)
    share = np.arange(1, 1001) ** -ZIPF
    expected = 400_000 * share / share.sum()
    for rank in (0, 1, 9, 99):
        assert abs(ranks[rank] - expected[rank]) < 5 * expected[rank] ** 0.5


def test_signs_bring_on_their_number_of_others() -> None:
    """A cluster of a Hawkes process has 1 / (1 - offspring) events on average."""
    size = 20_000
    person = np.arange(size)
    every, day = with_offspring(person, np.zeros(size, int), np.full(size, 10**6), generator())
    sizes = np.bincount(every, minlength=size)
    ratio = SIGNS.offspring
    spread = (ratio / (1 - ratio) ** 3 / size) ** 0.5  # Borel distribution
    assert abs(sizes.mean() - 1 / (1 - ratio)) < 5 * spread
    later = day[size:]
    assert later.min() >= 1


def naive_effect(hits: Hits, tick: int, order_effect: float) -> float:
    """The formula of heart_failure.py for one person and tick, read literally."""
    window = {
        name: [
            k for k in range(max(0, tick - WINDOW_TICKS), tick) for _ in range(hits[number, 0, k])
        ]
        for number, name in enumerate(HAZARD_CODES)
    }
    counts = sum(w * np.log(1 + min(len(window[name]), MOST)) for name, w in COUNTS.items())
    order = 0.0
    for (before, after), weight in ORDER.items():
        if window[before] and window[after]:
            order += weight * np.sign(max(window[after]) - max(window[before]))
    for name, weight in RECENCY.items():
        if window[name]:
            order += weight if max(window[name]) >= tick - RECENT_TICKS else -weight
    return float((1 - order_effect) ** 0.5 * counts + order_effect**0.5 * order)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_hazard_is_the_written_formula(data: st.DataObject) -> None:
    hits = np.zeros((len(HAZARD_CODES), 1, 60), dtype=np.int16)
    for code, tick in data.draw(
        st.lists(st.tuples(st.integers(0, len(HAZARD_CODES) - 1), st.integers(0, 59)), max_size=40)
    ):
        hits[code, 0, tick] += 1
    order_effect = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    effect = history_effect(hits, order_effect)[0]
    for tick in (0, 1, 39, 40, 41, 59):
        assert effect[tick] == pytest.approx(naive_effect(hits, tick, order_effect), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(30)))
def test_counts_alone_do_not_see_order(order: list[int]) -> None:
    """At 0 the dial depends on how often, wherever in the window: any order gives one hazard."""
    hits = np.zeros((len(HAZARD_CODES), 2, 40), dtype=np.int16)
    for place, position in enumerate(order):
        hits[place % len(HAZARD_CODES), 0, place] += 1
        hits[place % len(HAZARD_CODES), 1, position] += 1
    first, second = history_effect(hits, 0.0)[:, 39]
    assert first == pytest.approx(second, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_order_alone_does_not_see_counts(data: st.DataObject) -> None:
    """At 1 the dial depends on the last tick of each code: how often it stood before is nothing."""
    hits = np.zeros((len(HAZARD_CODES), 2, 40), dtype=np.int16)
    for code in range(len(HAZARD_CODES)):
        last = data.draw(st.integers(-1, 38))
        if last >= 0:
            hits[code, :, last] = 1
            hits[code, 1, : last + 1] += data.draw(st.integers(0, 3))
    first, second = history_effect(hits, 1.0)[:, 39]
    assert first == second
    assert hits[:, 0].sum() <= hits[:, 1].sum()


def persons_of(size: int, entry: int) -> Persons:
    setting = Setting.from_configuration(site_section("primary_care"))
    persons = simulate_healthy(setting, 10, Streams.of_block(3, 0)).persons
    return dataclasses.replace(persons.take(np.zeros(size, int)), entry=np.full(size, entry))


def test_diagnosis_by_inversion_of_the_hazard() -> None:
    """Under a constant hazard the waiting time is exponential, from the entry on."""
    size, entry = 4000, FIRST_DAY + 100
    persons = persons_of(size, entry)
    hazard: Float32 = np.full((size, TICKS), np.log(0.5), dtype=np.float32)
    threshold = generator().standard_exponential(size)
    last = np.full(size, FIRST_DAY + 2000)
    day = draw_diagnosis(hazard, persons, last, threshold)
    exact = entry + np.floor(threshold / 0.5 * 365.25)
    expected = np.where(exact <= last, exact, NEVER)
    assert np.abs(day - expected)[expected < NEVER].max() <= 1
    assert ((day == NEVER) == (expected == NEVER)).mean() > 0.999


def test_a_step_of_a_therapy_ends_the_one_before() -> None:
    setting = Setting.from_configuration(site_section("primary_care"))
    persons = simulate_healthy(setting, BLOCK, Streams.of_block(3, 0)).persons
    courses = {course.name: course for course in draw_courses(persons, generator())}
    statin, stronger = courses["statin"], courses["statin_strong"]
    taken = stronger.start < NEVER
    assert taken.sum() > 20
    assert (statin.end[taken] == stronger.start[taken]).all()
    metformin = courses["metformin"]
    stopped = (metformin.start < NEVER) & (persons.onset["ckd"] > metformin.start)
    assert (metformin.end[stopped] <= persons.onset["ckd"][stopped]).all()
    assert (metformin.end[stopped] < NEVER).sum() > 10
    for course in courses.values():
        assert (course.start <= course.end).all()


# The whole record, read back.


def read_back(folder: Path, section: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    simulate_site(section, folder)
    database = duckdb.connect()
    for path in [*(folder / "omop").glob("*.parquet"), folder / "truth.parquet"]:
        database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")
    return database


def test_truth_is_the_hazard_of_what_was_written_down(tmp_path: Path) -> None:
    """The formula over codes read from the OMOP tables gives the hazard in truth.parquet."""
    database = read_back(tmp_path, site_section("primary_care", 400))
    source = {
        "obesity": "278.00", "hypertension": "401.9", "diabetes": "250.00", "ckd": "585.9",
        "coronary": "414.01", "infarction": "410.90", "atrial_fibrillation": "427.31",
        "copd": "496", "anemia": "285.9", "edema": "782.3", "dyspnea": "786.05",
        "fatigue": "780.79",
    }  # fmt: skip
    codes = {code: HAZARD_CODES.index(name) for name, code in source.items()}
    rows = database.execute(
        "SELECT DISTINCT person_id, visit_start_date, visit_occurrence_id, condition_source_value "
        "FROM condition_occurrence JOIN visit_occurrence USING (person_id, visit_occurrence_id) "
        f"WHERE condition_source_value IN {tuple(codes)} "
        "UNION SELECT DISTINCT person_id, visit_start_date, visit_occurrence_id, 'furosemide' "
        "FROM drug_exposure JOIN visit_occurrence USING (person_id, visit_occurrence_id) "
        "JOIN concept ON drug_concept_id = concept_id WHERE concept_name ILIKE 'furosemide%oral%'"
    ).fetchall()
    hits = np.zeros((len(HAZARD_CODES), 401, TICKS), dtype=np.int16)
    for person, day, _, code in rows:
        number = codes.get(code, HAZARD_CODES.index("furosemide"))
        hits[number, person, ((day - date(1970, 1, 1)).days - FIRST_DAY) // TICK_DAYS] += 1
    truth = database.execute(
        "SELECT subject_id, onset, hazard_day, log_hazard, gender_source_value, birth_datetime "
        "FROM truth JOIN person ON person_id = subject_id"
    ).fetchall()
    compared = 0
    for person, onset, days, values, sex, birth in truth:
        for day, value in list(zip(days, values, strict=True))[1:-1:7]:
            if onset is None or day < onset:
                tick = ((day - date(1970, 1, 1)).days - FIRST_DAY) // TICK_DAYS
                age = int((day - birth.date()).days / 365.25)
                expected = (
                    intercept(0.5) + GROWTH * (age - 60) / 10 + FEMALE * (sex == "F")
                    + naive_effect(hits[:, [person]], tick, 0.5)
                )  # fmt: skip
                assert value == pytest.approx(expected, abs=1e-3)
                compared += 1
    assert compared > 500


def test_the_dial_moves_the_share_of_heart_failure_little() -> None:
    for order_effect in (0.0, 1.0):
        section = site_section("primary_care", order_effect=order_effect)
        setting = Setting.from_configuration(section)
        ill = sum(
            (simulate_block(section, setting, Streams.of_block(3, number)).diagnosis < NEVER).sum()
            for number in range(4)
        )
        assert 0.010 < ill / (4 * BLOCK) < 0.024


def test_expected_hazard_agrees_with_what_happened() -> None:
    """The hazard expected half a year before is the one that comes, on average."""
    section = site_section("primary_care")
    setting = Setting.from_configuration(section)
    day, until = FIRST_DAY + 1600, FIRST_DAY + 1417
    blocks = []
    for number in range(3):
        history = simulate_block(section, setting, Streams.of_block(3, number))
        known = (history.persons.entry < until - 200) & (history.exit >= day)
        rows = np.flatnonzero(known & (history.diagnosis >= day))
        at = np.full(len(rows), day)
        person = number * BLOCK + rows + 1
        draws = np.full(len(rows), 2)
        result = expected_hazard(section, person, at - 183, at, draws=draws, seed=1)
        expected = result.value
        assert (result.error >= 0).all()
        blocks.append(
            [expected, *np.exp(history.log_hazard[rows][:, tick_of(at[:2] - [0, 183])]).T]
        )
    expected, came, before = np.concatenate(blocks, axis=1)
    assert np.corrcoef(np.log(came), np.log(expected))[0, 1] > 0.7
    # Without the tenth who were at the edge of a diagnosis: a few of them would decide the mean.
    middle = before < np.quantile(before, 0.9)
    low, high = stats.bootstrap(
        ((came - expected)[middle],), np.mean, n_resamples=999, rng=generator()
    ).confidence_interval
    assert low <= 0 <= high
    assert high - low < 0.7 * expected[middle].mean()


def test_no_gap_needs_no_simulation() -> None:
    section = site_section("intensive_care", order_effect=0.7)
    setting = Setting.from_configuration(section)
    history = simulate_block(section, setting, Streams.of_block(3, 0))
    day = TICK_START[100]
    rows = np.flatnonzero((history.persons.entry < day) & (history.diagnosis > day))[:200]
    at = np.full(len(rows), day)
    draws = np.arange(len(rows)) % 3 + 1
    result = expected_hazard(section, rows + 1, at, at, draws=draws, seed=1)
    np.testing.assert_allclose(np.log(result.value), history.log_hazard[rows, 100], atol=1e-4)
    np.testing.assert_allclose(result.error[draws > 1], 0, atol=1e-7)
    assert np.isnan(result.error[draws == 1]).all()


def test_the_past_is_what_was_written_down_before_its_end() -> None:
    """Counts, last ticks and recent signs by plain loops over the record before a day."""
    setting = Setting.from_configuration(site_section("primary_care"))
    healthy = simulate_healthy(setting, BLOCK, Streams.of_block(3, 0))
    record = Record.of(healthy, setting)
    rows, until = np.array([5, 9, 5, 77]), FIRST_DAY + np.array([900, 1500, 1500, 1503])
    day = until + np.array([100, 183, 0, 20])
    past = known_past(record, rows, until, day)
    begins = tick_of(until)
    for row, person in enumerate(rows):
        mine = (record.noted.person == person) & (record.noted.day < until[row])
        tick = tick_of(record.noted.day[mine]) - begins[row]
        for code in range(len(HAZARD_CODES)):
            hits = tick[record.code[mine] == code]
            for k in range(past.ticks):
                within = hits[(hits < k) & (hits >= k - WINDOW_TICKS)]
                assert past.counts[code, row, k] == len(within)
                assert past.last[code, row, k] == max(within, default=ABSENT)
        signs = record.signs.day[(record.signs.person == person) & (record.signs.day < until[row])]
        stirred = sum(
            SIGNS.offspring * np.exp(-(until[row] - 1 - day) / SIGNS.delay_days) for day in signs
        )
        assert past.stirred[row] == pytest.approx(stirred)
        for k in range(past.ticks):
            ticks = tick_of(signs) - begins[row]
            assert past.recent[row, k] == any((ticks < k) & (ticks >= k - RECENT_TICKS))
    assert past.ticks == max(tick_of(day) - begins) + 1
    assert (past.until - FIRST_DAY == (until - FIRST_DAY) % TICK_DAYS).all()
    assert (past.day - past.until == day - until).all()
    mine = (healthy.background.person == 9) & (healthy.background.day < until[1])
    assert past.seen[1] == mine.sum() > 0


def plain_signs(
    rate: float, past_day: int, until: int, end: int, rng: np.random.Generator
) -> list[int]:
    """Signs from ``until`` to before ``end``, one by one: a Hawkes process with one sign so far."""
    days = list(until + rng.integers(0, end - until, rng.poisson(rate * (end - until) / 365.25)))
    waiting = [past_day, *days]
    while waiting:
        parent = waiting.pop()
        for _ in range(rng.poisson(SIGNS.offspring)):
            day = parent + int(np.ceil(rng.exponential(SIGNS.delay_days)))
            if until <= day < end:
                days.append(day)
            if day < end and day >= until:
                waiting.append(day)
    return days


def test_split_futures_have_the_signs_of_the_process() -> None:
    """Weighted by the chance of any sign, they are a plain Hawkes process, one sign at a time."""
    setting = Setting.from_configuration(site_section("primary_care"))
    healthy = simulate_healthy(setting, BLOCK, Streams.of_block(3, 0))
    nothing = Stops(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    until, day = FIRST_DAY + 1405, FIRST_DAY + 1600
    seen = Stops(*(np.array([value]) for value in (0, until - 20, 0)))
    record = dataclasses.replace(Record.of(healthy, setting), signs=seen, background=nothing)
    past = known_past(record, np.array([0]), np.array([until]), np.array([day]))
    never = {name: np.full(1, NEVER) for name in past.persons.onset}
    persons = dataclasses.replace(past.persons, onset=never)
    size, rng = 20_000, generator()
    chance, stops = possible_signs(
        past, np.zeros(size, int), persons.take(np.zeros(size, int)), rng
    )
    first, end = int(past.until[0]), int(TICK_START[tick_of(past.day)[0]])
    assert stops.person.min() == size  # none in the futures without
    count = np.bincount(stops.person - size, minlength=SPLIT * size)
    assert count.min() == 1
    rate = float(sign_rate(persons, past.ticks)[0].mean())  # nearly constant in half a year
    plain = [plain_signs(rate, first - 20, first, end, rng) for _ in range(size)]
    number = np.array([len(days) for days in plain])
    some = (number > 0).mean()
    assert abs(chance[0] - some) < 4 * (some * (1 - some) / size) ** 0.5
    one = number[number > 0]
    assert abs(count.mean() - one.mean()) < 4 * one.std() * (2 / len(one)) ** 0.5
    drawn, told = stops.day[::40], np.array([day for days in plain for day in days])[::40]
    assert stats.ks_2samp(drawn, told).pvalue > 1e-3
    assert first <= stops.day.min() <= stops.day.max() < end


def test_a_hazard_over_time_adds_up() -> None:
    """The chance of living on by a sum over days, birthdays and onset between them."""
    persons = persons_of(1, FIRST_DAY)
    birth = FIRST_DAY - int(61.6 * 365.25)
    onset = {name: np.full(1, NEVER) for name in persons.onset}
    onset["ckd"] = np.array([FIRST_DAY + 50])
    persons = dataclasses.replace(persons, birth=np.array([birth]), onset=onset)
    since, until = FIRST_DAY + 10, FIRST_DAY + 700
    total = 0.0
    for day in range(since, until):
        age = int((day - birth) / 365.25)
        birthday = birth + 365.25 * age
        log_rate = np.log(DEATH.rate) + DEATH.growth * (age - 60) / 10
        log_rate += DEATH.female * persons.female[0]
        log_rate += DEATH.causes["ckd"] * (birthday >= FIRST_DAY + 50)
        total += np.exp(log_rate) / 365.25
    start, end = np.array([since]), np.array([until])
    edges = edges_around(persons.birth, start, end)
    assert edges.shape[1] < 6
    found = survival(persons, start, end, edges)
    assert found[0] == pytest.approx(np.exp(-total), rel=1e-3)
    whole = survival(persons, start, end, AGE_EDGES)
    np.testing.assert_allclose(found, whole, rtol=1e-12)


# Presets that test a model.


def hits_of(database: duckdb.DuckDBPyConnection, code: str) -> npt.NDArray[np.int64]:
    rows = database.execute(
        "SELECT person_id, condition_start_date - DATE '1970-01-01' FROM condition_occurrence "
        f"WHERE condition_source_value = '{code}' ORDER BY ALL"
    ).fetchall()
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def test_order_only(tmp_path: Path) -> None:
    database = read_back(tmp_path, site_section("order_only"))
    book = Setting.from_configuration(site_section("order_only")).book
    first, second = (hits_of(database, book.source_value[book.row(n)]) for n in (FIRST, SECOND))
    everyone = np.arange(1, 2001)
    assert (first[:, 0] == everyone).all()
    assert (second[:, 0] == everyone).all()
    onset = database.execute("SELECT onset FROM truth ORDER BY subject_id").fetchall()
    ill = np.array([day is not None for (day,) in onset])
    assert (ill == (first[:, 1] < second[:, 1])).all()
    assert 0.03 < ill.mean() < 0.09
    (index,) = {day for (day,) in onset if day is not None}
    days = np.concatenate([first[:, 1], second[:, 1]])
    before = (index - date(1970, 1, 1)).days - days
    assert (before.min(), before.max()) == (275, 352)
    # Inside the narrowest windows named: 9 to 12 months, in whole days.
    assert before.max() <= 366
    assert before.min() >= 274 + 1


def test_counts_only(tmp_path: Path) -> None:
    """The hazard in force on a day is linear in the counts of the 546 days before."""
    section = site_section("counts_only")
    database = read_back(tmp_path, section)
    book = Setting.from_configuration(section).book
    codes = [book.source_value[book.tail[0][FILLERS + number]] for number in range(20)]
    day = date(1970, 1, 1) + timedelta(days=int(TICK_START[90]))
    start = day - timedelta(days=WINDOW_TICKS * TICK_DAYS)
    expected = np.full(2000, LOG_HAZARD)
    for effect, code in zip(EFFECTS, codes, strict=True):
        rows = database.execute(
            "SELECT person_id, count(*) FROM condition_occurrence WHERE condition_source_value = "
            f"'{code}' AND condition_start_date >= '{start}' AND condition_start_date < '{day}' "
            "GROUP BY person_id"
        ).fetchall()
        for person, count in rows:
            expected[person - 1] += effect * count
    rows = database.execute(
        "SELECT list_last(list_filter(list_zip(hazard_day, log_hazard), "
        f"lambda x: x[1] <= DATE '{day}'))[2] FROM truth ORDER BY subject_id"
    ).fetchall()
    np.testing.assert_allclose(np.array(rows)[:, 0], expected, atol=1e-4)


def test_no_signal_selects_nobody_and_tells_nothing(tmp_path: Path) -> None:
    database = read_back(tmp_path, site_section("no_signal", 6000))
    assert database.execute("SELECT count(*) FROM death").fetchall() == [(0,)]
    assert database.execute(
        "SELECT min(observation_period_start_date), max(observation_period_start_date), "
        "min(observation_period_end_date) FROM observation_period"
    ).fetchall() == [(date(2005, 1, 1), date(2005, 1, 1), date(2012, 12, 31))]
    coded = database.execute(
        "SELECT onset, list_sort(list(DISTINCT condition_start_date - onset)) FROM truth "
        "JOIN condition_occurrence ON person_id = subject_id "
        "WHERE condition_source_value LIKE '428%' GROUP BY subject_id, onset"
    ).fetchall()
    ill = database.execute("SELECT count(onset) FROM truth").fetchall()[0][0]
    assert len(coded) == ill > 100
    assert all(days == [0, 60, 120] for _, days in coded)
    # Visits in the year before a fixed day, by who falls ill after it.
    rows = database.execute(
        "SELECT onset IS NOT NULL, count(visit_start_date) FROM truth LEFT JOIN visit_occurrence "
        "ON person_id = subject_id AND visit_start_date BETWEEN '2006-01-01' AND '2006-06-30' "
        "GROUP BY subject_id, onset"
    ).fetchall()
    case, visits = np.array(rows).T
    assert stats.mannwhitneyu(visits[case == 1], visits[case == 0]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("preset", "messy"),
    [("primary_care", True), ("intensive_care", False), ("counts_only", False)],
)
def test_threads_and_cuts_change_nothing(tmp_path: Path, preset: str, messy: bool) -> None:
    section = site_section(preset, 2300, messy=messy)
    simulate_site(section, tmp_path / "one", threads=1)
    simulate_site(section, tmp_path / "two", threads=2)
    files = sorted((tmp_path / "one").rglob("*.parquet"))
    assert len(files) == 13
    for path in files:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()
    truth = pq.read_table(tmp_path / "one" / "truth.parquet")
    assert truth["subject_id"].to_pylist() == list(range(1, 2301))


def test_every_preset_has_its_process() -> None:
    for preset in PRESETS:
        section = site_section(preset)
        history = simulate_block(
            section, Setting.from_configuration(section), Streams.of_block(1, 0)
        )
        assert len(history.persons) == BLOCK
        assert history.notes.visit.max() < len(history.visits.person)


def test_stops_find_each_other() -> None:
    rng = generator()
    stops = Stops(
        rng.integers(0, 9, 50), FIRST_DAY + rng.integers(0, 99, 50), rng.integers(0, 3, 50)
    )
    unique = stops.unique()
    place = unique.find(stops)
    for name in ("person", "day", "kind"):
        assert (getattr(unique, name)[place] == getattr(stops, name)).all()
    triples = set(zip(stops.person.tolist(), stops.day.tolist(), stops.kind.tolist(), strict=True))
    assert len(unique.person) == len(triples)

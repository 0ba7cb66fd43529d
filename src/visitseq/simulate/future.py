"""The hazard of heart failure at a later day, as well as the record so far can tell it.

Given the record up to a day, the law of what follows is known: rates and hazards depend on the
record alone, and the one hidden thing, how readily a person attends, has a gamma distribution that
the visits so far make sharper (its shape grows by their number, its rate by the number expected of
an average person). So a person's past is replayed from the seed, its future is drawn many times by
the functions that drew the past, and the hazards of the drawn futures are averaged, each weighted
by the chance that no diagnosis came before.

A record that begins after the earlier day counts as known from its first visit on. Deaths before
the later day are not weighted for, and visits that fell on one day are counted as
they were drawn; both are far smaller than the standard error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from visitseq.simulate.attendance import Stops, background_stops, sign_stops, visit_rates
from visitseq.simulate.codebook import Codebook, Emission
from visitseq.simulate.hazard import Bool, Float, Int
from visitseq.simulate.healthy import Healthy, all_stops, certain_stops, simulate_healthy
from visitseq.simulate.heart_failure import HAZARD_CODES, count_hits, log_hazards
from visitseq.simulate.hospital import hazard_notes
from visitseq.simulate.parameters import (
    ATTENDANCE_SHAPE,
    BLOCK,
    CONDITIONS,
    SIGNS,
    TICK_DAYS,
    TICKS,
    Preset,
)
from visitseq.simulate.persons import Persons, next_onset
from visitseq.simulate.recording import Notes, Recorder, note
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.signs import recent_signs, sign_rate, with_offspring
from visitseq.simulate.states import condition_rows
from visitseq.simulate.ticks import TICK_START, TICK_YEARS, draw_days, tick_of

#: Futures that are drawn at once; it bounds memory.
FUTURES = 4000


@dataclass(frozen=True)
class Past:
    """What the record of some persons holds before the day ``until``, row for row.

    ``seen`` and ``expected`` are the visits without occasion so far, and how many an average person
    would have had, shape (persons,); ``signs`` and ``noted`` are the signs and the codes of the
    hazard (``code`` of ``HAZARD_CODES``) that were written down.
    """

    persons: Persons
    until: Int
    seen: Int
    expected: Float
    signs: Stops
    noted: Stops
    code: Int


def expected_hazard(
    site: Mapping[str, Any], subject_id: Int, until: Int, day: Int, *, draws: int, seed: int
) -> tuple[Float, Float]:
    """Expected hazard of heart failure on a day, given the record before an earlier one.

    Parameters
    ----------
    site
        A filled section of the configuration, of preset primary_care or intensive_care.
    subject_id
        Persons of the site, shape (rows,); a person may stand in several rows.
    until, day
        The record is known before the day ``until``, the hazard is wanted on ``day``; days since
        1970-01-01, shape (rows,).
    draws
        Futures for each row.
    seed
        Seed of the futures.

    Returns
    -------
    hazard, standard_error
        A year, shape (rows,); the standard error is that of the simulation.
    """
    setting = Setting.from_configuration(site)
    value, error = np.empty(len(subject_id)), np.empty(len(subject_id))
    block = (subject_id - 1) // BLOCK
    for number in np.unique(block):
        rows = np.flatnonzero(block == number)
        healthy = simulate_healthy(setting, BLOCK, Streams.of_block(site["seed"], int(number)))
        who = (subject_id[rows] - 1) % BLOCK
        known = np.clip(until[rows], healthy.persons.entry[who] + 1, day[rows])
        past = known_past(healthy, who, known, setting)
        rng = np.random.Generator(np.random.PCG64([seed, int(number)]))
        for some in np.array_split(np.arange(len(rows)), -(-len(rows) * draws // FUTURES)):
            at = rows[some]
            row, later = np.repeat(some, draws), np.repeat(day[at], draws)
            hazard, free = _draw_futures(past, row, later, setting, rng)
            value[at], error[at] = _average(hazard.reshape(-1, draws), free.reshape(-1, draws))
    return value, error


def known_past(healthy: Healthy, rows: Int, until: Int, setting: Setting) -> Past:
    """What the record of the persons ``rows`` of a block holds before the days ``until``."""
    average = replace(healthy.persons, attendance=np.ones(len(healthy.persons)))
    rates = visit_rates(average, healthy.recent, setting.preset).sum(axis=0)[rows]
    overlap = _overlap(healthy.persons.entry[rows], until)
    stops, code = hazard_notes(healthy.stops, healthy.notes, setting.book)
    noted, which = _of_rows(stops, rows, until)
    seen, _ = _of_rows(healthy.background, rows, until)
    return Past(
        persons=healthy.persons.take(rows),
        until=until,
        seen=np.bincount(seen.person, minlength=len(rows)),
        expected=(rates * overlap).sum(axis=1),
        signs=_of_rows(healthy.signs, rows, until)[0],
        noted=noted,
        code=code[which],
    )


def _of_rows(stops: Stops, rows: Int, until: Int) -> tuple[Stops, Int]:
    """Stops of the persons ``rows`` before the days ``until``, and which they are.

    Their ``person`` is the place in ``rows``.
    """
    order = np.argsort(stops.person, kind="stable")
    first = np.searchsorted(stops.person[order], rows)
    count = np.searchsorted(stops.person[order], rows, side="right") - first
    row = np.repeat(np.arange(len(rows)), count)
    which = order[np.arange(len(row)) - np.repeat(np.cumsum(count) - count - first, count)]
    before = stops.day[which] < until[row]
    row, which = row[before], which[before]
    return Stops(row, stops.day[which], stops.kind[which]), which


def _overlap(since: Int, until: Int) -> Float:
    """Years of each tick between two days, ``until`` left out, shape (rows, ticks)."""
    first = np.maximum(TICK_START, since[:, None])
    last = np.minimum(TICK_START + TICK_DAYS, until[:, None])
    years: Float = np.maximum(last - first, 0) * (TICK_YEARS / TICK_DAYS)
    return years


def _average(hazard: Float, free: Float) -> tuple[Float, Float]:
    """Mean hazard of each row weighted by ``free``, and its standard error; both (rows, draws)."""
    mean = (free * hazard).sum(axis=1) / free.sum(axis=1)
    squares = (free * (hazard - mean[:, None])) ** 2
    return mean, np.sqrt(squares.sum(axis=1)) / free.sum(axis=1)


def _draw_futures(
    past: Past, row: Int, day: Int, setting: Setting, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Draw a future of each of ``row``, from its past to ``day``.

    Returns
    -------
    hazard, free
        The hazard a year on the day, and the chance of no diagnosis before it, shape (rows,).
    """
    persons = _possible_persons(past, row, setting.preset, rng)
    until, tick = past.until[row], tick_of(day)
    noted, code = _possible_notes(past, row, persons, TICK_START[tick], setting=setting, rng=rng)
    known, which = _of_rows(past.noted, row, until)
    person, days = np.append(known.person, noted.person), np.append(known.day, noted.day)
    codes = np.append(past.code[which], code)
    hits = count_hits(person, tick_of(days), codes, (len(row), TICKS))
    log_hazard = setting.preset.heart_failure + log_hazards(persons, hits, setting.order_effect)
    hazard = np.exp(log_hazard.astype(np.float64))
    free: Float = np.exp(-(hazard * _overlap(until, day)).sum(axis=1))
    return hazard[np.arange(len(row)), tick], free


def _possible_persons(past: Past, row: Int, preset: Preset, rng: np.random.Generator) -> Persons:
    """Persons as they may be, given their past: own readiness, and conditions still to come.

    Their entry is put on the day before the future begins.
    """
    shape, rate = ATTENDANCE_SHAPE + past.seen[row], ATTENDANCE_SHAPE + past.expected[row]
    until = past.until[row]
    onset: dict[str, Int] = {}
    persons = past.persons.take(row)
    for name, known in persons.onset.items():
        so_far = replace(persons, onset=onset)
        drawn = next_onset(name, so_far, preset.illness, until, rng.standard_exponential(len(row)))
        onset[name] = np.where(known < until, known, drawn)
    attendance = rng.gamma(shape, 1 / rate)
    return replace(persons, attendance=attendance, entry=until - 1, onset=onset)


def _possible_notes(
    past: Past, row: Int, persons: Persons, end: Int, *, setting: Setting, rng: np.random.Generator
) -> tuple[Stops, Int]:
    """Codes of the hazard that may be written down from the past on to before the day ``end``."""
    until = past.until[row]
    ahead = (until[:, None] < TICK_START + TICK_DAYS) & (end[:, None] > TICK_START)
    seen, _ = _of_rows(past.signs, row, until)
    signs = sign_stops(*_possible_signs(persons, seen, ahead, until, end, rng=rng), rng)
    recent = recent_signs(
        np.append(seen.person, signs.person), np.append(seen.day, signs.day), len(row)
    )
    background = background_stops(visit_rates(persons, recent, setting.preset) * ahead, rng)
    background = background.take(background.day >= until[background.person])
    book = setting.book
    certain = certain_stops(persons, signs, end - 1, book, rng)
    stops = all_stops(background, certain, setting.preset, rng)
    few = replace(book, emissions=hazard_emissions(book), tail=[])
    recorder, tick = Recorder(few, len(row), rng), tick_of(stops.day)
    states = {name: condition_rows(stops, tick, day) for name, day in persons.onset.items()}
    states["any"] = np.arange(len(tick))
    states["recent_sign"] = np.flatnonzero(recent[stops.person, tick])
    notes = [note(stops.find(at), code) for at, code in certain if code is not None]
    notes += [recorder.emissions(stops, states), recorder.ruled_out(stops, persons, True)]
    return hazard_notes(stops, Notes.join(notes), book)


def _possible_signs(
    persons: Persons, seen: Stops, ahead: Bool, until: Int, end: Int, *, rng: np.random.Generator
) -> tuple[Int, Int]:
    """Signs that may come: by themselves, and brought on by those that were ``seen``."""
    person, day = draw_days(sign_rate(persons) * ahead, rng)
    kept = (day >= until[person]) & (day < end[person])
    person, day = person[kept], day[kept]
    waited = until[seen.person] - seen.day - 1
    still = SIGNS.offspring * np.exp(-waited / SIGNS.delay_days)
    parent = np.repeat(np.arange(len(waited)), rng.poisson(still))
    delay = np.ceil(rng.exponential(SIGNS.delay_days, len(parent))).astype(np.int64)
    brought = until[seen.person[parent]] - 1 + delay
    kept = brought < end[seen.person[parent]]
    person = np.append(person, seen.person[parent][kept])
    return with_offspring(person, np.append(day, brought[kept]), end - 1, rng)


def hazard_emissions(book: Codebook) -> list[Emission]:
    """Emissions of the codes of the hazard, in who has no heart failure."""
    wanted = {book.row(name) for name in HAZARD_CODES}
    states = {*CONDITIONS, "any", "recent_sign"}
    return [one for one in book.emissions if one.code in wanted and one.state in states]

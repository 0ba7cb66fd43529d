"""The hazard of heart failure at a later day, as well as the record so far can tell it.

Given the record up to a day, the law of what follows is known: rates and hazards depend on the
record alone, and the one hidden thing, how readily a person attends, has a gamma distribution that
the visits so far make sharper (its shape grows by their number, its rate by the number expected of
an average person). So a person's past is replayed from the seed, its future is drawn many times by
the functions that drew the past, and the hazards of the drawn futures are averaged, each weighted
by the chance that the person lives on without a diagnosis. These weights are exact: given a future,
both hazards are known, so neither deaths nor diagnoses are drawn.

What makes an average of futures uncertain is a rare thing that raises the hazard many times: a sign
in somebody who seldom has any. So each draw of a person's conditions and readiness is split: one
future without any new sign, and ``SPLIT`` with at least one, weighted by the chance of either. That
is known exactly: the signs that come by themselves, and those brought on by the signs so far, are a
Poisson process given the conditions. With M expected, none comes with chance exp(-M); the first of
at least one comes where the expected number reaches T = -log(1 - U (1 - exp(-M))), U uniform, and
those after it are Poisson with M - T. The futures of a split take U from equal parts of (0, 1).

Visits that fell on one day are counted as they were drawn, which is far smaller than the standard
error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from visitseq.simulate.attendance import Stops, background_stops, sign_stops, visit_rates
from visitseq.simulate.codebook import Codebook
from visitseq.simulate.hazard import Float, Float32, Int, edges_around
from visitseq.simulate.healthy import all_stops, certain_stops, simulate_healthy
from visitseq.simulate.heart_failure import (
    HAZARD_CODES,
    count_hits,
    last_ticks,
    personal_effect,
    window_effect,
    windowed_counts,
)
from visitseq.simulate.hospital import hazard_notes
from visitseq.simulate.parameters import (
    ATTENDANCE_SHAPE,
    BLOCK,
    CONDITIONS,
    SIGNS,
    TICK_DAYS,
    Preset,
)
from visitseq.simulate.past import Past, Record, known_past, overlap
from visitseq.simulate.persons import Persons, next_onset, survival
from visitseq.simulate.recording import Notes, Recorder, note
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.signs import recent_signs, sign_rate, with_offspring
from visitseq.simulate.states import condition_rows
from visitseq.simulate.ticks import TICK_START, tick_of

#: Futures with new signs in a draw, beside the one without.
SPLIT = 3
#: Draws that are made at once; it bounds memory.
AT_ONCE = 1000


@dataclass(frozen=True)
class Expected:
    """Expected hazards a year, shape (rows,), and how sure the simulation is of them.

    ``error`` is the standard error of the simulation; ``halves`` has shape (2, rows): the same from
    each half of the draws.
    """

    value: Float
    error: Float
    halves: Float


def expected_hazard(
    site: Mapping[str, Any], subject_id: Int, until: Int, day: Int, *, draws: Int, seed: int
) -> Expected:
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
        Draws for each row, shape (rows,); each is of 1 + ``SPLIT`` futures.
    seed
        Seed of the futures.

    Returns
    -------
    Expected
        A row with a single draw has no standard error and no halves: NaN.
    """
    setting = Setting.from_configuration(site)
    short = replace(setting, book=_hazard_book(setting.book))
    sums = np.zeros((2, 2, len(subject_id)))
    squares = np.zeros((3, len(subject_id)))
    block = (subject_id - 1) // BLOCK
    for number in np.unique(block):
        rows = np.flatnonzero(block == number)
        healthy = simulate_healthy(setting, BLOCK, Streams.of_block(site["seed"], int(number)))
        record = Record.of(healthy, setting)
        rng = np.random.Generator(np.random.PCG64([seed, int(number)]))
        for some in _portions(rows, draws[rows]):
            who = (subject_id[some] - 1) % BLOCK
            past = known_past(record, who, until[some], day[some])
            at, half = _spread(draws[some])
            free, diagnosed = _draw_futures(past, at, short, rng)
            for place, values in enumerate((free, diagnosed)):
                np.add.at(sums[:, place], (half, some[at]), values)
            products = (free * free, free * diagnosed, diagnosed * diagnosed)
            for place, values in enumerate(products):
                np.add.at(squares[place], some[at], values)
    return _averages(sums, squares)


def _portions(rows: Int, draws: Int) -> list[Int]:
    """Cut ``rows`` into portions of about ``AT_ONCE`` draws."""
    portion = np.cumsum(draws) // AT_ONCE
    return np.split(rows, np.flatnonzero(np.diff(portion)) + 1)


def _spread(draws: Int) -> tuple[Int, Int]:
    """The row of each draw, and the half of its row's draws to which it belongs."""
    row = np.repeat(np.arange(len(draws)), draws)
    place = np.arange(len(row)) - np.repeat(np.cumsum(draws) - draws, draws)
    return row, place % 2


def _averages(sums: Float, squares: Float) -> Expected:
    """Ratio of the sums of ``free * hazard`` and ``free``, the delta method's standard error.

    ``sums`` has shape (halves, 2, rows): of ``free`` and of ``free * hazard``; ``squares`` are the
    sums of the products of either with itself and with the other.
    """
    free, diagnosed = sums.sum(axis=0)
    value = diagnosed / free
    spread = squares[2] - 2 * value * squares[1] + value**2 * squares[0]
    with np.errstate(invalid="ignore"):
        halves = sums[:, 1] / sums[:, 0]
    error = np.sqrt(np.maximum(spread, 0)) / free
    single = np.isnan(halves).any(axis=0)
    return Expected(value, np.where(single, np.nan, error), halves)


def _draw_futures(
    past: Past, row: Int, setting: Setting, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Draw the futures of each of ``row``, without and with new signs, and weigh them.

    Returns
    -------
    free, diagnosed
        The chance of living to the day without a diagnosis, and its product with the hazard a year
        on the day, each averaged over the futures of the draw, shape (rows,).
    """
    persons = _possible_persons(past, row, setting.preset, rng)
    chance, signs = possible_signs(past, row, persons, rng)
    weight = np.concatenate([1 - chance, np.tile(chance / SPLIT, SPLIT)])
    lives = survival(persons, past.until[row], past.day[row], _edges(past, row))
    future = np.tile(np.arange(len(row)), 1 + SPLIT)
    at, persons = row[future], persons.take(future)
    hazard = _hazards(past, at, persons, signs, setting=setting, rng=rng)
    cumulative = (hazard * overlap(past.until[at], past.day[at], past.ticks)).sum(axis=1)
    free = weight * lives[future] * np.exp(-cumulative)
    diagnosed = free * hazard[np.arange(len(at)), tick_of(past.day[at])]
    shape = (1 + SPLIT, len(row))
    return free.reshape(shape).sum(axis=0), diagnosed.reshape(shape).sum(axis=0)


def _edges(past: Past, row: Int) -> Float:
    return edges_around(past.persons.birth[row], past.until[row], past.day[row])


def _possible_persons(past: Past, row: Int, preset: Preset, rng: np.random.Generator) -> Persons:
    """Persons as they may be, given their past: own readiness, and conditions still to come.

    Their entry is put on the day before the future begins.
    """
    shape, rate = ATTENDANCE_SHAPE + past.seen[row], ATTENDANCE_SHAPE + past.expected[row]
    until, edges = past.until[row], _edges(past, row)
    onset: dict[str, Int] = {}
    persons = past.persons.take(row)
    for name, known in persons.onset.items():
        so_far, wait = replace(persons, onset=onset), rng.standard_exponential(len(row))
        drawn = next_onset(name, so_far, preset.illness, since=until, threshold=wait, edges=edges)
        onset[name] = np.where(known < until, known, drawn)
    attendance = rng.gamma(shape, 1 / rate)
    return replace(persons, attendance=attendance, entry=until - 1, onset=onset)


def possible_signs(
    past: Past, row: Int, persons: Persons, rng: np.random.Generator
) -> tuple[Float, Stops]:
    """Chance of any new sign before the tick of the day, and signs given that there are some.

    The signs are those of ``SPLIT`` futures of each of ``row``; their ``person`` counts from
    len(row) on, after the futures without a sign.
    """
    until, end = past.until[row], TICK_START[tick_of(past.day[row])]
    own = sign_rate(persons, past.ticks) * overlap(until, end, past.ticks)
    fading = -np.expm1(-np.maximum(end - until, 0) / SIGNS.delay_days)
    total = own.sum(axis=1) + past.stirred[row] * fading
    chance = -np.expm1(-total)
    part = (np.arange(SPLIT)[:, None] + rng.random((SPLIT, len(row)))) / SPLIT
    first = -np.log1p(-part * chance)
    later = rng.poisson(np.maximum(total - first, 0)).ravel()
    future = np.repeat(np.arange(later.size), later)
    from_first = np.tile(total, SPLIT)[future] - first.ravel()[future]
    rest = first.ravel()[future] + rng.random(len(future)) * from_first
    future, place = np.append(np.arange(later.size), future), np.append(first, rest)
    at = future % len(row)
    day = _sign_days(np.cumsum(own, axis=1)[at], place, until[at], fading[at], rng)
    kept = day < end[at]
    last = np.tile(end - 1, 1 + SPLIT)
    every = with_offspring(future[kept] + len(row), day[kept], last, rng)
    return chance, sign_stops(*every, rng)


def _sign_days(
    own: Float, place: Float, until: Int, fading: Float, rng: np.random.Generator
) -> Int:
    """Days of signs of the first generation, by the expected number that came before each.

    Up to the last of ``own`` (of those that come by themselves up to the end of each tick, shape
    (signs, ticks)) they come by themselves, after it they are brought on by the signs so far.
    """
    tick, u = (own <= place[:, None]).sum(axis=1), rng.random(len(place))
    itself = tick < own.shape[1]
    tick_start = TICK_START[np.where(itself, tick, 0)]
    start = np.maximum(tick_start, until)
    day = start + np.floor(u * (tick_start + TICK_DAYS - start)).astype(np.int64)
    delay = np.ceil(-np.log1p(-u * fading) * SIGNS.delay_days).astype(np.int64)
    return np.where(itself, day, until - 1 + np.maximum(delay, 1))


def _hazards(
    past: Past,
    row: Int,
    persons: Persons,
    signs: Stops,
    *,
    setting: Setting,
    rng: np.random.Generator,
) -> Float:
    """Hazard a year in each tick of a future that is drawn but for its signs, (rows, ticks)."""
    stops, code = _possible_notes(past, row, persons, signs, setting=setting, rng=rng)
    hits = count_hits(stops.person, tick_of(stops.day), code, (len(row), past.ticks))
    ticks = np.arange(past.ticks, dtype=np.int16)
    counts = past.counts[:, row] + windowed_counts(hits)
    last = np.maximum(past.last[:, row], last_ticks(hits, ticks))
    log_hazard: Float32 = window_effect(counts, last, ticks, setting.order_effect)
    log_hazard += personal_effect(persons, setting.order_effect, past.ticks)
    return np.exp(setting.preset.heart_failure + log_hazard.astype(np.float64))


def _possible_notes(
    past: Past,
    row: Int,
    persons: Persons,
    signs: Stops,
    *,
    setting: Setting,
    rng: np.random.Generator,
) -> tuple[Stops, Int]:
    """Codes of the hazard that may be written down from the past on to before the day's tick."""
    until, end = past.until[row], TICK_START[tick_of(past.day[row])]
    start = TICK_START[: past.ticks]
    ahead = (until[:, None] < start + TICK_DAYS) & (end[:, None] > start)
    recent = past.recent[row] | recent_signs(signs.person, signs.day, len(row), past.ticks)
    background = background_stops(visit_rates(persons, recent, setting.preset) * ahead, rng)
    background = background.take(background.day >= until[background.person])
    book = setting.book
    certain = certain_stops(persons, signs, end - 1, book, rng)
    stops = all_stops(background, certain, setting.preset, rng)
    recorder, tick = Recorder(book, len(row), rng), tick_of(stops.day)
    states = {name: condition_rows(stops, tick, day) for name, day in persons.onset.items()}
    states["any"] = np.arange(len(tick))
    states["recent_sign"] = np.flatnonzero(recent[stops.person, tick])
    notes = [note(stops.find(at), code) for at, code in certain if code is not None]
    notes += [recorder.emissions(stops, states), recorder.ruled_out(stops, persons, True)]
    return hazard_notes(stops, Notes.join(notes), book)


def _hazard_book(book: Codebook) -> Codebook:
    """The codes with the emissions of those of the hazard alone, in who has no heart failure."""
    wanted = {book.row(name) for name in HAZARD_CODES}
    states = {*CONDITIONS, "any", "recent_sign"}
    emissions = [one for one in book.emissions if one.code in wanted and one.state in states]
    return replace(book, emissions=emissions, tail=[])

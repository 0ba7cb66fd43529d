"""Whether cases and controls are of the same time, and were observed as long.

What differs here a model can learn in the place of the disease: coding changes from year to year,
and who was watched longer has more to show.
"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.audit.differences import Difference, differences, set_weights, too_few
from visitseq.audit.findings import Finding
from visitseq.audit.verdicts import share, shown_numbers
from visitseq.figures.small_cells import SUPPRESSED, hidden_levels

Floats = npt.NDArray[np.float64]

_DAYS_A_YEAR = 365.25
_WORDS = {
    "index_year": "the index date's year",
    "first_visit_year": "the year of the first event",
    "days_before": "days observed before the index date",
    "days_after": "days observed after the index date",
}


def alignment_findings(
    rows: pa.Table, persons: pa.Table, *, draws: int, seed: int, minimum: int
) -> list[Finding]:
    """Standardised difference of cases and controls of each of these, as findings.

    Parameters
    ----------
    rows, persons
        Tables of cohort.parquet and persons.parquet.
    draws, seed
        Of the intervals.
    minimum
        Smallest number of persons that may be shown, or whose mean.
    """
    label, matched = _label(rows), rows["set_id"].null_count < len(rows)
    if matched:
        unit = rows["set_id"].to_numpy()
        weights = set_weights(unit, label)
    else:
        unit, weights = rows["subject_id"].to_numpy(), np.ones(len(rows))
    found = differences(_values(rows, persons), label, unit, weights, draws=draws, seed=seed)
    if too_few(label, minimum):
        own = [_untold(name, minimum) for name in found]
    else:
        own = [_finding(name, difference, matched) for name, difference in found.items()]
    return [_shared_dates(rows, minimum), *own] if matched else own


def alignment_table(rows: pa.Table, persons: pa.Table, minimum: int) -> pd.DataFrame:
    """Table variable, year, cases, controls: how many there are, small numbers suppressed.

    Days are counted in whole years.
    """
    label, found = _label(rows), []
    for name, values in _values(rows, persons).items():
        years = np.floor(values / _DAYS_A_YEAR if name.startswith("days") else values)
        known = sorted({int(year) for year in years if not math.isnan(year)})
        cells = [
            [int(((years == year) & group).sum()) for group in (label, ~label)] for year in known
        ]
        for year, cell, hidden in zip(known, cells, hidden_levels(cells, minimum), strict=True):
            cases, controls = (SUPPRESSED, SUPPRESSED) if hidden else map(str, cell)
            found.append((name, year, cases, controls))
    return pd.DataFrame(found, columns=["variable", "year", "cases", "controls"])


def _label(rows: pa.Table) -> npt.NDArray[np.bool_]:
    label: npt.NDArray[np.bool_] = rows["label"].to_numpy().astype(bool)
    return label


def _values(rows: pa.Table, persons: pa.Table) -> dict[str, Floats]:
    """Each variable's value of each row; nan where the person's record does not tell."""
    place = pc.index_in(rows["subject_id"], value_set=persons["subject_id"].combine_chunks())
    own = persons.take(place.combine_chunks())
    index = rows["index_time"].to_numpy().astype("datetime64[D]")
    start = pc.coalesce(own["observation_start"], own["first_event"].cast(pa.date32()))
    end = pc.coalesce(own["observation_end"], own["last_event"].cast(pa.date32()))
    first = own["first_event"].to_numpy().astype("datetime64[Y]")
    return {
        "index_year": index.astype("datetime64[Y]").astype(np.int64) + 1970.0,
        "first_visit_year": np.where(np.isnat(first), np.nan, first.astype(np.int64) + 1970.0),
        "days_before": _days(index, start.to_numpy()),
        "days_after": _days(end.to_numpy(), index),
    }


def _days(late: npt.NDArray[np.datetime64], early: npt.NDArray[np.datetime64]) -> Floats:
    difference = late.astype("datetime64[D]") - early.astype("datetime64[D]")
    return np.where(np.isnat(difference), np.nan, difference.astype(np.float64))


def _shared_dates(rows: pa.Table, minimum: int) -> Finding:
    """Whether every matched set has one index date."""
    dates = rows.group_by("set_id").aggregate([("index_time", "count_distinct")])
    several = int(pc.sum(pc.greater(dates["index_time_count_distinct"], 1)).as_py() or 0)
    evidence = f"{share(several, len(dates), minimum)} matched sets have more than one index date."
    numbers = shown_numbers({"sets": len(dates)}, {"several": several}, minimum)
    if not several:
        return Finding("shared_index_date", "pass", evidence, numbers=numbers)
    advice = "Cases and controls are compared at different times: build the cohort anew."
    return Finding("shared_index_date", "warn", evidence, advice, numbers)


def _untold(name: str, minimum: int) -> Finding:
    evidence = f"Too few: {_WORDS[name]} of fewer than {minimum} cases or controls is not told."
    return Finding(name, "warn", evidence)


def _finding(name: str, found: Difference, matched: bool) -> Finding:
    """Warn where matched cases and controls differ; nobody made those of a landmark alike."""
    words = _WORDS[name]
    evidence = (
        f"{words[0].upper()}{words[1:]}: mean {found.cases:.1f} in cases and "
        f"{found.controls:.1f} in controls, standardised difference {found}."
    )
    numbers = {key: None if math.isnan(own) else own for key, own in found._asdict().items()}
    if math.isnan(found.value):
        return Finding(name, "warn", f"Too few: neither group varies in {words}.")
    if not (matched and found.is_large):
        return Finding(name, "pass", evidence, numbers=numbers)
    advice = {
        "days_before": "Longer records hold more codes: set lookback_months to the windows.",
        "days_after": "Who is watched longer is a case or control for longer: say so.",
    }.get(name, "Match on it more closely (matching: first_visit_days).")
    return Finding(name, "warn", evidence, advice, numbers)

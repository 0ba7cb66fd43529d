"""Lengths of time: months in whole days, the windows before an index date, completed years."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DAYS_A_MONTH = 30.4375  # 365.25 / 12


def months_to_days(months: float) -> int:
    """Whole days in ``months``, rounded up: 18 months are 548 days."""
    return math.ceil(months * DAYS_A_MONTH)


def window_bounds(
    index_days: npt.NDArray[np.int64], observation_months: float, prediction_months: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First day inside the observation window and the first day after it, for each index date.

    Parameters
    ----------
    index_days
        Index dates as days since 1970-01-01, shape (rows,).
    observation_months, prediction_months
        Length of the observation window, and of the gap between it and the index date.

    Returns
    -------
    start, end
        Days since 1970-01-01, shape (rows,): end = index - prediction, start = end - observation.
    """
    end = index_days - months_to_days(prediction_months)
    return end - months_to_days(observation_months), end


def window_table(rows: pa.Table, task: Mapping[str, Any]) -> pa.Table:
    """Number, person and observation window of each cohort row, as SQL joins them.

    Parameters
    ----------
    rows
        Table of cohort.parquet.
    task
        Filled section: observation_months, prediction_months.

    Returns
    -------
    pyarrow.Table
        row (0, 1, …), subject_id, window_start, window_end.
    """
    index_days = rows["index_time"].to_numpy().astype("datetime64[D]").astype(np.int64)
    bounds = window_bounds(index_days, task["observation_months"], task["prediction_months"])
    start, end = (bound.astype("datetime64[D]").astype("datetime64[us]") for bound in bounds)
    return pa.table(
        {
            "row": np.arange(len(rows), dtype=np.int32),
            "subject_id": rows["subject_id"],
            "window_start": start,
            "window_end": end,
        }
    )


def completed_years(
    birth: npt.NDArray[np.datetime64], day: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.int64]:
    """Age in completed years on ``day``; who is born on 29 February turns older on 1 March.

    Both arrays are ``datetime64[D]`` and broadcast against each other.
    """
    years: npt.NDArray[np.int64] = (_month_day(day) - _month_day(birth)) // 10_000
    return years


def _month_day(date: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """Write a date as the integer YYYYMMDD, whose differences count completed years."""
    month = date.astype("datetime64[M]")
    year = date.astype("datetime64[Y]")
    day_number = (date - month).astype(np.int64) + 1
    month_number = (month - year).astype(np.int64) + 1
    number: npt.NDArray[np.int64] = (year.astype(np.int64) + 1970) * 10_000 + month_number * 100
    number += day_number
    return number

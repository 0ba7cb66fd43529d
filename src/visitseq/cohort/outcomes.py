"""What can come of a person of a landmark cohort, and what its files say of it.

Apart from how the cohort is built (landmark.py), which needs DuckDB: who scores and who audits
models as used needs this alone.
"""

from pathlib import Path

import pandas as pd

from visitseq.cohort.windows import months_to_days

#: What can come of a person within the horizon, the earlier of those that fall on the same day.
ONSET, DEATH, CENSORED, FREE = "onset", "death", "censored", "free"


def fell_ill_in_gap(onset_before: Path, prediction_months: float) -> int:
    """Person-years that a task leaves out for a run that begins between window and index date.

    Parameters
    ----------
    onset_before
        onset_before.csv of the task's cohort.
    prediction_months
        The task's gap.
    """
    table = pd.read_csv(onset_before)
    inside = table["days"] <= months_to_days(prediction_months)
    return int(table.loc[inside, "person_years"].sum())

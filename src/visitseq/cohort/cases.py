"""Cases: persons whose qualifying run begins when all criteria are met.

The index date of a case is the first day of its qualifying run. A person whose run begins at a time
when a criterion is not met is no case: the run is not sought again later.
"""

import numpy as np

from visitseq.cohort.attrition import Step
from visitseq.cohort.criteria import Criteria, case_checks
from visitseq.cohort.day_lists import NEVER, Ints
from visitseq.cohort.records import Records


def find_cases(records: Records, criteria: Criteria, run_criterion: str) -> tuple[Ints, list[Step]]:
    """Rows of the cases, and the attrition on the way to them.

    Parameters
    ----------
    records
        The persons of the site.
    criteria
        The cohort's criteria.
    run_criterion
        What a qualifying run is, in words.
    """
    steps = [Step("persons of the site", len(records))]
    coded = np.flatnonzero(records.first_qualifying < NEVER)
    steps.append(Step("a visit with a qualifying code", len(coded)))
    rows = np.flatnonzero(records.run_start < NEVER)
    steps.append(Step(run_criterion, len(rows)))
    for check in case_checks(criteria):
        rows = rows[check.holds(records, rows, records.run_start[rows])]
        steps.append(Step(check.criterion, len(rows)))
    return rows, steps

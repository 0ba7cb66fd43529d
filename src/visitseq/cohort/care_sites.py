"""A person's care site at a date: the person's own, else the commonest before the date.

A person's site is followed through the visits: after each day the site with most visits so far, the
smallest id of those that tie. Only the days on which that site changes are kept, so that the site
at any date is one binary search.

The running mode comes without a loop over persons. Let n be the number of visits that the row's
site has had so far, and M the largest n so far. Where n exceeds the M before it, that site alone
holds the maximum; where n equals M, the site joins those that hold it. So within the rows between
two increases of M, the commonest site is the running minimum of the ids of the rows with n = M.
"""

import numpy as np
import pandas as pd

from visitseq.cohort.day_lists import Ints


def commonest_sites(rows: Ints, days: Ints, sites: Ints, visits: Ints) -> tuple[Ints, Ints, Ints]:
    """Follow each person's commonest care site over time.

    Parameters
    ----------
    rows, days, sites, visits
        How many visits a person (row) had at a care site on a day, shape (entries,), one entry a
        row, day and site, sorted by these.

    Returns
    -------
    rows, days, sites
        From the day after each of ``days`` on, the person's site is this one; sorted by row and
        day, shape (changes,).
    """
    table = pd.DataFrame({"row": rows, "day": days, "site": sites, "visits": visits})
    so_far = table.groupby(["row", "site"])["visits"].cumsum()
    largest = so_far.groupby(table["row"]).cummax()
    before = largest.groupby(table["row"]).shift(fill_value=0)
    stretch = (so_far > before).cumsum()
    holds = table["site"].where(so_far == largest, np.iinfo(np.int64).max)
    table["site"] = holds.groupby(stretch).cummin()
    daily = table.drop_duplicates(["row", "day"], keep="last")
    known = (daily["row"] == daily["row"].shift()) & (daily["site"] == daily["site"].shift())
    changes = daily[~known]
    return changes["row"].to_numpy(), changes["day"].to_numpy(), changes["site"].to_numpy()

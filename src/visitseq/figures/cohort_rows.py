"""The rows of a cohort of cases and controls, and what is known of the person at the index date."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from visitseq.cohort.windows import completed_years
from visitseq.figures.study import Study

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CohortRows:
    """Cohort rows in the cohort's order, a value a row.

    Attributes
    ----------
    age
        Completed years at the index date; NaN where the birth is unknown.
    sex, race
        OMOP concepts; 0 where unknown.
    year
        Calendar year of the index date.
    """

    subject_id: Integers
    part: npt.NDArray[np.int32]
    case: npt.NDArray[np.bool_]
    age: Floats
    sex: Integers
    race: Integers
    year: Floats


def read_cohort_rows(study: Study, site: str, cohort: str) -> CohortRows:
    """Read a cohort's rows beside the persons of its site."""
    table = pq.read_table(study.cohort_folder(site, cohort) / "cohort.parquet")
    columns = ["subject_id", "birth_date", "sex", "race"]
    persons = pq.read_table(study.persons(site), columns=columns)
    subject = table["subject_id"].to_numpy()
    place = np.searchsorted(persons["subject_id"].to_numpy(), subject)
    index = table["index_time"].to_numpy().astype("datetime64[D]")
    birth = persons["birth_date"].to_numpy().astype("datetime64[D]")[place]
    sex, race = (persons[name].fill_null(0).to_numpy()[place] for name in ("sex", "race"))
    return CohortRows(
        subject_id=subject,
        part=table["part"].to_numpy(),
        case=table["label"].to_numpy(),
        age=np.where(np.isnat(birth), np.nan, completed_years(birth, index)),
        sex=sex,
        race=race,
        year=index.astype("datetime64[Y]").astype(np.float64) + 1970,
    )

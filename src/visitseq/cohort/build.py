"""Build a case-control cohort of a site: cases, controls, index dates, and every step counted.

Density sampling as in Choi et al. (JAMIA 2017): a case's index date is the first day of its
qualifying run, its controls are persons of the same part who at that date have not got the disease,
and they share its index date.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.attrition import Step, attrition_table, describe, number_of
from visitseq.cohort.balance import balance_table
from visitseq.cohort.cases import find_cases
from visitseq.cohort.criteria import Criteria
from visitseq.cohort.day_lists import Ints
from visitseq.cohort.matching import Matches, match_cases
from visitseq.cohort.phenotype import Phenotype, qualifying_codes, read_phenotype
from visitseq.cohort.read_records import read_records
from visitseq.cohort.records import Records
from visitseq.errors import UserError
from visitseq.tables import COHORT, MATCHES, write_parquet

logger = logging.getLogger(__name__)


def build_cohort(
    *,
    site: str,
    name: str,
    cohort: Mapping[str, Any],
    phenotype: Path,
    events: Path,
    persons: Path,
    observation_periods: Path,
    codes: Path,
    folder: Path,
    seed: int,
    parts: int,
) -> None:
    """Write cohort.parquet, matches.parquet, attrition.csv and balance.csv of a cohort.

    Parameters
    ----------
    site, name
        Names of the site and the cohort, for messages.
    cohort
        The cohort's filled configuration, of kind case_control.
    phenotype
        The phenotype file.
    events, persons, observation_periods, codes
        The site's tables of stage 1.
    folder
        Where the files go.
    seed, parts
        ``run.seed`` and ``run.parts``.

    Raises
    ------
    UserError
        A phenotype file that is not valid, no case, no case with a control, or an optimal matching
        that would not fit in memory.
    """
    disease = read_phenotype(phenotype)
    criteria = Criteria.from_configuration(cohort)
    tables = {
        "events": events,
        "persons": persons,
        "observation_periods": observation_periods,
        "codes": codes,
    }
    records = cohort_records(cohort, disease, tables, seed, parts)
    cases, case_steps = find_cases(records, criteria, _run_in_words(cohort))
    where = f"Cohort {name} of site {site}"
    logger.info("%s, cases: %s", where, describe(case_steps))
    if not len(cases):
        raise UserError(_no_case(where, cohort, disease, pq.read_table(codes), case_steps))
    try:
        matches = match_cases(records, cases, criteria, seed)
    except UserError as error:
        raise UserError(f"{where}: {error}.") from error
    logger.info("%s, controls: %s", where, describe(matches.steps))
    if not len(matches.case):
        raise UserError(_no_control(where, len(cases), matches.steps))
    matched = Step("matched to at least one control", len(np.unique(matches.case)))
    attrition = attrition_table({"case": [*case_steps, matched], "control": matches.steps})
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(attrition, folder / "attrition.csv")
    _write_csv(balance_table(records, cases, matches, criteria, seed), folder / "balance.csv")
    write_parquet(_matches(records, matches), folder / "matches.parquet")
    write_parquet(_cohort(records, matches), folder / "cohort.parquet")


def cohort_records(
    cohort: Mapping[str, Any],
    phenotype: Phenotype,
    tables: Mapping[str, Path],
    seed: int,
    parts: int,
) -> Records:
    """Read what a case-control cohort has to know of a site's persons.

    ``tables`` holds the files events, persons, observation_periods and codes of stage 1.
    """
    return read_records(
        **tables,
        phenotype=phenotype,
        qualifying_encounters=cohort["qualifying_encounters"],
        qualifying_months=cohort["qualifying_months"],
        care_sites="care_site" in cohort["matching"]["exact"],
        seed=seed,
        parts=parts,
    )


def _set_ids(matches: Matches) -> Ints:
    """Return each pair's set: the rank of its case by subject_id, by which the pairs are sorted."""
    begins = np.diff(matches.case, prepend=matches.case[:1]) != 0
    return np.cumsum(begins)


def _matches(records: Records, matches: Matches) -> pa.Table:
    columns = {
        "set_id": _set_ids(matches),
        "case": records.subject_id[matches.case],
        "control": records.subject_id[matches.control],
        "distance": matches.distance,
        "n_eligible": matches.n_eligible,
        "n_sampled": matches.n_sampled,
    }
    return pa.table(columns).cast(MATCHES)


def _cohort(records: Records, matches: Matches) -> pa.Table:
    """One row a case and a row a control and set, each at the index date of the set's case."""
    set_ids = _set_ids(matches)
    sets, first = np.unique(set_ids, return_index=True)
    rows = np.concatenate([matches.case[first], matches.control])
    set_id = np.concatenate([sets, set_ids])
    index = records.run_start[np.concatenate([matches.case[first], matches.case])]
    label = np.arange(len(rows)) < len(sets)
    order = np.lexsort((set_id, index, records.subject_id[rows]))
    columns = {
        "set_id": set_id,
        "subject_id": records.subject_id[rows],
        "index_time": index.astype("datetime64[D]").astype("datetime64[us]"),
        "label": label,
        "part": records.part[rows],
    }
    return pa.table({key: values[order] for key, values in columns.items()}).cast(COHORT)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _run_in_words(cohort: Mapping[str, Any]) -> str:
    encounters = number_of(cohort["qualifying_encounters"], "visit")
    months = number_of(cohort["qualifying_months"], "month")
    return f"{encounters} with a qualifying code within {months}"


def _no_case(
    where: str, cohort: Mapping[str, Any], phenotype: Phenotype, codes: pa.Table, steps: list[Step]
) -> str:
    return (
        f"{where} has no case. {looked_for(cohort, phenotype, codes)} Found: {describe(steps)}. "
        "Lower qualifying_encounters, widen the criteria that leave nobody, or choose another "
        "phenotype."
    )


def looked_for(cohort: Mapping[str, Any], phenotype: Phenotype, codes: pa.Table) -> str:
    """Say what makes somebody ill in a cohort with an outcome, for an error."""
    concepts = len(qualifying_codes(phenotype, codes))
    icd = len(phenotype.icd9cm) + len(phenotype.icd10cm)
    return (
        f"Looked for: {_run_in_words(cohort)} (phenotype {phenotype.name}: {concepts} condition "
        f"concepts, {icd} ICD codes)."
    )


def _no_control(where: str, cases: int, steps: list[Step]) -> str:
    return (
        f"{where} has {number_of(cases, 'case')} but none with an eligible control in its part. "
        f"Found: {describe(steps)}. Widen the calipers of matching, or lower run.parts."
    )

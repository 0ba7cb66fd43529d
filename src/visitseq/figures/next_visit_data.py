"""Doctor AI's Table 1 from the study: whose next visits are predicted, and what they hold.

A row a site, task, encoding and quantity, and beside it what the paper's table has. The largest
visit belongs to one person: what is shown is how many codes a visit of so many persons as may be
shown reaches. Where there are fewer persons than may be shown, nothing is.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from visitseq.encode.histories import Histories, read_histories
from visitseq.encode.sequences import Integers, open_batch
from visitseq.figures.published import HEADING
from visitseq.figures.published_next_visit import doctor_ai, published_labels
from visitseq.figures.rows_tested import show_persons
from visitseq.figures.small_cells import SUPPRESSED, show_share
from visitseq.figures.study import Setting, Study

#: Labels of a visit, of which the paper says how many patients have more at least once.
MANY_LABELS = 10
_COLUMNS = ["records", "site", "task", "encoding", "quantity", "value", HEADING]


def next_visit_data_table(study: Study) -> pd.DataFrame:
    """Every quantity of every setting in which next visits are predicted."""
    lines = [
        {
            "records": study.records(setting.site),
            **setting._asdict(),
            "quantity": words,
            "value": value,
            HEADING: _printed(study, setting, name),
        }
        for setting in study.next_visit_settings
        for name, words, value in _quantities(study, setting)
    ]
    return pd.DataFrame(lines, columns=_COLUMNS)


def _quantities(study: Study, setting: Setting) -> list[tuple[str, str, str]]:
    """The paper's name of each quantity, what it is in words, and its value as text."""
    histories, minimum = read_histories(study.visits(setting)), study.minimum_cell
    sizes, labels = np.diff(histories.code_offsets), np.diff(histories.label_offsets)
    many = int((_largest(histories, labels) > MANY_LABELS).sum())
    persons = len(histories)
    reached = np.sort(_largest(histories, sizes))[-min(max(minimum, 1), persons)]
    largest = f"codes of the largest visit, reached by {minimum} patients (published: by one)"
    with_many = f"patients with a visit of more than {MANY_LABELS} labels"
    quantities = [
        ("patients", "patients", show_persons(study, setting, persons)),
        ("visits_a_patient", "visits a patient, mean", _mean(histories.lengths)),
        ("codes_a_visit", "codes a visit, mean", _mean(sizes)),
        ("most_codes_of_a_visit", largest, f"{reached:,}"),
        ("codes", "distinct codes", f"{len(np.unique(histories.codes)):,}"),
        *_label_quantities(study, setting),
        *_rolled_up(study, setting),
        ("days_between_visits", "days between visits, mean", _mean(_gaps(histories))),
        ("share_with_more_than_10_labels", with_many, show_share(many, persons, minimum)),
    ]
    few = persons < minimum
    return [(name, words, SUPPRESSED if few else value) for name, words, value in quantities]


def _label_quantities(study: Study, setting: Setting) -> Iterator[tuple[str, str, str]]:
    """How many labels there are, of each domain that the paper counts and of all."""
    names = pq.read_table(study.labels(setting), columns=["code"])["code"].to_pylist()
    for domain in study.next_visits[setting.task]["labels"]:
        if domain in ("condition", "drug"):
            count = sum(name.startswith(f"{domain}/") for name in names)
            yield f"{domain}_labels", f"distinct labels, {domain}", f"{count:,}"
    yield "labels", "distinct labels, all", f"{len(names):,}"


def _rolled_up(study: Study, setting: Setting) -> Iterator[tuple[str, str, str]]:
    """Which share of each domain's codes became wider labels, where the task asks for that."""
    counted = open_batch(study.visits(setting)).schema.metadata or {}
    task = study.next_visits[setting.task]
    for domain in task["labels"] if task["rollup"] != "none" else ():
        names = (f"{name}_{domain}".encode() for name in ("rolled_up", "not_rolled_up"))
        up, left = (int(counted.get(name, 0)) for name in names)
        if up + left:
            words = f"codes of domain {domain} that were rolled up, share"
            yield f"rolled_up_{domain}", words, f"{up / (up + left):.2f}"


def _largest(histories: Histories, sizes: Integers) -> Integers:
    """Size of the largest visit of each person, shape (persons,)."""
    largest: Integers = np.maximum.reduceat(sizes, histories.visit_offsets[:-1])
    return largest


def _mean(values: npt.NDArray[np.generic]) -> str:
    return f"{values.astype(np.float64).mean():.2f}"


def _gaps(histories: Histories) -> npt.NDArray[np.float32]:
    """Days before each visit but the first of each person."""
    return np.delete(histories.days, histories.visit_offsets[:-1])


def _printed(study: Study, setting: Setting, quantity: str) -> str:
    """What Table 1 or the text has; of all labels together where the task has both kinds."""
    number = doctor_ai()["table1"].get(quantity)  # the paper does not say how many it rolled up
    if number is None:
        return ""
    of_both = quantity in ("labels", "share_with_more_than_10_labels")
    if of_both and published_labels(study.next_visits[setting.task]) != "dx_rx":
        return ""
    return f"{100 * number:.1f}%" if number < 1 else f"{number:,}"

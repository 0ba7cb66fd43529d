"""The tables and figures of Doctor AI (Choi et al., MLHC 2016) from the study's own.

Table 1          next_visit_data
Table 2          next_visit
Fig. 1           schematic_next_visit
Fig. 2a          next_visit_recall; besides, next_visit_frequency and next_visit_labels
Fig. 2b          next_visit_entropy

There are none in a study that predicts no next visits.
"""

import pandas as pd
from matplotlib.figure import Figure

from visitseq.figures.next_visit_data import next_visit_data_table
from visitseq.figures.next_visit_entropy import draw_entropy
from visitseq.figures.next_visit_groups import read_group_recalls
from visitseq.figures.next_visit_recall import (
    draw_by_frequency,
    draw_by_labels,
    draw_by_visit_number,
)
from visitseq.figures.next_visit_results import NextVisitResult
from visitseq.figures.next_visit_table import next_visit_table
from visitseq.figures.schematic_next_visit import draw_schematic_next_visit
from visitseq.figures.study import Study


def doctor_ai_tables(study: Study, results: list[NextVisitResult]) -> dict[str, pd.DataFrame]:
    """Make the paper's tables, by their names."""
    if not study.next_visits:
        return {}
    return {
        "next_visit_data": next_visit_data_table(study),
        "next_visit": next_visit_table(study, results),
    }


def doctor_ai_figures(study: Study, results: list[NextVisitResult]) -> dict[str, Figure]:
    """Make the paper's figures, by their names."""
    if not study.next_visits:
        return {}
    recalls = read_group_recalls(study, results)
    return {
        "schematic_next_visit": draw_schematic_next_visit(study),
        "next_visit_recall": draw_by_visit_number(study, recalls),
        "next_visit_frequency": draw_by_frequency(study, recalls),
        "next_visit_labels": draw_by_labels(study, recalls),
        "next_visit_entropy": draw_entropy(study),
    }

"""The tables and figures of models that are moved from one site to another.

transfer, coverage                 tables
transfer_matrix                    all directions, the home evaluations on the diagonal
transfer_fraction                  by share of the target's training part
transfer_curve                     Doctor AI's Fig. 3 (Choi et al., MLHC 2016): by epoch
transfer_coverage                  shares of codes that are known, and what hangs on them
transfer_calibration               intercept and slope at the target

There are none in a study that moves no model. Of models that differ in their seed alone the figures
show the first; the table has all.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from visitseq.figures.model_results import ModelResult
from visitseq.figures.next_visit_results import NextVisitResult
from visitseq.figures.study import Study
from visitseq.figures.transfer_calibration import draw_transfer_calibration
from visitseq.figures.transfer_coverage import draw_coverage
from visitseq.figures.transfer_coverage_table import coverage_table
from visitseq.figures.transfer_curve import draw_curve
from visitseq.figures.transfer_fraction import draw_by_fraction
from visitseq.figures.transfer_matrix import draw_matrix
from visitseq.figures.transfer_results import TransferResult
from visitseq.figures.transfer_table import transfer_table


def transfer_tables(study: Study, results: list[TransferResult]) -> dict[str, pd.DataFrame]:
    """Make the tables of moved models, by their names."""
    if not study.transferred:
        return {}
    return {"transfer": transfer_table(study, results), "coverage": coverage_table(study)}


def transfer_figures(
    study: Study, home: Sequence[ModelResult | NextVisitResult], results: list[TransferResult]
) -> dict[str, Figure]:
    """Make the figures of moved models, by their names; ``home`` is where they were trained."""
    if not study.transferred:
        return {}
    shown = [result for result in results if study.first_of(result.model) == result.model]
    return {
        "transfer_matrix": draw_matrix(study, home, shown),
        "transfer_fraction": draw_by_fraction(study, shown),
        "transfer_curve": draw_curve(study, shown),
        "transfer_coverage": draw_coverage(study, shown),
        "transfer_calibration": draw_transfer_calibration(study, shown),
    }

"""Stage 7: draw every table and figure of the study."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from visitseq.figures.attrition import draw_attrition
from visitseq.figures.calibration import draw_calibration
from visitseq.figures.cohort import draw_cohort
from visitseq.figures.cohort_table import cohort_table
from visitseq.figures.forecast import draw_forecast
from visitseq.figures.forecast_results import read_forecasts
from visitseq.figures.love import draw_love
from visitseq.figures.metrics_table import Result, metrics_table, readable_metrics
from visitseq.figures.model_results import read_ceilings, read_results
from visitseq.figures.paper import paper_figures, paper_tables
from visitseq.figures.reach import draw_reach
from visitseq.figures.reach_results import read_reach
from visitseq.figures.reach_table import reach_table
from visitseq.figures.roc import draw_roc
from visitseq.figures.study import Study
from visitseq.figures.style import house_style, save
from visitseq.tables import write_parquet

logger = logging.getLogger(__name__)


def draw_figures(*, study: Mapping[str, Any], results: Path, folder: Path) -> None:
    """Write metrics.parquet, table_*.csv and fig_*.{pdf,svg}; fig_forecast where there is one.

    Where the study has nothing to show (no model, say), a table has no rows and a figure says why.

    Parameters
    ----------
    study
        ``sites`` ({name: {"synthetic": bool}}), ``tasks`` ({name: its section}), ``encodings`` and
        ``models`` with ``encoding_sections`` and ``model_sections`` by their names, ``forward``
        (the models that are recurrent and read forwards alone) and ``folds`` in the order of the
        study; ``forecasts``, each task of kind forecast with an encoding and a model that go with
        it; ``training_sizes``, the numbers of patients on which training was timed; ``seed`` and
        ``draws`` of the bootstrap; ``minimum_cell``, the smallest number of persons that may be
        shown.
    results
        Folder of the results of all stages.
    folder
        Where the files go.
    """
    shown = Study.from_mapping(study, results)
    models, persons = read_results(shown), cohort_table(shown)
    ceilings, forecasts, reaches = read_ceilings(shown), read_forecasts(shown), read_reach(shown)
    results_shown: list[Result] = [*models, *ceilings, *forecasts]
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(metrics_table(results_shown), folder / "metrics.parquet")
    _write_csv(readable_metrics(shown, results_shown), folder / "table_metrics.csv")
    _write_csv(persons, folder / "table_cohort.csv")
    _write_csv(reach_table(shown, reaches), folder / "table_reach.csv")
    for name, table in paper_tables(shown, models).items():
        _write_csv(table, folder / f"{name}.csv")
    with house_style():
        save(draw_roc(shown, models, ceilings), folder, "fig_roc")
        save(draw_calibration(shown, models), folder, "fig_calibration")
        save(draw_attrition(shown), folder, "fig_attrition")
        save(draw_love(shown), folder, "fig_love")
        save(draw_cohort(shown, persons), folder, "fig_cohort")
        save(draw_reach(shown, reaches), folder, "fig_reach")
        for name, figure in paper_figures(shown, models).items():
            save(figure, folder, name)
        if shown.forecasts:
            save(draw_forecast(shown, forecasts), folder, "fig_forecast")
    logger.info("Results of %d models drawn", len(models) + len(forecasts))


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")

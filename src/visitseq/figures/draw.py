"""Stage 7: draw every table and figure of the study."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visitseq.figures.alignment import draw_alignment
from visitseq.figures.as_used import draw_as_used
from visitseq.figures.as_used_results import read_as_used
from visitseq.figures.as_used_table import as_used_table
from visitseq.figures.attrition import draw_attrition
from visitseq.figures.calibration import draw_calibration
from visitseq.figures.choi_compat_table import choi_compat_table
from visitseq.figures.cohort import draw_cohort
from visitseq.figures.cohort_table import cohort_table
from visitseq.figures.comparisons import comparison_table, delong_table
from visitseq.figures.doctor_ai import doctor_ai_figures, doctor_ai_tables
from visitseq.figures.errors_table import errors_table
from visitseq.figures.forecast import draw_forecast
from visitseq.figures.forecast_results import read_forecasts
from visitseq.figures.giveaways_table import giveaways_table
from visitseq.figures.importance import draw_importance
from visitseq.figures.importance_results import importance_table, read_importances
from visitseq.figures.in_time_table import in_time_table
from visitseq.figures.love import draw_love
from visitseq.figures.metrics_table import Result, metrics_table, readable_metrics
from visitseq.figures.model_results import read_ceilings, read_results
from visitseq.figures.next_visit_results import read_next_visits
from visitseq.figures.paper import paper_figures, paper_tables
from visitseq.figures.reach import draw_reach
from visitseq.figures.reach_results import read_reach
from visitseq.figures.reach_table import reach_table
from visitseq.figures.replicates import headline_results
from visitseq.figures.roc import draw_roc
from visitseq.figures.strata import draw_strata
from visitseq.figures.strata_results import read_strata
from visitseq.figures.strata_table import strata_table
from visitseq.figures.study import Study
from visitseq.figures.style import house_style, save
from visitseq.figures.subgroup_results import read_subgroups
from visitseq.figures.subgroup_table import subgroup_table
from visitseq.figures.subgroups import draw_subgroups
from visitseq.figures.transfer_figures import transfer_figures, transfer_tables
from visitseq.figures.transfer_results import read_transfers
from visitseq.figures.variance_table import variance_table
from visitseq.tables import write_parquet

logger = logging.getLogger(__name__)


def draw_figures(*, study: Mapping[str, Any], results: Path, folder: Path) -> None:
    """Write metrics.parquet, table_*.csv and fig_*.{pdf,svg}.

    What is of forecasts or of next visits alone is there where the study has such a task, what is
    of moved models where it moves any.

    Where the study has nothing to show (no model, say), a table has no rows and a figure says why.

    Parameters
    ----------
    study
        ``sites`` ({name: {"synthetic": bool}}), ``tasks`` ({name: its section}), ``encodings`` and
        ``models`` with ``encoding_sections`` and ``model_sections`` by their names, ``forward``
        (the models that are recurrent and read forwards alone), ``explained`` (those whose scores
        are explained) and ``folds`` in the order of the study; ``reference`` (the model that others
        are compared with, or None), ``frequency`` (those that know the number of visits alone),
        ``replicates`` ({the first of models that differ in their seed alone: all of them}),
        ``parts``; ``as_used``, each task of cases and controls, landmark task, encoding and model
        that is scored as it would be used, and ``landmarks``, the cohort of each such landmark
        task; ``forecasts`` and ``next_visits``, each task of kind forecast or next_visit with an
        encoding and a model that go with it; ``choi_compat``, those of ``next_visits`` that are
        also scored as the released code does it; ``transfer``, each source, target, task, encoding
        and model of stage 6; ``in_time``, each task and encoding of which models were tested in
        time; ``training_sizes``, the numbers of patients on which training was timed;
        ``seed`` and ``draws`` of the bootstrap; ``minimum_cell``, the
        smallest number of persons that may be shown.
    results
        Folder of the results of all stages.
    folder
        Where the files go.
    """
    shown = Study.from_mapping(study, results)
    every_model, persons = read_results(shown), cohort_table(shown)
    ceilings, forecasts, reaches = read_ceilings(shown), read_forecasts(shown), read_reach(shown)
    next_visits, transfers = read_next_visits(shown), read_transfers(shown)
    of_visits: list[Result] = [*forecasts, *next_visits]
    models = headline_results(shown, every_model)
    strata, subgroups = read_strata(shown, models), read_subgroups(shown, models)
    importances = read_importances(shown)
    tables = {
        "metrics": readable_metrics(shown, [*models, *ceilings, *of_visits]),
        "cohort": persons,
        "reach": reach_table(shown, reaches),
        "comparisons": comparison_table(shown, models),
        "delong": delong_table(shown, models),
        "variance": variance_table(shown, models),
        "strata": strata_table(shown, strata),
        "subgroups": subgroup_table(shown, subgroups),
        "importance": importance_table(shown, importances),
        "errors": errors_table(shown),
        "giveaways": giveaways_table(shown),
        **paper_tables(shown, models),
        **doctor_ai_tables(shown, next_visits),
        **transfer_tables(shown, transfers),
    }
    used = read_as_used(shown)
    if shown.as_used:
        tables["as_used"] = as_used_table(shown, used)
    if shown.choi_compat:
        tables["choi_compat"] = choi_compat_table(shown)
    if shown.in_time:
        tables["in_time"] = in_time_table(shown)
    folder.mkdir(parents=True, exist_ok=True)
    every_result = [*every_model, *ceilings, *of_visits]
    metrics = metrics_table(every_result, transfers, shown.minimum_cell)
    write_parquet(metrics, folder / "metrics.parquet")
    for name, table in tables.items():
        table.to_csv(folder / f"table_{name}.csv", index=False, lineterminator="\n")
    with house_style():
        save(draw_roc(shown, models, ceilings), folder, "fig_roc")
        save(draw_calibration(shown, models), folder, "fig_calibration")
        save(draw_strata(shown, strata), folder, "fig_strata")
        save(draw_subgroups(shown, subgroups), folder, "fig_subgroups")
        save(draw_attrition(shown), folder, "fig_attrition")
        save(draw_love(shown), folder, "fig_love")
        save(draw_alignment(shown), folder, "fig_alignment")
        save(draw_cohort(shown, persons), folder, "fig_cohort")
        save(draw_reach(shown, reaches), folder, "fig_reach")
        save(draw_importance(shown, importances), folder, "fig_importance")
        figures = paper_figures(shown, models) | doctor_ai_figures(shown, next_visits)
        figures |= transfer_figures(shown, [*every_model, *next_visits], transfers)
        for name, figure in figures.items():
            save(figure, folder, f"fig_{name}")
        if shown.as_used:
            save(draw_as_used(shown, used), folder, "fig_as_used")
        if shown.forecasts:
            save(draw_forecast(shown, forecasts), folder, "fig_forecast")
    logger.info("Results of %d models drawn", len(every_model) + len(of_visits))

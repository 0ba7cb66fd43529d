"""The tables and figures of the heart-failure paper (Choi et al., JAMIA 2017) from the study's own.

Fig. 1, 2, 3     schematic_visits, schematic_network, schematic_windows
Fig. 4 and 5     encodings
Table 1 and 2    observation, prediction; as curves in windows
Table 3          timing_scoring
Fig. 6           timing_training, where numbers of patients are asked for
"""

import pandas as pd
from matplotlib.figure import Figure

from visitseq.figures.encodings import draw_encodings
from visitseq.figures.model_results import ModelResult
from visitseq.figures.schematic_network import draw_schematic_network
from visitseq.figures.schematic_visits import draw_schematic_visits
from visitseq.figures.schematic_windows import draw_schematic_windows
from visitseq.figures.study import Study
from visitseq.figures.timing import draw_training_times, scoring_table
from visitseq.figures.windows import draw_windows
from visitseq.figures.windows_table import windows_table


def paper_tables(study: Study, results: list[ModelResult]) -> dict[str, pd.DataFrame]:
    """Make the paper's tables, by their names."""
    return {
        "observation": windows_table(study, results, "observation"),
        "prediction": windows_table(study, results, "prediction"),
        "timing_scoring": scoring_table(study),
    }


def paper_figures(study: Study, results: list[ModelResult]) -> dict[str, Figure]:
    """Make the paper's figures, by their names."""
    figures = {
        "schematic_visits": draw_schematic_visits(study),
        "schematic_network": draw_schematic_network(study),
        "schematic_windows": draw_schematic_windows(study),
        "encodings": draw_encodings(study, results),
        "windows": draw_windows(study, results),
    }
    if study.training_sizes:
        figures["timing_training"] = draw_training_times(study)
    return figures

"""How far back each network sees, as the reach.csv and reach.json of its folds tell it.

What is shown are the gradients relative to the row's own at its last visit: they compare networks
whose losses differ. Over several folds the quartiles are averaged at each distance as logarithms,
which is how the figure draws them, and spectral radii as they are. A distance to which fewer
sequences reach than the study's minimum, in any fold, is left out.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.figures.study import Setting, Study

Floats = npt.NDArray[np.float64]

STATES = ("fresh", "trained")
QUARTILES = ["relative_median", "relative_low", "relative_high"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Median and quartiles of the relative gradient at distances 0, 1, …, shape (distances,)."""

    state: str
    quantity: str
    median: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Reach:
    """One network in one setting.

    Attributes
    ----------
    curves
        One for each of ``STATES`` and each quantity (h, and of an LSTM c), without distances where
        too few sequences reach.
    radii
        Spectral radius of each gate's W, by state and gate.
    """

    setting: Setting
    model: str
    curves: list[Curve]
    radii: dict[str, dict[str, float]]


def read_reach(study: Study) -> list[Reach]:
    """Read every network of every setting, in the study's order; none where no fold was run."""
    if not study.folds:
        return []
    return [
        _read_model(study, setting, model)
        for setting in study.settings
        for model in study.models_of(setting)
        if model in study.forward
    ]


def _read_model(study: Study, setting: Setting, model: str) -> Reach:
    folders = [study.evaluation_folder(setting, model, fold) for fold in study.folds]
    tables = [pd.read_csv(folder / "reach.csv") for folder in folders]
    # A validation part without sequences has no line, and so no quantity.
    quantities = dict.fromkeys(name for table in tables for name in table["quantity"]) or ["h"]
    curves = []
    for state in STATES:
        for quantity in quantities:
            of_folds = [t[(t["state"] == state) & (t["quantity"] == quantity)] for t in tables]
            curves.append(Curve(state, quantity, *_mean_curve(of_folds, study.minimum_cell)))
    return Reach(setting, model, curves, _mean_radii(folders))


def _mean_curve(of_folds: list[pd.DataFrame], minimum: int) -> list[Floats]:
    """Quartiles at the distances to which ``minimum`` sequences of every fold reach."""
    # Sequences that reach a distance reach all smaller ones: what may be shown is a beginning.
    shown = min(int((table["sequences"] >= minimum).sum()) for table in of_folds)
    values = np.stack([table[QUARTILES].to_numpy(np.float64)[:shown].T for table in of_folds])
    with np.errstate(divide="ignore"):  # a gradient that is 0 stays 0
        return list(np.exp(np.log(values).mean(axis=0)))


def _mean_radii(folders: list[Path]) -> dict[str, dict[str, float]]:
    radii = [
        json.loads((folder / "reach.json").read_text(encoding="utf-8"))["spectral_radius"]
        for folder in folders
    ]
    return {
        state: {gate: float(np.mean([of[state][gate] for of in radii])) for gate in radii[0][state]}
        for state in STATES
    }

"""The names and numbers that as_used.json and as_used_curves.csv go by."""

import numpy as np

#: The metrics, in the order of as_used.json.
AS_USED_METRICS = (
    "auroc",
    "auprc",
    "brier",
    "calibration_intercept",
    "calibration_slope",
    "ici",
)

#: The probabilities as they are, and after recalibration.
RAW, RECALIBRATED = "raw", "recalibrated"

#: The cohort on which a model was trained.
CASE_CONTROL, LANDMARK = "case_control", "landmark"

#: The keys of what a model trained on the landmark cohort is worth, and of differences from it.
TRAINED_THERE, LESS_TRAINED_THERE = "trained_on_landmark", "less_trained_on_landmark"

#: Risks from which on somebody is flagged.
THRESHOLDS = np.array([0.02, 0.05, 0.1, 0.2])

#: Thresholds of the decision curve.
DECISIONS = np.arange(1, 61) / 200

#: The curve of flagging everybody, in the place of a probability.
TREAT_ALL = "treat_all"

#: Columns of as_used_curves.csv; ``x`` is a probability (calibration) or a threshold (decision).
COLUMNS = ("landmark_task", "trained_on", "curve", "probability", "x", "value", "low", "high")

"""The classical models that are fitted in one go, by scikit-learn, on scaled features.

    logistic   min over w, b of  |w|^2 / 2 + C sum of log(1 + exp(-y (w x + b)))
    svm        min over w, b of  |w|^2 / 2 + C sum of max(0, 1 - y (w x + b))^2
    knn        the share of cases among the k training rows nearest to x (Euclid)

y is 1 for a case, -1 for a control, and C ``inverse_penalty``. Features are divided by their
standard deviation over the training rows. Dense ones are centred too; sparse ones are not, so that
they stay sparse: the intercept takes up the difference, and distances do not change (Choi et al.,
JAMIA 2017, Methods, standardise). The support vector machine is solved in its primal form
(LIBLINEAR's trust-region Newton; the squared hinge has one), which draws nothing at random.

A margin of the support vector machine and a share of neighbours order rows but are no
probabilities; stage 5 turns them into some.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from visitseq.train.features import Floats, Matrix
from visitseq.train.fitted import Fitted, Part, part_losses

ITERATIONS = 1000
#: Rows whose distances to all training rows are held at once: 128 MiB for 33,000 of them.
BLOCK = 512
#: LIBLINEAR penalises the intercept as the weight of a column that holds this number everywhere. At
#: 1 the penalty forbids the intercept that features that are not centred need, and the codes'
#: weights bend to make up for it; at 1000 it is a millionth of theirs.
INTERCEPT_UNIT = 1000


def scaler_for(features: Matrix) -> StandardScaler:
    """Give the scaler, not fitted, of sparse or dense features."""
    return StandardScaler(with_mean=not sparse.issparse(features))


def fit_estimator(model: Mapping[str, Any], training: Part, validation: Part) -> Fitted:
    """Fit scaler and model to the training part; a logistic regression has losses too."""
    estimator = _estimator(model, len(training.labels))
    pipeline = Pipeline([("scale", scaler_for(training.features)), ("classify", estimator)])
    pipeline.fit(*training)
    if model["kind"] != "logistic":
        return Fitted(pipeline, history=[], chosen=0)
    losses = part_losses(partial(margin, pipeline), training, validation)
    return Fitted(pipeline, [losses], chosen=1)


def margin(pipeline: Pipeline, features: Matrix) -> Floats:
    """Log-odds of a logistic regression, or margin of a support vector machine, shape (rows,)."""
    values: Floats = pipeline.decision_function(features)
    return values


def share_of_neighbours(pipeline: Pipeline, features: Matrix) -> Floats:
    """Share of cases among the nearest training rows, shape (rows,).

    Distances to all training rows are taken for a block of rows at a time, which bounds memory.
    """
    starts = range(0, features.shape[0], BLOCK)
    blocks = [pipeline.predict_proba(features[start : start + BLOCK]) for start in starts]
    return np.concatenate(blocks)[:, 1]


def _estimator(
    model: Mapping[str, Any], rows: int
) -> LogisticRegression | LinearSVC | KNeighborsClassifier:
    if model["kind"] == "logistic":
        return LogisticRegression(C=model["inverse_penalty"], tol=1e-6, max_iter=ITERATIONS)
    if model["kind"] == "svm":
        return LinearSVC(
            C=model["inverse_penalty"],
            intercept_scaling=INTERCEPT_UNIT,
            dual=False,
            tol=1e-6,
            max_iter=ITERATIONS,
        )
    return KNeighborsClassifier(min(model["neighbours"], rows), algorithm="brute")

"""Fit a logistic regression that is pulled to the source's, and not to 0.

At home a logistic regression is a convex fit, which forgets where it began: to go on from the
source's weights would be to train from scratch. So the source enters as what the penalty pulls to,

    min over w, b of  |w - w_source|^2 / 2 + C sum of log(1 + exp(-y (w x + b)))

on features in the source's scale: the most probable weights, where what is known before the first
patient of the target is seen is a normal distribution around the source's (Chelba and Acero, EMNLP
2004, adapting a maximum-entropy model; "PRIOR" in Daume III, ACL 2007). With w_source = 0 it is
home's fit. It is an L2-penalised regression on w - w_source with the source's logit as an offset.

C, ``inverse_penalty``, is chosen by the log loss of the drawn validation rows, from the strongest
pull on: the source as it came; its weights with an intercept of the target's; then the values that
the model's search tries at home, or five decades where it has none. Of equals the stronger stays.
Without validation rows, C is home's.
"""

import copy
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.pipeline import Pipeline

from visitseq.train.estimators import ITERATIONS, margin
from visitseq.train.features import Floats, Matrix
from visitseq.train.fitted import Part
from visitseq.train.losses import log_loss

log = logging.getLogger(__name__)

#: Tried where the model has no search.
INVERSE_PENALTIES = (0.0001, 0.001, 0.01, 0.1, 1.0)
#: Largest slope of the mean loss that is left.
FLAT = 1e-8


def fit_from_source(
    model: Mapping[str, Any], source: Pipeline, training: Part, validation: Part
) -> Pipeline:
    """Fit near the source's model, as near as the validation rows say.

    Parameters
    ----------
    model
        The source's settings; ``search`` and ``inverse_penalty`` are used.
    source
        The source's model on the columns of the features (``graft_logistic``).
    training, validation
        Features and labels of the drawn rows.
    """
    if not len(validation.labels):
        return fit_towards(source, training, model["inverse_penalty"])
    tried = (0.0, *sorted(model["search"].get("inverse_penalty", INVERSE_PENALTIES)))
    candidates = [source, *(fit_towards(source, training, value) for value in tried)]
    losses = [log_loss(margin(one, validation.features), validation.labels) for one in candidates]
    chosen = int(np.argmin(losses))
    name = ("the source as it came", "0 (the intercept alone moves)", *tried[1:])[chosen]
    log.info("inverse penalty of the distance from the source: %s", name)
    return candidates[chosen]


def fit_towards(source: Pipeline, training: Part, inverse_penalty: float) -> Pipeline:
    """Fit with the penalty pulling to the weights of ``source``; the intercept is free.

    Parameters
    ----------
    source
        Scaler and logistic regression.
    training
        Features and labels.
    inverse_penalty
        C; at 0 the weights stay, and the intercept alone is fitted.
    """
    scaled = source["scale"].transform(training.features)
    free = scaled if inverse_penalty else scaled[:, :0]  # what has no column cannot move
    penalty = 1 / (inverse_penalty * len(training.labels)) if inverse_penalty else 0.0
    offset = margin(source, training.features)
    loss = partial(_loss, features=free, labels=training.labels, offset=offset, penalty=penalty)
    start, precision = np.zeros(free.shape[1] + 1), 64 * np.finfo(np.float64).eps
    options = {"maxiter": ITERATIONS, "gtol": FLAT, "ftol": precision}
    fit = minimize(loss, start, method="L-BFGS-B", jac=True, options=options)
    model = copy.copy(source["classify"])
    model.coef_ = model.coef_.copy()
    model.coef_[0, : free.shape[1]] += fit.x[:-1]
    model.intercept_ = model.intercept_ + fit.x[-1]
    return Pipeline([("scale", source["scale"]), ("classify", model)])


def _loss(
    moved: Floats,
    *,
    features: Matrix,
    labels: npt.NDArray[np.bool_],
    offset: Floats,
    penalty: float,
) -> tuple[float, Floats]:
    """Mean log loss and penalty of ``moved``, changes of the weights and of the intercept.

    Returns
    -------
    loss, gradient
        The gradient has the shape of ``moved``.
    """
    weights, intercept = moved[:-1], moved[-1]
    logits = offset + features @ weights + intercept
    residuals = (expit(logits) - labels) / len(labels)
    gradient = np.append(features.T @ residuals + penalty * weights, residuals.sum())
    return log_loss(logits, labels) + penalty / 2 * float(weights @ weights), gradient

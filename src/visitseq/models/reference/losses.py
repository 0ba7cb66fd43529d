"""What the network predicts from o, and how wrong it is.

Softmax: one of the labels comes true, y is one-hot (the next diagnosis).

    yhat_k = exp(o_k) / sum_j exp(o_j)
    L = - sum_k y_k log yhat_k
    grad o = yhat - y

Where several labels come true at once (Doctor AI's next visit), y has a 1 for each of them and
grad o = n yhat - y, with n = sum_k y_k of them.

Logistic: each label comes true or not, by itself (heart failure).

    yhat_k = 1 / (1 + exp(-o_k))
    L = - sum_k [y_k log yhat_k + (1 - y_k) log(1 - yhat_k)]
    grad o = yhat - y

A loss takes o and y of shape (steps, labels), and every step is scored by itself. The logarithms
are taken of o, not of yhat, which may round to 0 or 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax

from visitseq.models.reference.steps import Floats


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions and their losses.

    Attributes
    ----------
    yhat
        Probability of each label, shape (steps, labels).
    L
        Loss of each step in nats, shape (steps,).
    grad_o
        Gradients of L with respect to o, shape (steps, labels).
    """

    yhat: Floats
    L: Floats
    grad_o: Floats


Loss = Callable[[Floats, Floats], Scored]


def softmax(o: Floats, y: Floats) -> Scored:
    """Softmax and cross-entropy of ``o`` against ``y``, both of shape (steps, labels)."""
    # log yhat_k = o_k - log sum_j exp(o_j)
    log_yhat = log_softmax(o, axis=1)
    yhat = np.exp(log_yhat)
    # L = - sum_k y_k log yhat_k
    L = -(y * log_yhat).sum(axis=1)
    # grad o = n yhat - y,  n = sum_k y_k
    grad_o = y.sum(axis=1, keepdims=True) * yhat - y
    return Scored(yhat, L, grad_o)


def logistic(o: Floats, y: Floats) -> Scored:
    """Logistic function and cross-entropy of ``o`` against ``y``, both of shape (steps, labels)."""
    # yhat = 1 / (1 + exp(-o))
    yhat = expit(o)
    # L = - sum_k [y_k log yhat_k + (1 - y_k) log(1 - yhat_k)] = sum_k [log(1 + exp(o_k)) - y_k o_k]
    L = (np.logaddexp(0, o) - y * o).sum(axis=1)
    # grad o = yhat - y
    grad_o = yhat - y
    return Scored(yhat, L, grad_o)

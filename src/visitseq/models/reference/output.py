"""The output of a recurrent network, at the steps that have one.

    o_t = V h_t + b2
    yhat_t = g(o_t)
    L = sum_t L_t

and back:

    grad V = sum_t grad o_t h_t'
    grad b2 = sum_t grad o_t
    V' grad o_t                    what o_t adds to grad h_t

where ' transposes and grad a is the gradient of L with respect to a. ``losses`` has g, L_t and
grad o_t.
"""

from dataclasses import dataclass

from visitseq.models.reference.losses import Loss, Scored
from visitseq.models.reference.steps import Floats, sum_of_products


@dataclass(frozen=True, eq=False)
class Output:
    """Weights of the output: ``V`` (labels, hidden) and ``b2`` (labels,)."""

    V: Floats
    b2: Floats


@dataclass(frozen=True, eq=False)
class OutputTrace:
    """What the output computed.

    Attributes
    ----------
    output
        The weights.
    h
        States from which it predicted, shape (steps, hidden).
    o
        V h + b2, shape (steps, labels).
    scored
        yhat, L and grad o.
    """

    output: Output
    h: Floats
    o: Floats
    scored: Scored

    @property
    def loss(self) -> float:
        """Loss summed over the steps, in nats; 0 without steps."""
        # L = sum_t L_t
        return float(self.scored.L.sum())


@dataclass(frozen=True, eq=False)
class OutputGradients:
    """Gradients: with respect to the weights, and what the output adds to each grad h_t."""

    output: Output
    h: Floats


def forward(output: Output, h: Floats, y: Floats, loss: Loss) -> OutputTrace:
    """Predict from the states ``h``, shape (steps, hidden), and compare with ``y``.

    Raises
    ------
    ValueError
        If ``y`` is not of shape (steps, labels): NumPy would stretch it silently.
    """
    # o_t = V h_t + b2
    o = h @ output.V.T + output.b2
    if y.shape != o.shape:
        raise ValueError(f"y has shape {y.shape}, the outputs have {o.shape}")
    return OutputTrace(output, h, o, loss(o, y))


def backward(trace: OutputTrace) -> OutputGradients:
    """Gradients of the summed loss."""
    grad_o = trace.scored.grad_o
    # grad V = sum_t grad o_t h_t'
    grad_V = sum_of_products(grad_o, trace.h)
    # grad b2 = sum_t grad o_t
    grad_b2 = grad_o.sum(axis=0)
    # V' grad o_t
    grad_h = grad_o @ trace.output.V
    return OutputGradients(Output(grad_V, grad_b2), grad_h)

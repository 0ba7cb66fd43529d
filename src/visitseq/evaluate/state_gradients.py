"""How much of the loss's gradient arrives at each state, by distance from the last visit.

A row of T visits is scored from its last state, yhat = s(o) with o = w . h_T + b, and has the log
loss L. The gradient of L at h_t is the total derivative, through all that comes after h_t: what
back-propagation through time carries from the last visit to visit t. By the chain rule

    grad h_t = dL/do * do/dh_t = (yhat - y) * do/dh_t

so one number a row, its residual, stands before all of them. ``norm`` is |grad h_t|; ``relative``
is |grad h_t| / |grad h_T| = |do/dh_t| / |do/dh_T|, from which the residual is gone: rows that are
predicted well and rows that are not then count alike, and so do a trained and a fresh network. Of
an LSTM the same is taken at c_t, the state that its gates carry on; grad c_t includes what goes
through h_t of the same step.

The distance of visit t is T - t: 0 at the last one. All is float64, since the gradient of a plain
network soon leaves the range of float32.
"""

import pandas as pd
import torch

from visitseq.models.unrolled import State, Weights, top_states

#: The parts of a state by the names that they have in a table.
QUANTITIES = ("h", "c")


def state_gradients(
    form: str,
    recurrent: Weights,
    head: Weights,
    *,
    inputs: torch.Tensor,
    batch_sizes: torch.Tensor,
    labels: torch.Tensor,
) -> pd.DataFrame:
    """Norms of the gradients at every state of the top layer.

    Parameters
    ----------
    form
        Name of the cell, as in ``unrolled``.
    recurrent, head
        State dicts of the recurrence (torch.nn's names) and of the linear layer after it
        (``weight`` of shape (1, hidden), ``bias`` of shape (1,)).
    inputs
        Inputs of the recurrence, packed, shape (visits, inputs).
    batch_sizes
        Rows that take part in each step, shape (steps,), at least one step.
    labels
        0 or 1 of each row, the longest first, shape (rows,).

    Returns
    -------
    pandas.DataFrame
        A row a visit and quantity: quantity (h, and of an LSTM c), distance, norm, relative.
    """
    recurrent, head = _double(recurrent), _double(head)
    states = top_states(form, recurrent, inputs.double(), batch_sizes)
    logits = _last_h(states, batch_sizes) @ head["weight"][0] + head["bias"]
    residuals = (torch.sigmoid(logits) - labels).abs().detach()
    tables = []
    for quantity, parts in zip(QUANTITIES, zip(*states, strict=True), strict=False):
        # Rows do not meet, so the sum's gradient at a row's state is that of its own logit.
        gradients = torch.autograd.grad(logits.sum(), parts, retain_graph=True)
        tables.append(_table(gradients, batch_sizes, residuals).assign(quantity=quantity))
    return pd.concat(tables, ignore_index=True)


def _double(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: weight.detach().double() for name, weight in weights.items()}


def _last_h(states: list[State], batch_sizes: torch.Tensor) -> torch.Tensor:
    """h_T of each row, the longest row first: at each step some of the last rows end."""
    ended = [*batch_sizes.tolist()[1:], 0]
    last = [h[first:] for (h, *_), first in zip(states, ended, strict=True)]
    return torch.cat(last[::-1])


def _table(
    gradients: tuple[torch.Tensor, ...], batch_sizes: torch.Tensor, residuals: torch.Tensor
) -> pd.DataFrame:
    """Distance, norm and relative norm of each visit, from the gradients of the logits."""
    norms = torch.cat([gradient.norm(dim=1) for gradient in gradients])
    rows = torch.cat([torch.arange(size) for size in batch_sizes.tolist()])
    steps = torch.repeat_interleave(torch.arange(len(batch_sizes)), batch_sizes)
    distances = torch.bincount(rows)[rows] - 1 - steps
    at_last = torch.empty_like(residuals)
    at_last[rows[distances == 0]] = norms[distances == 0]
    return pd.DataFrame(
        {
            "distance": distances.numpy(),
            "norm": (residuals[rows] * norms).numpy(),
            "relative": (norms / at_last[rows]).numpy(),
        }
    )

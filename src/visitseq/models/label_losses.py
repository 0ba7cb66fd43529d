"""The loss of a visit's labels, when a network writes one number o_j for each label j.

A visit holds several labels, Y. Two readings of the numbers, two losses:

    multinomial   p = softmax(o): where a label drawn from the visit falls
                  L = - sum_(y in Y) log p_y
                    = |Y| log sum_j exp(o_j) - sum_(y in Y) o_y
    sigmoid       p_j = 1 / (1 + exp(-o_j)): whether the visit holds the label j
                  L = - sum_(y in Y) log p_y - sum_(j not in Y) log (1 - p_j)
                    = sum_j log(1 + exp(o_j)) - sum_(y in Y) o_y

A visit without labels says nothing in either: its loss is 0. Only the labels that a visit holds are
looked up; the (visits x labels) matrix of zeros and ones is never built.
"""

import torch
from torch.nn import functional

#: The losses by name.
LOSSES = ("multinomial", "sigmoid")


def label_losses(
    logits: torch.Tensor, labels: torch.Tensor, offsets: torch.Tensor, loss: str
) -> torch.Tensor:
    """Loss of each visit, shape (visits,).

    Parameters
    ----------
    logits
        One number a visit and label, shape (visits, labels).
    labels
        The labels that the visits hold, visit after visit, int64.
    offsets
        First of each visit's ``labels``, and their number at the end, shape (visits + 1,).
    loss
        A name in ``LOSSES``.
    """
    counts = offsets.diff()
    visit = torch.repeat_interleave(torch.arange(len(counts)), counts)
    held = logits.new_zeros(len(counts)).index_add(0, visit, logits[visit, labels])
    if loss == "multinomial":
        losses = counts * logits.logsumexp(dim=1) - held
    else:
        losses = functional.softplus(logits).sum(dim=1) - held
    return torch.where(counts > 0, losses, 0.0)


def label_shares(logits: torch.Tensor, loss: str) -> torch.Tensor:
    """Share that each label has in what is predicted of a visit, summing to 1, as ``logits``."""
    if loss == "multinomial":
        return logits.softmax(dim=-1)
    return functional.normalize(logits.sigmoid(), p=1.0, dim=-1)

"""The loss of a visit's labels, when a network writes one number o_j for each label j.

A visit holds several labels, Y. Two readings of the numbers, three losses:

    multinomial   p = softmax(o): where a label drawn from the visit falls
                  L = - sum_(y in Y) log p_y
                    = |Y| log sum_j exp(o_j) - sum_(y in Y) o_y
    paper         p = softmax(o), the same
                  L = - sum_(y in Y) log p_y - sum_(j not in Y) log (1 - p_j)
    sigmoid       p_j = 1 / (1 + exp(-o_j)): whether the visit holds the label j
                  L = - sum_(y in Y) log p_y - sum_(j not in Y) log (1 - p_j)
                    = sum_j log(1 + exp(o_j)) - sum_(y in Y) o_y

``paper`` is Doctor AI's (Choi et al., MLHC 2016, with the minus sign that is missing in print): the
terms of independent labels, but of probabilities that compete. Of neither reading is it the
likelihood; its second sum presses hardest on what is held likely and does not come true. 1 - p_j is
held at the spacing of the floating-point numbers or above.

A visit without labels says nothing in any of them: its loss is 0. Only the labels that a visit
holds are looked up; the (visits x labels) matrix of zeros and ones is never built.
"""

import torch
from torch.nn import functional

#: The losses by name.
LOSSES = ("paper", "multinomial", "sigmoid")


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
    visit = visits_of(offsets)
    held = logits.new_zeros(len(counts)).index_add(0, visit, logits[visit, labels])
    if loss == "sigmoid":
        losses = functional.softplus(logits).sum(dim=1) - held
    else:
        losses = counts * logits.logsumexp(dim=1) - held
    if loss == "paper":
        absent = torch.log1p(-logits.softmax(dim=1).clamp(max=1 - _spacing(logits)))
        own = logits.new_zeros(len(counts)).index_add(0, visit, absent[visit, labels])
        losses = losses - (absent.sum(dim=1) - own)
    return torch.where(counts > 0, losses, 0.0)


def label_slopes(
    logits: torch.Tensor, labels: torch.Tensor, offsets: torch.Tensor, loss: str
) -> torch.Tensor:
    """Gradient of ``label_losses`` with respect to ``logits``, which it takes the place of.

    multinomial   |Y| p_j - [j in Y]
    sigmoid       p_j - [j in Y]
    paper         a_j - p_j sum_k a_k,   a_j = -1 for j in Y, else p_j / (1 - p_j)
    """
    counts, visit = offsets.diff().unsqueeze(1), visits_of(offsets)
    if loss == "sigmoid":
        slopes = logits.sigmoid_()
    else:
        slopes = logits.sub_(logits.amax(dim=1, keepdim=True)).exp_()
        slopes.div_(slopes.sum(dim=1, keepdim=True))
    if loss == "paper":
        shares = slopes
        slopes = shares / (1 - shares).clamp_min_(_spacing(logits))
        slopes[visit, labels] = -1.0
        return slopes.addcmul_(shares, slopes.sum(dim=1, keepdim=True), value=-1).mul_(counts > 0)
    slopes.mul_(counts if loss == "multinomial" else counts > 0)
    return slopes.index_put_((visit, labels), slopes.new_tensor(-1.0), accumulate=True)


def visits_of(offsets: torch.Tensor) -> torch.Tensor:
    """Visit of each label, shape (labels,)."""
    return torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())


def _spacing(logits: torch.Tensor) -> float:
    """Smallest 1 - p that is told from 0."""
    return torch.finfo(logits.dtype).eps


def label_shares(logits: torch.Tensor, loss: str) -> torch.Tensor:
    """Share that each label has in what is predicted of a visit, summing to 1, as ``logits``."""
    if loss == "sigmoid":
        return functional.normalize(logits.sigmoid(), p=1.0, dim=-1)
    return logits.softmax(dim=-1)

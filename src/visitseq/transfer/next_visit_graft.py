"""Give a network of the next visit the weights of a source's, for the codes and labels of an arm.

A label has a row in the head, as a code has one in the embedding (known.py). The heads' biases say
how frequent a label and how long a gap is: what the source's model knows is carried over, and a
label that it does not know starts at the base rate of the arm's training rows. A softmax has no
zero of its own, only differences count: there the base rates are moved to where the source's are,

    b_j = log (n_j + 1) + log (1 + sum m) - log (1 + sum n)     sums over the labels of both

with n_j and m_j the training visits that hold label j here and at the source.

Weights of a logistic regression that has no vectors are a table of a row a code and a column a
label, the days' last; with vectors, of a row a label.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from visitseq.models.next_visit import LogisticNextVisit, NextVisitNetwork
from visitseq.train.forecasting import label_counts
from visitseq.train.next_visit import NextVisitModel
from visitseq.train.next_visits import NextVisits
from visitseq.transfer.graft import graft

Places = npt.NDArray[np.intp]


class Origins(NamedTuple):
    """Where the weights of each known code and label of an arm come from.

    Attributes
    ----------
    codes, labels
        Place among what the source's model knows, its own or that of the nearest ancestor; -1 for
        none. Shape (codes,) and (labels,).
    same
        Place of the label itself among those, -1 where the source's model does not know it, shape
        (labels,).
    """

    codes: Places
    labels: Places
    same: Places


def begin_as_source(
    network: NextVisitNetwork, objective: NextVisits, *, source: NextVisitModel, origins: Origins
) -> None:
    """Set the weights of ``network``, as it was made, to the source's.

    Parameters
    ----------
    network
        Of the settings of the source's.
    objective
        With the arm's training rows.
    source
        The source's model, which has a network.
    origins
        Of the arm's codes and labels.
    """
    assert source.network is not None
    objective.start_at_base_rates()
    if network.loss_name != "sigmoid":
        with torch.no_grad():
            network.head.bias.add_(_to_source_scale(objective, source, origins.same))
    weights = source.network.state_dict()
    rows = {"reader.embed.weight": origins.codes, "head.bias": origins.same}
    if not isinstance(network, LogisticNextVisit):
        rows["head.weight"] = origins.labels
    else:
        columns = np.append(origins.labels, len(source.known_labels))  # the days' come last
        if network.reader.mix is None:
            weights["reader.embed.weight"] = _laid(weights["reader.embed.weight"], columns)
        else:
            rows["reader.mix.weight"] = columns
    graft(network, weights, rows)


def _to_source_scale(objective: NextVisits, source: NextVisitModel, same: Places) -> float:
    """What is added to a base rate of the training rows so that it is on the source's scale."""
    counts, _ = label_counts(objective.data, objective.training)
    both = same >= 0
    return float(
        np.log1p(source.label_visits[same[both]].sum()) - np.log1p(counts[: len(same)][both].sum())
    )


def _laid(table: torch.Tensor, columns: Places) -> torch.Tensor:
    """Columns of ``table`` by their places, 0 where there is none."""
    laid = table.new_zeros(len(table), len(columns))
    found = columns >= 0
    laid[:, torch.from_numpy(found)] = table[:, torch.from_numpy(columns[found])]
    return laid

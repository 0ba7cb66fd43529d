"""The networks that give each row one score, by the kind that the configuration calls them.

Each has ``embed``, the embedding bag of the codes, and ``head``, the linear layer whose output is
the logit; called on a batch (batches.py) it gives the logit of each row.
"""

from collections.abc import Callable, Mapping
from typing import Any

from visitseq.models.recurrent import RecurrentClassifier, build_classifier
from visitseq.models.retain import Retain, build_retain
from visitseq.models.transformer import Transformer, build_transformer

Network = RecurrentClassifier | Retain | Transformer

BUILDERS: dict[str, Callable[[Mapping[str, Any], int], Network]] = {
    "recurrent": build_classifier,
    "retain": build_retain,
    "transformer": build_transformer,
}


def build_network(model: Mapping[str, Any], codes: int) -> Network:
    """Network that a model's section of the configuration describes, for ``codes`` known codes."""
    return BUILDERS[model["kind"]](model, codes)

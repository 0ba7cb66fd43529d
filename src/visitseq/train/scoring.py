"""Score rows with a network, a batch at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import nn

from visitseq.encode.sequences import Integers, Sequences
from visitseq.models.batches import collate
from visitseq.models.networks import Network, build_network
from visitseq.train.shuffled_batches import batches_by_length

#: Rows scored at once: enough to fill the processor, few enough to bound memory.
BATCH = 512


def score_logits(
    network: nn.Module,
    sequences: Sequences,
    rows: Integers,
    known: npt.NDArray[np.int32],
    batch: int = BATCH,
) -> npt.NDArray[np.float64]:
    """Logit of each of ``rows``, shape (rows,); leaves the network in evaluation mode.

    Rows of similar length are scored together. A row's logit does not depend on the others but
    for the rounding of products of other shapes (relative 1e-5 or less in float32).
    """
    logits = np.empty(len(rows))
    network.eval()
    with torch.inference_mode():
        for places in batches_by_length(sequences.lengths[rows], batch):
            logits[places] = network(collate(sequences, rows[places], known)).numpy()
    return logits


def sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability of each logit, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))


def load_network(weights: Path, model: Mapping[str, Any], codes: int) -> Network:
    """Rebuild the network of a model's section from its saved weights."""
    # Building draws initial weights, soon overwritten, from torch's global generator.
    with torch.random.fork_rng(devices=[]):
        network = build_network(model, codes)
    network.load_state_dict(load_file(weights))
    return network

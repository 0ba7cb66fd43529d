"""How the logit of each kind of model is divided among the codes that it has read.

    recurrent, transformer, seq2seq    integrated gradients (``integrated_gradients``)
    retain                             its own contributions, of which its logit is the sum
    logistic                           the coefficient of the code, once for every visit with it

The last is what integrated gradients give of a model that is linear in counts. Other kinds are
refused: ``grid.unexplained`` has the reasons.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visitseq.errors import UserError
from visitseq.evaluate.integrated_gradients import POINTS, Attributions, integrated_gradients
from visitseq.grid import unexplained
from visitseq.models.batches import Batch
from visitseq.models.encoder_decoder import classifier_section
from visitseq.train.scoring import load_network
from visitseq.train.skops_archive import load_archive


class Explainer(NamedTuple):
    """Maps a batch to the attributions of its codes; ``words`` say how."""

    words: str
    attribute: Callable[[Batch], Attributions]


def load_explainer(folder: Path, card: Mapping[str, Any]) -> Explainer:
    """Load the model of a folder of 4_train, ``card`` its model.json, for explanation.

    Raises
    ------
    UserError
        The model's kind cannot be explained.
    """
    model = card["model"]
    reason = unexplained(model)
    if reason is not None:
        raise UserError(f"The model in {folder} cannot be explained: {reason}.")
    if model["kind"] == "logistic":
        return _linear(folder)
    section = classifier_section(model) if model["kind"] == "seq2seq" else model
    network = load_network(folder / "model.safetensors", section, len(card["known"]))
    if model["kind"] == "retain":
        return Explainer("contributions", lambda batch: contributions(network, batch))
    words = f"integrated gradients, {POINTS} points"
    return Explainer(words, lambda batch: integrated_gradients(network, batch))


def contributions(network: Any, batch: Batch) -> Attributions:
    """What a network of kind retain says itself; there is no integral to miss anything."""
    network.eval()
    codes = network.contributions(batch).detach().double().numpy()
    return Attributions(codes, np.zeros(len(batch.ranks)))


def _linear(folder: Path) -> Explainer:
    """Coefficients of the logistic regression on scaled counts, on the scale of the counts."""
    pipeline = load_archive(folder / "model.skops")
    coefficients = pipeline[-1].coef_[0] / pipeline[0].scale_

    def attribute(batch: Batch) -> Attributions:
        return Attributions(coefficients[batch.codes.numpy()], np.zeros(len(batch.ranks)))

    return Explainer("coefficients", attribute)

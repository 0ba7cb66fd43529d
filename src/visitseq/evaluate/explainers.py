"""How the logit of each kind of model is divided among the codes that it has read.

    recurrent, transformer, seq2seq    integrated gradients (``integrated_gradients``)
    retain                             its own contributions, of which its logit is the sum
    logistic, on counts                the coefficient of the code, once for every visit with it

The last is what integrated gradients give of a model that is linear in counts. Other kinds are
refused: ``grid.unexplained`` has the reasons.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visitseq.encode.sequences import Sequences
from visitseq.errors import UserError
from visitseq.evaluate.integrated_gradients import POINTS, Attributions, integrated_gradients
from visitseq.grid import unexplained
from visitseq.models.batches import Batch
from visitseq.models.encoder_decoder import classifier_section
from visitseq.models.retain import Retain
from visitseq.train.scoring import load_network
from visitseq.train.skops_archive import load_archive
from visitseq.train.vectors import with_vectors
from visitseq.train.visits_read import visits_read


class Explainer(NamedTuple):
    """How one model is explained.

    Attributes
    ----------
    words
        The method, as importance.json has it.
    attribute
        Maps a batch to the attributions of its codes.
    read
        Maps sequences to the visits that the model reads of them, the same rows.
    """

    words: str
    attribute: Callable[[Batch], Attributions]
    read: Callable[[Sequences], Sequences]


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
    built = with_vectors(section, card["encoding"])
    network = load_network(folder / "model.safetensors", built, len(card["known"]))
    read = partial(visits_read, model=section, seed=card["seed"])
    if isinstance(network, Retain):
        return Explainer("contributions", partial(contributions, network), read)
    words = f"integrated gradients, {POINTS} points"
    return Explainer(words, partial(integrated_gradients, network), read)


def contributions(network: Retain, batch: Batch) -> Attributions:
    """What a network of kind retain says itself; there is no integral to miss anything."""
    network.eval()
    codes = network.contributions(batch).detach().double().numpy()
    return Attributions(codes, np.zeros(len(batch.ranks)))


def _linear(folder: Path) -> Explainer:
    """Coefficients of the logistic regression on scaled counts, on the scale of the counts."""
    archive = load_archive(folder / "model.skops")
    pipeline, vectors = archive["model"], archive.get("vectors")
    weights = pipeline[-1].coef_[0] / pipeline[0].scale_
    # With pre-trained vectors the features are the sum of the codes' vectors.
    coefficients = weights if vectors is None else vectors.astype(np.float64) @ weights

    def attribute(batch: Batch) -> Attributions:
        return Attributions(coefficients[batch.codes.numpy()], np.zeros(len(batch.ranks)))

    return Explainer("coefficients", attribute, lambda sequences: sequences)

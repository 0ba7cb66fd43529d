"""Pre-train an encoder on the training parts alone, as a start for the recurrent classifier.

Of each training row's window K visits, each time others (``forecasting``), are written by an
encoder-decoder that reads those before; their codes are the labels. Whatever it learns of how
visits follow one another, its encoder keeps. Then the encoder's weights start the classifier, whose
head is fresh, and the two are trained as any recurrent classifier.

Of the validation and the test part nothing is touched: neither rows nor codes. So the number of
epochs is fixed, and of them the one with the smallest training loss is kept. Rows with K visits or
fewer have nothing to be written from anything, and are left out.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visitseq.cohort.parts import digest_of_persons
from visitseq.errors import UserError
from visitseq.models.encoder_decoder import EncoderDecoder, build_encoder_decoder
from visitseq.models.forecast_batches import Trajectories, VisitLabels
from visitseq.models.recurrent import RecurrentClassifier
from visitseq.train.checkpoint import Checkpoint
from visitseq.train.fit import fit
from visitseq.train.forecasting import Forecasting
from visitseq.train.training_data import TrainingData
from visitseq.train.vectors import start_from_vectors

log = logging.getLogger(__name__)


def pretrain(
    data: TrainingData,
    model: Mapping[str, Any],
    generator: np.random.Generator,
    checkpoint: Checkpoint | None = None,
    vectors: Path | None = None,
    *,
    shown: bool = True,
) -> tuple[EncoderDecoder, dict[str, Any]]:
    """Train an encoder-decoder on the windows of the training rows.

    Parameters
    ----------
    data
        The fold's rows and codes; of the rows the training ones alone are read.
    model
        The model's section of the configuration, of kind seq2seq.
    generator
        Decides the order of the batches. Initial weights, cuts and dropout draw from torch's global
        one.
    checkpoint
        Where the state is kept meanwhile.
    vectors
        File vectors.safetensors, from which the encoder's embedding starts.
    shown
        Whether the log says how the training goes.

    Returns
    -------
    network, summary
        The network; and how it was trained, for model.json: epochs, visits_ahead, rows, left_out
        (rows with too few visits), persons, persons_digest (``digest_of_persons``), loss.

    Raises
    ------
    UserError
        No training row has visits enough or a known code, or training diverges.
    """
    ahead, sequences, epochs = model["visits_ahead"], data.sequences, model["pretraining_epochs"]
    rows = data.training[sequences.lengths[data.training] > ahead]
    if not len(rows):
        raise UserError(
            f"None of the {len(data.training)} training rows of fold {data.fold} has more than the "
            f"{ahead} visits that pre-training decodes. Lower the model's visits_ahead."
        )
    labels = VisitLabels(sequences.code_offsets, sequences.codes, data.known)
    network = build_encoder_decoder(model, len(data.known), len(data.known))
    start_from_vectors(network.encoder, vectors, data.known)
    trajectories = Trajectories(sequences, labels, data.known, ahead)
    objective = Forecasting(network, trajectories, rows, rows[:0], l2=model["l2"])
    objective.start_at_base_rates()
    if shown:
        log.info("pre-training on %d training rows and no validation row", len(rows))
    settings = {**model, "epochs": epochs, "patience": epochs}
    history, chosen = fit(objective, settings, generator, checkpoint, shown=shown)
    persons = np.unique(sequences.subject_id[rows])
    return network, {
        "epochs": epochs,
        "visits_ahead": ahead,
        "rows": len(rows),
        "left_out": len(data.training) - len(rows),
        "persons": len(persons),
        "persons_digest": digest_of_persons(persons),
        "loss": history[chosen - 1].training,
    }


def start_from(classifier: RecurrentClassifier, network: EncoderDecoder) -> None:
    """Give ``classifier`` the weights of the encoder of ``network``; its head stays as it is.

    Raises
    ------
    ValueError
        The two do not have the same weights beside the head.
    """
    weights = network.encoder.state_dict()
    own = {name for name in classifier.state_dict() if not name.startswith("head.")}
    if own != set(weights):
        raise ValueError(f"the encoder's weights are {sorted(weights)}, not {sorted(own)}")
    with torch.no_grad():
        classifier.load_state_dict(weights, strict=False)

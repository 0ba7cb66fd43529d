"""How the arms of a network learn, where each row has one score.

From scratch a network is trained as at home, on drawn rows: with a search, pre-trained, from
vectors, as its kind and its section say. Any other arm begins as the source's network (graft.py)
and goes on under the same objective; it may stay as it came, if no epoch has a smaller validation
loss. With the last layer alone the rest is frozen; dropout acts as in training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import nn

from visitseq.encode.sequences import Sequences
from visitseq.models.encoder_decoder import classifier_section
from visitseq.models.networks import Network, build_network
from visitseq.train.checkpoint import Checkpoint
from visitseq.train.classification import Classification
from visitseq.train.fit import fit
from visitseq.train.network import fit_network
from visitseq.train.pretrained import fit_pretrained
from visitseq.train.scoring import score_logits, sigmoid
from visitseq.train.seeds import seed_sequence
from visitseq.train.training_data import TrainingData
from visitseq.train.trials import Fitted, fit_trials
from visitseq.train.vectors import with_vectors
from visitseq.train.visits_read import visits_read
from visitseq.transfer.arms import Arm
from visitseq.transfer.drawn_rows import DrawnRows
from visitseq.transfer.graft import freeze_but, graft
from visitseq.transfer.known import codes_of_arm, frequent_codes, nearest_ancestors, origins
from visitseq.transfer.learned import Learned, Target

Floats = npt.NDArray[np.float64]


class NetworkArms:
    """Trains the arms of one network.

    Parameters
    ----------
    target
        The target's data.
    trained
        The source's folder of stage 4.
    card
        Contents of its model.json.
    """

    def __init__(self, target: Target, trained: Path, card: Mapping[str, Any]) -> None:
        self.target, self.card, self.model = target, card, card["model"]
        self.weights = load_file(trained / "model.safetensors")
        self.source = np.array(card["known"], dtype=np.int32)
        self.nearest = nearest_ancestors(target.ancestors, "code", self.source)

    def __call__(self, arm: Arm, drawn: DrawnRows) -> Learned:
        """Train an arm on its drawn rows."""
        frequent = frequent_codes(
            self.target.sequences, drawn.training, self.target.encoding["min_count"]
        )
        known = codes_of_arm(arm.strategy, frequent, self.source, self.nearest[0])
        data = self.target.data(drawn, known)
        return self._scratch(arm, data) if arm.strategy == "scratch" else self._go_on(arm, data)

    def _scratch(self, arm: Arm, data: TrainingData) -> Learned:
        """Train as at home."""
        target, seen = self.target, list[EpochScores]()
        fit_kind = fit_pretrained if self.model["kind"] == "seq2seq" else fit_network
        fit_rows = partial(
            fit_kind, data=data, encoding=target.encoding, vectors=target.vectors, seed=target.seed
        )

        def fit_point(model: Mapping[str, Any], checkpoint: Checkpoint | None) -> Fitted:
            seen.append(self._watch(data, target.seed))
            return fit_rows(model, checkpoint, arm=arm.entropy, watch=seen[-1], shown=False)

        fitted, search = fit_trials(self.model, None, fit_point)
        return seen[search["chosen"] if search else 0].learned(fitted.chosen)

    def _go_on(self, arm: Arm, data: TrainingData) -> Learned:
        """Train the source's network on, or its last layer."""
        section = with_vectors(_section(self.model), self.target.encoding)
        seeds = seed_sequence(self.target.seed, data.fold, self.model, arm.entropy)
        for_torch, for_batches = seeds.spawn(2)
        watch = self._watch(data, self.card["seed"])
        data = replace(data, sequences=watch.sequences)
        # Fresh rows and dropout draw from torch's global generator: the caller's is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(for_torch.generate_state(1, np.uint64)[0]))
            network = self._grafted(section, data)
            if arm.strategy == "last_layer":
                freeze_but(network, [network.head])
            objective = Classification(
                network, data, l2=section["l2"], class_weights=section["class_weights"]
            )
            generator = np.random.default_rng(for_batches)
            _, chosen = fit(
                objective, section, generator, keep="best_or_start", watch=watch, shown=False
            )
        return watch.learned(chosen)

    def _grafted(self, section: Mapping[str, Any], data: TrainingData) -> Network:
        """The source's network, with a row for each code that the arm knows."""
        network = build_network(section, len(data.known))
        rows = origins(data.known, self.source, self.nearest)
        graft(network, self.weights, {"embed.weight": rows})
        return network

    def _watch(self, data: TrainingData, seed: int) -> "EpochScores":
        read = visits_read(data.sequences, _section(self.model), seed)
        return EpochScores(read, data.known, data.validation, self.target.test)


def _section(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Section of the network that scores rows."""
    return classifier_section(model) if model["kind"] == "seq2seq" else model


@dataclass(eq=False)
class EpochScores:
    """Scores of a network at every epoch; called on it before the first step and after each epoch.

    Attributes
    ----------
    sequences
        All rows, as the network reads them.
    known
        Ids of the codes that it knows, ascending.
    validation, test
        Rows that are scored.
    of_validation, of_test
        Their scores at each epoch so far.
    """

    sequences: Sequences
    known: npt.NDArray[np.int32]
    validation: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]
    of_validation: list[Floats] = field(default_factory=list)
    of_test: list[Floats] = field(default_factory=list)

    def __call__(self, network: nn.Module) -> None:
        """Score the rows with the network as it stands."""
        for rows, scores in ((self.validation, self.of_validation), (self.test, self.of_test)):
            scores.append(sigmoid(score_logits(network, self.sequences, rows, self.known)))

    def learned(self, chosen: int) -> Learned:
        """Give the scores, of which those of the epoch ``chosen`` count."""
        return Learned(self.of_validation, self.of_test, chosen, in_epochs=True, base_rate=None)

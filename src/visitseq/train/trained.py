"""A trained model as it comes back from its folder, whatever its kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import Sequences, code_positions
from visitseq.train.fitted import SCORES_ALONE
from visitseq.train.model_folder import read_card

Scorer = Callable[[Sequences], npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model that scores sequences of the vocabulary on which it was trained.

    Attributes
    ----------
    card
        Contents of model.json.
    known
        Vocabulary ids that the model knows, ascending; it passes over all others.
    score
        Maps sequences to scores, higher for likelier cases, float64, shape (rows,).
    gives_probabilities
        Whether a score is the probability of being a case.
    """

    card: dict[str, Any]
    known: npt.NDArray[np.int32]
    score: Scorer
    gives_probabilities: bool

    def unknown_share(self, sequences: Sequences) -> float:
        """Share of the codes in ``sequences`` that the model passes over; 0 without codes."""
        unknown = code_positions(sequences.codes, self.known) < 0
        return float(unknown.mean()) if len(unknown) else 0.0


def load_model(folder: Path) -> TrainedModel:
    """Rebuild the model of a folder of 4_train from its weights and model.json.

    Nothing that is read can run code: weights are safetensors, scikit-learn models skops.
    """
    card = read_card(folder)
    known = np.array(card["known"], dtype=np.int32)
    load = _LOADERS.get(card["kind"], _load_classical)
    return TrainedModel(
        card=card,
        known=known,
        score=load(folder, card, known),
        gives_probabilities=card["kind"] not in SCORES_ALONE,
    )


def _load_network(folder: Path, card: dict[str, Any], known: npt.NDArray[np.int32]) -> Scorer:
    # Imported here so that a baseline is scored without torch, which takes 2 s to import.
    from visitseq.train.scoring import load_network, score_logits, sigmoid  # noqa: PLC0415
    from visitseq.train.vectors import with_vectors  # noqa: PLC0415
    from visitseq.train.visits_read import visits_read  # noqa: PLC0415

    section = with_vectors(card["model"], card["encoding"])
    network = load_network(folder / "model.safetensors", section, len(known))

    def score(sequences: Sequences) -> npt.NDArray[np.float64]:
        read = visits_read(sequences, card["model"], card["seed"])
        return sigmoid(score_logits(network, read, np.arange(len(read)), known))

    return score


def _load_pretrained(folder: Path, card: dict[str, Any], known: npt.NDArray[np.int32]) -> Scorer:
    from visitseq.models.encoder_decoder import classifier_section  # noqa: PLC0415

    return _load_network(folder, {**card, "model": classifier_section(card["model"])}, known)


def _load_classical(folder: Path, card: dict[str, Any], known: npt.NDArray[np.int32]) -> Scorer:
    # Imported here so that a network is scored without scikit-learn.
    from visitseq.train.classical import ClassicalScorer  # noqa: PLC0415

    return ClassicalScorer(folder, card, known)


#: Loaders of the networks; all other kinds are classical.
_LOADERS: dict[str, Callable[[Path, dict[str, Any], npt.NDArray[np.int32]], Scorer]] = {
    "recurrent": _load_network,
    "retain": _load_network,
    "transformer": _load_network,
    "seq2seq": _load_pretrained,
}

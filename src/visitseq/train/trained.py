"""A trained model as it comes back from its folder, whatever its kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import Sequences, code_positions
from visitseq.train.features import counts
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
        Maps sequences to the probability of being a case, float64, shape (rows,).
    """

    card: dict[str, Any]
    known: npt.NDArray[np.int32]
    score: Scorer

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
    load = _LOADERS[card["kind"]]
    return TrainedModel(card=card, known=known, score=load(folder, card, known))


def _load_network(folder: Path, card: dict[str, Any], known: npt.NDArray[np.int32]) -> Scorer:
    # Imported here so that a baseline is scored without torch, which takes 2 s to import.
    from visitseq.train.scoring import load_network, score_logits  # noqa: PLC0415
    from visitseq.train.visits_read import visits_read  # noqa: PLC0415

    network = load_network(folder / "model.safetensors", card["model"], len(known))

    def score(sequences: Sequences) -> npt.NDArray[np.float64]:
        read = visits_read(sequences, card["model"], card["seed"])
        logits = score_logits(network, read, np.arange(len(read)), known)
        return np.exp(-np.logaddexp(0.0, -logits))  # sigmoid, without overflow

    return score


def _load_pretrained(folder: Path, card: dict[str, Any], known: npt.NDArray[np.int32]) -> Scorer:
    from visitseq.models.encoder_decoder import classifier_section  # noqa: PLC0415

    return _load_network(folder, {**card, "model": classifier_section(card["model"])}, known)


def _load_baseline(folder: Path, card: dict[str, Any], known: npt.NDArray[np.int32]) -> Scorer:
    from visitseq.train.skops_archive import load_archive  # noqa: PLC0415

    pipeline = load_archive(folder / "model.skops")

    def score(sequences: Sequences) -> npt.NDArray[np.float64]:
        if not len(sequences):  # which scikit-learn refuses
            return np.empty(0)
        probabilities: npt.NDArray[np.float64] = pipeline.predict_proba(counts(sequences, known))
        return probabilities[:, 1]

    return score


_LOADERS: dict[str, Callable[[Path, dict[str, Any], npt.NDArray[np.int32]], Scorer]] = {
    "recurrent": _load_network,
    "retain": _load_network,
    "transformer": _load_network,
    "seq2seq": _load_pretrained,
    "logistic": _load_baseline,
}

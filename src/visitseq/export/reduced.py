"""A trained model without the codes and labels that few persons have.

It knows fewer codes and is else as it was: it is no training, and rows without the codes that went
are scored as before. What the model learned from those codes while it had them is in its other
weights, as what it learned from anything is. It stays in the house, by the ids of the site's
vocabulary, and is scored there (``evaluate_exported``); ``write_model`` makes of it what leaves.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from visitseq.errors import UserError
from visitseq.export.common_codes import Kept, Marks, kept_of
from visitseq.grid import unexported
from visitseq.train.model_folder import read_card

log = logging.getLogger(__name__)


def reduce_model(
    *, trained: Path, visits: Path, task: Mapping[str, Any], minimum_cell: int, folder: Path
) -> None:
    """Write model.json and the weights (if there are any) of a model without rare codes.

    Parameters
    ----------
    trained
        The model's folder of stage 4.
    visits
        The visits.arrow on which it was trained.
    task
        The task's section of the configuration; ``kind`` is used.
    minimum_cell
        How many persons of the parts it was trained on have to have a code, or a label.
    folder
        Where the files go.

    Raises
    ------
    UserError
        The model's kind cannot leave.
    """
    card = read_card(trained)
    reason = unexported(task, card["model"])
    if reason is not None:
        raise UserError(f"The model in {trained} cannot be exported: {reason}.")
    kept = kept_of(card, visits, minimum_cell)
    folder.mkdir(parents=True, exist_ok=True)
    if (trained / "model.safetensors").exists():
        _reduce_network(trained, kept, folder)
    elif (trained / "model.skops").exists():
        _reduce_classical(trained, card["model"], kept.codes, folder)
    reduced = _reduced_card(card, kept, minimum_cell)
    (folder / "model.json").write_text(json.dumps(reduced, indent=2) + "\n", encoding="utf-8")
    for what, marks in kept._asdict().items():
        if marks is not None:
            few = int((~marks).sum())
            log.info(
                "%d of %d known %s: fewer than %d persons", few, len(marks), what, minimum_cell
            )


def _reduce_network(trained: Path, kept: Kept, folder: Path) -> None:
    from safetensors.numpy import load_file, save  # noqa: PLC0415

    from visitseq.export.reduced_network import reduced_weights  # noqa: PLC0415

    weights = reduced_weights(load_file(trained / "model.safetensors"), kept)
    (folder / "model.safetensors").write_bytes(save(weights))


def _reduce_classical(trained: Path, model: Mapping[str, Any], kept: Marks, folder: Path) -> None:
    # Imported here so that a network leaves without scikit-learn.
    from visitseq.export.reduced_classical import reduced_archive  # noqa: PLC0415
    from visitseq.train.skops_archive import load_archive, save_archive  # noqa: PLC0415

    archive = reduced_archive(load_archive(trained / "model.skops"), model, kept)
    save_archive(archive, folder / "model.skops")


def _reduced_card(card: Mapping[str, Any], kept: Kept, minimum: int) -> dict[str, Any]:
    """Contents of model.json, of the codes and labels that stay."""
    lists = {"known": kept.codes, "codes": kept.codes}
    left_out = {"fewer_persons_than": minimum, "codes": int((~kept.codes).sum())}
    if kept.labels is not None:
        lists |= {"known_labels": kept.labels, "label_visits": kept.labels}
        left_out["labels"] = int((~kept.labels).sum())
    some = {key: _taken(card[key], marks) for key, marks in lists.items() if key in card}
    return {**card, **some, "left_out": left_out}


def _taken(values: list[Any], kept: Marks) -> list[Any]:
    return [values[place] for place in np.flatnonzero(kept)]

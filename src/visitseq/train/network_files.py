"""What is written of every trained network, whatever it was trained for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from visitseq.train.losses import Losses
from visitseq.train.model_folder import write_history


def write_network(network: nn.Module, history: Sequence[Losses], chosen: int, folder: Path) -> None:
    """Write model.safetensors and history.csv (``model_folder.write_history``)."""
    folder.mkdir(parents=True, exist_ok=True)
    # By way of bytes: save_file makes a file that nobody else may read.
    (folder / "model.safetensors").write_bytes(save(network.state_dict()))
    write_history(history, chosen, folder)


def early_stopping(history: Sequence[Losses], chosen: int) -> dict[str, Any]:
    """What model.json says of when training stopped, and which epoch (from 1) was kept and why."""
    validated = history[chosen - 1].validation is not None
    return {
        "epochs": len(history),
        "chosen_epoch": chosen,
        "chosen_by": "validation loss" if validated else "training loss",
    }

"""The state of a training after its last epoch, so that a killed one can go on.

The folder ``checkpoint/`` beside the model holds

    epoch_0007.safetensors   weights, best weights, the optimiser's moments, torch's random state
    state.json               digest, the name of that file, losses, the random state of the batches

A state is saved in this order, each file first under another name and then renamed, which a file
system does wholly or not at all:

    1. the tensors of the new epoch, in a file that did not exist
    2. state.json, which names it: from here on the new state counts
    3. the old epoch's file goes

Whenever the process is killed, state.json names a file that is complete. The digest covers the
inputs, the parameters and the code; a state of another digest is not read. The folder is no result:
it is removed once the model is written.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from visitseq.fingerprint import code_digest
from visitseq.models import kernels

log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The saved state of one training.

    Attributes
    ----------
    folder
        Where it is kept.
    digest
        Of all that decides what the training does; see ``training_digest``.
    """

    folder: Path
    digest: str

    def within(self, name: str) -> "Checkpoint":
        """Give the checkpoint of a part of the training, in a folder of its own in this one."""
        return Checkpoint(self.folder / name, self.digest)

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """Read the tensors and values that were saved; None where there are none to go on from."""
        state = self._state()
        if state is None:
            return None
        if state["digest"] != self.digest:
            log.info("%s is of other inputs, parameters or code and is not used", self.folder)
            return None
        tensors: Tensors = load((self.folder / state["tensors"]).read_bytes())
        return tensors, state["values"]

    def tensors_file(self) -> Path | None:
        """File of the tensors that were saved, None where there are none."""
        state = self._state()
        if state is None or state["digest"] != self.digest:
            return None
        return self.folder / str(state["tensors"])

    def save(self, epoch: int, tensors: Tensors, values: Mapping[str, Any]) -> None:
        """Keep ``tensors`` and ``values`` (what JSON can hold) instead of what was kept before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"epoch_{epoch:04d}.safetensors"
        state = {"digest": self.digest, "tensors": file.name, "values": values}
        write_whole(file, save(tensors))
        write_whole(self.folder / "state.json", json.dumps(state).encode())
        for other in set(self.folder.glob("epoch_*")) - {file}:
            other.unlink()

    def remove(self) -> None:
        """Remove the folder; the model is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _state(self) -> dict[str, Any] | None:
        file = self.folder / "state.json"
        if not file.exists():
            return None
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return state


def training_digest(inputs: Iterable[Path], parameters: Mapping[str, Any], module: str) -> str:
    """Digest of the bytes of ``inputs``, of ``parameters`` and of the code of ``module``.

    torch's version and the kind of compiled recurrences count as code: others round in other
    places.
    """
    digest = hashlib.sha256()
    for path in inputs:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    rest = [parameters, code_digest(module), torch.__version__, kernels.kind()]
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file wholly or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # or a crash of the machine could leave the name without content
    temporary.replace(path)

"""Train a model in this process, or in the processes that torchrun started; see network.py.

The one argument is a JSON file with the arguments of ``train_model`` or, where it names labels, of
``train_next_visit``.
"""

import inspect
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from visitseq.errors import UserError
from visitseq.train.network import train_model
from visitseq.train.next_visit import train_next_visit

#: Arguments that are paths.
PATHS = ("visits", "vocabulary", "labels", "vectors", "folder")


def main(file: str) -> None:
    """Train the model that ``file`` describes; rank 0 alone logs below the level of a warning."""
    try:
        train, arguments = read_arguments(Path(file))
    except UserError as error:
        raise SystemExit(f"ERROR visitseq: {error}") from None
    together = "LOCAL_RANK" in os.environ
    gpus = torch.cuda.is_available()
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpus else "cpu"
    if gpus:
        torch.cuda.set_device(device)
    if together:
        distributed.init_process_group("nccl" if gpus else "gloo")
    level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    try:
        train(**arguments, device=device)
    except UserError as error:
        raise SystemExit(f"ERROR visitseq: {error}") from None
    finally:
        if together:
            distributed.destroy_process_group()


def read_arguments(file: Path) -> tuple[Callable[..., None], dict[str, Any]]:
    """What is to be called with which arguments, all there and all known.

    Raises
    ------
    UserError
        The file is not there or no JSON mapping, or an argument is missing, unknown or names a file
        that is not there.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist; docs/networks.md says what it holds.")
    try:
        arguments = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is no JSON: {error}.") from None
    if not isinstance(arguments, dict):
        raise UserError(f"{file} holds no mapping of arguments; see docs/networks.md.")
    train = train_next_visit if "labels" in arguments else train_model
    _check_names(file, arguments, train)
    for name in set(PATHS) & set(arguments):
        arguments[name] = Path(arguments[name])
        if name != "folder" and not arguments[name].is_file():
            raise UserError(f"{file}, {name}: {arguments[name]} does not exist.")
    return train, arguments


def _check_names(file: Path, arguments: dict[str, Any], train: Callable[..., None]) -> None:
    known = {
        name: own for name, own in inspect.signature(train).parameters.items() if name != "device"
    }
    needed = [name for name, own in known.items() if own.default is own.empty]
    missing, unknown = sorted(set(needed) - set(arguments)), sorted(set(arguments) - set(known))
    if missing or unknown:
        raise UserError(
            f"{file}: missing {', '.join(missing) or 'nothing'}, unknown "
            f"{', '.join(unknown) or 'nothing'}. It holds {', '.join(known)}."
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m visitseq.train ARGUMENTS.json (see docs/networks.md)")
    main(sys.argv[1])

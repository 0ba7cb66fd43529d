"""Train a model in this process, or in the processes that torchrun started; see network.py.

The one argument is a JSON file with the arguments of ``train_model``.
"""

import json
import logging
import os
import sys
from pathlib import Path

import torch
from torch import distributed

from visitseq.errors import UserError
from visitseq.train.network import train_model


def main(file: str) -> None:
    """Train the model that ``file`` describes; rank 0 alone logs below the level of a warning."""
    arguments = json.loads(Path(file).read_text(encoding="utf-8"))
    for name in {"visits", "vocabulary", "vectors", "folder"} & set(arguments):
        arguments[name] = Path(arguments[name])
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
        train_model(**arguments, device=device)
    except UserError as error:
        raise SystemExit(f"ERROR visitseq: {error}") from None
    finally:
        if together:
            distributed.destroy_process_group()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m visitseq.train ARGUMENTS.json (see docs/networks.md)")
    main(sys.argv[1])

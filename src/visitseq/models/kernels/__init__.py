"""The recurrences in C++, compiled when the project is installed where there is a compiler.

``recurrence.cpp`` is compiled once for each kind of processor that is named below; of those that
this processor can run, the fastest is loaded. Where nothing was compiled everything still works, by
the same equations in torch (``visitseq.models.stepwise``); the environment variable
``VISITSEQ_KERNELS=none`` asks for that.
"""

import ctypes
import logging
import os
from functools import cache
from pathlib import Path

import torch

log = logging.getLogger(__name__)

#: Fastest first: the end of the library's name, and what it needs of torch.cpu's list.
KINDS = {
    "avx512bf16": ("avx512_bf16", "avx512_f", "avx512_bw", "avx512_vl", "avx512_dq", "fma3"),
    "avx512": ("avx512_f", "avx512_bw", "avx512_vl", "avx512_dq", "fma3"),
    "avx2": ("avx2", "fma3"),
    "generic": (),
}
#: Raised in recurrence.cpp, too, whenever a function there takes other arguments.
INTERFACE = 3
#: How many arguments the functions take, all of 64 bits.
ARGUMENTS = {
    "packed_size": 2,
    "pack": 7,
    "product": 9,
    "transposed_product": 9,
    "rnn_forward": 11,
    "rnn_backward": 11,
    "gru_forward": 14,
    "gru_backward": 13,
    "gru_before_forward": 13,
    "gru_before_backward": 13,
    "lstm_forward": 14,
    "lstm_backward": 13,
}


@cache
def library() -> ctypes.CDLL | None:
    """Load the compiled recurrences, None where there are none that fit."""
    if os.environ.get("VISITSEQ_KERNELS") == "none":
        return None
    found = runnable()
    if not found:
        return None
    # Before all else: one of another version need not even have the functions.
    if ctypes.CDLL(str(found[0])).interface() != INTERFACE:
        log.warning("the recurrences were compiled for another version; `make env` renews them")
        return None
    return load(found[0])


def runnable() -> list[Path]:
    """The compiled libraries that this processor can run, the fastest first."""
    able = torch.cpu.get_capabilities()
    folder = Path(__file__).parent
    return [
        path
        for kind, needs in KINDS.items()
        for path in sorted(folder.glob(f"_{kind}.*"))
        if all(able.get(name) for name in needs)
    ]


def kind() -> str:
    """Name of what ``library`` loads, empty where it loads nothing: each kind rounds as it does."""
    return "" if library() is None else runnable()[0].name.partition(".")[0]


def load(path: Path) -> ctypes.CDLL:
    """Load one of them, of this version."""
    loaded = ctypes.CDLL(str(path))
    loaded.lanes.restype = ctypes.c_int64
    for name, count in ARGUMENTS.items():
        # Numbers of 64 bits and places in memory are passed alike, and an int is converted to
        # either; declared so, it takes a fifth of the time that making a ctypes object does.
        getattr(loaded, name).argtypes = [ctypes.c_void_p] * count
        getattr(loaded, name).restype = ctypes.c_int64 if name == "packed_size" else None
    return loaded

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
INTERFACE = 1


@cache
def library() -> ctypes.CDLL | None:
    """Load the compiled recurrences, None where there are none that fit."""
    if os.environ.get("VISITSEQ_KERNELS") == "none":
        return None
    found = runnable()
    if not found:
        return None
    loaded = load(found[0])
    if loaded.interface() != INTERFACE:
        log.warning("the recurrences were compiled for another version; `make env` renews them")
        return None
    return loaded


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


def load(path: Path) -> ctypes.CDLL:
    """Load one of them."""
    loaded = ctypes.CDLL(str(path))
    loaded.interface.restype = loaded.lanes.restype = loaded.packed_size.restype = ctypes.c_int64
    return loaded

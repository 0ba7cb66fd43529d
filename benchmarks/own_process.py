"""What a piece of work costs in a process of its own: seconds, processor seconds, peak memory.

Peak memory is the kernel's high-water mark of that process (VmHWM), Python and its libraries
included. ``ru_maxrss`` would hold the starting process's as well, until the new one outgrows it.
Starting Python and importing what the work needs is not counted in the seconds.
"""

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processor, and peak memory in GB (10⁹ bytes)."""

    seconds: float
    processor: float
    gigabytes: float


def cost_of(work: Callable[..., None], *arguments: object, threads: int) -> Cost:
    """Do ``work`` in a new process whose libraries are told to use so many threads."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, arguments).result()


def typical(costs: list[Cost]) -> Cost:
    """Median of each figure; of the memory the largest."""
    return Cost(
        median(cost.seconds for cost in costs),
        median(cost.processor for cost in costs),
        max(cost.gigabytes for cost in costs),
    )


def _measured(work: Callable[..., None], arguments: tuple[object, ...]) -> Cost:
    start, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    return Cost(seconds, processor, _peak())


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise OSError("the kernel does not tell the peak memory of a process")
    return int(found[1]) * 1024 / 1e9

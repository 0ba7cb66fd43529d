"""Convert an OMOP folder to MEDS with meds-etl; runs in meds-etl's environment, not in ours.

    build/meds_etl/bin/python benchmarks/meds_etl_peer.py omop meds [--processes 2]

What its command ``meds_etl_omop`` does, with the C++ backend and a shard a process, as its
documentation advises. Seconds do not hold the start of Python and the imports. The last line of
the output is JSON; its memory is that of the largest of the processes.
"""

import argparse
import importlib.metadata
import json
import platform
import resource
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from meds_etl.omop import main as convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("omop", type=Path)
    parser.add_argument("meds", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    sys.argv[1:] = [str(options.omop), str(options.meds), "--backend", "cpp"]
    sys.argv += ["--num_proc", str(options.processes), "--num_shards", str(options.processes)]
    start = time.perf_counter()
    convert()
    seconds = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    report = {
        "seconds": seconds,
        "processor": sum(one.ru_utime + one.ru_stime for one in used),
        "gigabytes": max(one.ru_maxrss for one in used) * 1024 / 1e9,
        "rows": sum(
            pq.read_metadata(path).num_rows for path in options.meds.rglob("data/**/*.parquet")
        ),
        "versions": {
            **{name: importlib.metadata.version(name) for name in ("meds_etl", "meds_etl_cpp")},
            "python": platform.python_version(),
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

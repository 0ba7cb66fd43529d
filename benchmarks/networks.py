"""How many patients a second each kind of network trains on, beside the GRU.

    python benchmarks/networks.py [--patients 2000] [--rounds 3] [--epochs 2]

All read the same made-up visits.arrow (records.py) and train at the sizes and with the settings of
the schema's defaults, but in batches of 128, one model with one thread. They take turns, ``rounds``
times; medians count, and each network's is given as a share of the GRU's too.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from records import write_records
from timed_training import kernels_in_use, network_section, train_jobs
from training import CODES, VISITS, VOCABULARY

KINDS = {
    "GRU": {"kind": "recurrent", "cell": "gru"},
    "RETAIN": {"kind": "retain"},
    "transformer": {"kind": "transformer"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"visits": VISITS, "codes": CODES, "vocabulary": VOCABULARY}
        visits = write_records(Path(folder), patients=given.patients, **sizes)
        for _ in range(given.rounds):
            for name, settings in KINDS.items():
                (done,) = train_jobs(visits, network_section(**settings, batch=128), given.epochs)
                rates[name].append(given.patients / done.seconds)
    print(f"{given.patients} patients of {VISITS} visits, kernels {kernels_in_use()}")
    for name, measured in rates.items():
        share = median(measured) / median(rates["GRU"])
        print(f"{name}: {median(measured):.0f} patients a second, {share:.2f} of the GRU's")


if __name__ == "__main__":
    main()

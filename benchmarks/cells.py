"""How fast the recurrent cells train, beside torch.nn's, the matrix product, and the plain way.

    python benchmarks/cells.py [--seconds 4] [--repeats 5] [--plain-patients 1280]

One thread. A case is a cell, a batch and a size (input and hidden alike), on ten batches of
sequences: lengths as in the cohorts, 30 visits on average (records.py), cut into batches of similar
length as training cuts them, or three batches of 30 visits each, padding's best case. Timed is
forward and backward from the gradient of the last states, to the weights and to the input, which
is an embedding. torch.nn stands in the form that is faster in the case: packed, or padded to the
longest of the batch (padding itself is not timed). Its LSTM runs oneDNN's own layer on padded
batches and on packed ones of one length, and none of that on the others. Ours stands with fp32 and
with bf16 products, and as it is where nothing was compiled. All take turns (ours, packed, padded,
…, ours, …), so that what else the machine does hits all; ratios are medians over the turns. Ours
has to give torch.nn's last states and gradients before it is timed.

GFLOP/s counts the products of the visits that are there, a visit and its backward pass thrice a
visit forward:

    flop = 3 x 2 x gates x hidden x (input + hidden) x visits      gates: RNN 1, GRU 3, LSTM 4

The product is fp32, by torch's mm, oneDNN's linear and NumPy's matmul, of the step's shape
(batch x hidden by hidden x gates hidden) and of 1024 x 1024 x 1024; the fastest of all counts.

The plain way is a dense one-hot matrix of 18,000 codes, shuffled batches padded to their longest,
a linear layer, torch.nn.GRU and Adam; ours is ``train_model`` on the same records. Writes cells.md
beside this file.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, median
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from records import draw_lengths, write_records
from threadpoolctl import threadpool_limits
from timed_training import kernels_in_use, network_section, train_jobs
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from visitseq import models
from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.models import recurrence, stepwise
from visitseq.train.shuffled_batches import POOL, shuffled_batches

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
BATCHES, SIZES, VISITS, ONE_LENGTH = (32, 128), (64, 128, 256), 30, 3
PRODUCT = 1024
CODES, VOCABULARY, PLAIN_SIZE, PLAIN_BATCH, PLAIN_ROUNDS = 3.8, 18_000, 128, 128, 2

OURS, BF16, IN_TORCH = "ours", "ours bf16", "ours without a compiler"
PACKED, PADDED = "torch packed", "torch padded"

Work = Callable[[], object]
Run = Callable[[nn.Module, "Batch"], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Batch:
    """Random input of one batch, packed and padded, and the gradient of its last states.

    Rows stand in the order of descending length, so that both forms have the same last states.
    """

    packed: torch.Tensor  # (visits, size)
    batch_sizes: torch.Tensor
    padded: torch.Tensor  # (steps, rows, size)
    last: torch.Tensor  # last step of each row
    gradient: torch.Tensor  # (rows, size)


@dataclass(frozen=True)
class Case:
    """A cell, the rows of a batch, the size, and whether all sequences are of one length."""

    cell: str
    rows: int
    size: int
    one_length: bool


@dataclass(frozen=True)
class Measured:
    """GFLOP/s of each thing, our forms over the faster of torch.nn's, and the fastest product."""

    speed: dict[str, float]
    ratio: dict[str, float]
    product: float


def make_batches(case: Case) -> list[Batch]:
    generator = np.random.default_rng(0)
    if case.one_length:
        groups = [np.full(case.rows, VISITS) for _ in range(ONE_LENGTH)]
    else:
        lengths = draw_lengths(VISITS, POOL * case.rows, generator)
        groups = [lengths[rows] for rows in shuffled_batches(lengths, case.rows, generator)]
    torch.manual_seed(0)
    return [_make_batch(np.sort(lengths)[::-1].copy(), case.size) for lengths in groups]


def _make_batch(lengths: npt.NDArray[np.int64], size: int) -> Batch:
    present = np.arange(lengths[0])[:, None] < lengths
    padded = torch.randn(*present.shape, size) * torch.from_numpy(present).unsqueeze(2)
    return Batch(
        packed=padded[torch.from_numpy(present)].requires_grad_(),
        batch_sizes=torch.from_numpy(present.sum(axis=1)),
        padded=padded.requires_grad_(),
        last=torch.from_numpy(lengths - 1),
        gradient=torch.randn(len(lengths), size),
    )


def run_packed(network: nn.Module, batch: Batch) -> torch.Tensor:
    """Forward and backward on the packed form; return the last states."""
    _, last = network(PackedSequence(batch.packed, batch.batch_sizes))
    states: torch.Tensor = (last[0] if isinstance(last, tuple) else last)[-1]
    states.backward(batch.gradient)
    return states


def run_padded(network: nn.Module, batch: Batch) -> torch.Tensor:
    """Forward and backward on the padded form; return the last states."""
    outputs, _ = network(batch.padded)
    states: torch.Tensor = outputs[batch.last, torch.arange(len(batch.last))]
    states.backward(batch.gradient)
    return states


def over_batches(run: Run, network: nn.Module, batches: list[Batch]) -> Work:
    """Run over all batches, gradients thrown away after each."""

    def work() -> None:
        for batch in batches:
            run(network, batch)
            _clear(network, batch)

    return work


def _clear(network: nn.Module, batch: Batch) -> None:
    network.zero_grad(set_to_none=True)
    batch.packed.grad = batch.padded.grad = None


def require_same(
    run: Run, network: nn.Module, reference: nn.Module, batch: Batch, *, tolerance: float
) -> None:
    """Raise unless states and gradients agree, relative to the largest entry of each."""
    ours = _states_and_gradients(run, network, batch)
    theirs = _states_and_gradients(run_packed, reference, batch)
    for value, truth in zip(ours, theirs, strict=True):
        error = float((value - truth).abs().max() / truth.abs().max())
        if not error <= tolerance:
            raise AssertionError(f"{type(network).__name__} is {error:.1e} away from torch.nn's")


def _states_and_gradients(run: Run, network: nn.Module, batch: Batch) -> list[torch.Tensor]:
    states = run(network, batch).detach()
    found = [states, batch.packed.grad, *(weight.grad for weight in network.parameters())]
    _clear(network, batch)
    return found


def run_in_torch(network: nn.Module, batch: Batch) -> torch.Tensor:
    """Run the packed form as it runs where nothing was compiled."""
    with patch.object(recurrence, "engine_for", lambda *_: stepwise):
        return run_packed(network, batch)


def forms(case: Case, reference: nn.Module, batches: list[Batch]) -> dict[str, Work]:
    """Every form of forward and backward over the batches; ours first held to torch.nn's."""
    kind = getattr(models, case.cell)
    single, half = (kind(case.size, case.size, precision=p) for p in ("float32", "bf16"))
    found = {}
    for name, run, network, tolerance in (
        (OURS, run_packed, single, 1e-4),
        (BF16, run_packed, half, 0.1),
        (IN_TORCH, run_in_torch, single, 1e-4),
    ):
        network.load_state_dict(reference.state_dict())
        require_same(run, network, reference, batches[0], tolerance=tolerance)
        found[name] = over_batches(run, network, batches)
    found[PACKED] = over_batches(run_packed, reference, batches)
    found[PADDED] = over_batches(run_padded, reference, batches)
    return found


def products(case: Case) -> dict[str, tuple[Work, float]]:
    """Each way of an fp32 product in both shapes, with its flop; short ones are repeated."""
    found: dict[str, tuple[Work, float]] = {}
    wide = GATES[case.cell] * case.size
    for label, (m, k, n) in {
        "step": (case.rows, case.size, wide),
        "large": (PRODUCT, PRODUCT, PRODUCT),
    }.items():
        x, w = torch.randn(m, k), torch.randn(n, k)
        times = max(1, int(5e8 / (2 * m * k * n)))
        for way, product in _ways(x, w).items():
            found[f"{way}, {label}"] = _repeated(product, times), 2.0 * m * k * n * times
    return found


def _ways(x: torch.Tensor, w: torch.Tensor) -> dict[str, Work]:
    a, b = x.numpy(), w.numpy()
    return {
        "torch mm": lambda: torch.mm(x, w.t()),
        "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], ""),
        "NumPy": lambda: np.matmul(a, b.T),
    }


def _repeated(work: Work, times: int) -> Work:
    def repeated() -> None:
        for _ in range(times):
            work()

    return repeated


def measure(case: Case, seconds: float, repeats: int) -> Measured:
    """Time all forms in turn, at least ``repeats`` times and for so many seconds."""
    batches = make_batches(case)
    reference = getattr(nn, case.cell)(case.size, case.size)
    visits = sum(len(batch.packed) for batch in batches)
    flop = 6.0 * GATES[case.cell] * case.size * 2 * case.size * visits
    ours_and_theirs = forms(case, reference, batches)
    by_products = products(case)
    works = ours_and_theirs | {name: work for name, (work, _) in by_products.items()}
    flops = dict.fromkeys(ours_and_theirs, flop) | {n: f for n, (_, f) in by_products.items()}
    spent = in_turn(works, seconds, repeats)
    speed = {name: flops[name] / median(spent[name]) / 1e9 for name in works}
    theirs = max((PACKED, PADDED), key=lambda name: speed[name])
    ratio = {
        name: median(np.divide(spent[theirs], spent[name]).tolist())
        for name in (OURS, BF16, IN_TORCH)
    }
    return Measured(speed, ratio, max(speed[name] for name in by_products))


def in_turn(works: dict[str, Work], seconds: float, repeats: int) -> dict[str, list[float]]:
    """Seconds of each work in each turn, each done once uncounted before.

    Else the one that follows a product of other matrices would find a cold cache, and the one that
    follows its like a warm one.
    """
    spent: dict[str, list[float]] = {name: [] for name in works}
    begin, turns = time.perf_counter(), 0
    while turns < repeats or time.perf_counter() - begin < seconds:
        for name, work in works.items():
            work()
            start = time.perf_counter()
            work()
            spent[name].append(time.perf_counter() - start)
        turns += 1
    return spent


class PlainNetwork(nn.Module):
    """One-hot visits through a linear layer and torch.nn's GRU, scored from the last state."""

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.embed = nn.Linear(vocabulary, size)
        self.recur = nn.GRU(size, size, batch_first=True)
        self.head = nn.Linear(size, 1)

    def forward(self, one_hot: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logit of each row, shape (rows,)."""
        outputs, _ = self.recur(self.embed(one_hot))
        logits: torch.Tensor = self.head(outputs[torch.arange(len(lengths)), lengths - 1])
        return logits.squeeze(1)


def plain_epoch(network: PlainNetwork, optimiser: torch.optim.Optimizer, data: Sequences) -> float:
    """Seconds of an epoch in the plain way."""
    start = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(data))
    for first in range(0, len(order), PLAIN_BATCH):
        rows = order[first : first + PLAIN_BATCH]
        logits = network(_one_hot(data, rows), torch.from_numpy(data.lengths[rows].astype(int)))
        labels = torch.from_numpy(data.label[rows].astype(np.float32))
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(logits, labels).backward()
        optimiser.step()
    return time.perf_counter() - start


def _one_hot(data: Sequences, rows: npt.NDArray[np.int64]) -> torch.Tensor:
    """Dense one-hot matrix of some rows, shape (rows, longest, vocabulary)."""
    dense = np.zeros((len(rows), int(data.lengths[rows].max()), VOCABULARY), dtype=np.float32)
    for place, row in enumerate(rows):
        first, end = data.visit_offsets[row], data.visit_offsets[row + 1]
        offsets = data.code_offsets[first : end + 1]
        steps = np.repeat(np.arange(end - first), np.diff(offsets))
        dense[place, steps, data.codes[offsets[0] : offsets[-1]]] = 1
    return torch.from_numpy(dense)


def beside_plain(patients: int) -> list[str]:
    model = network_section(
        cell="gru", embedding=PLAIN_SIZE, hidden=PLAIN_SIZE, duration=False, batch=PLAIN_BATCH
    )
    ours, plain = [], []
    torch.manual_seed(0)
    network = PlainNetwork(VOCABULARY, PLAIN_SIZE)
    optimiser = torch.optim.Adam(network.parameters())
    with tempfile.TemporaryDirectory() as name:
        visits = write_records(
            Path(name), patients=patients, visits=VISITS, codes=CODES, vocabulary=VOCABULARY
        )
        data = read_sequences(visits)
        for _ in range(PLAIN_ROUNDS):
            ours.append(patients / train_jobs(visits, model, epochs=3)[0].seconds)
            plain.append(patients / plain_epoch(network, optimiser, data))
    return [
        "",
        "## Beside the plain way",
        "",
        f"{patients:,} patients, {VISITS} visits each on average, vocabulary {VOCABULARY:,}, "
        f"embedding {PLAIN_SIZE}, GRU {PLAIN_SIZE}, batch {PLAIN_BATCH}: whole training steps, "
        "reading and Adam included. Plain: dense one-hot visits, padded, torch.nn.",
        "",
        "| | patients a second |",
        "| --- | ---: |",
        f"| ours | {median(ours):,.0f} |",
        f"| the plain way | {median(plain):,.0f} |",
        "",
        f"**{median(ours) / median(plain):.1f} times** the plain way.",
    ]


def table(cases: dict[Case, Measured]) -> list[str]:
    heads = [OURS, PACKED, PADDED, "ours / faster torch", "fastest product", "ours / product"]
    heads += [BF16, "bf16 / faster torch", IN_TORCH, "without / faster torch"]
    lines = [
        f"| cell | batch | hidden | {' | '.join(heads)} |",
        f"| --- | ---: | ---: |{' ---: |' * len(heads)}",
    ]
    for case, found in cases.items():
        speed, ratio = found.speed, found.ratio
        lines.append(
            f"| {case.cell} | {case.rows} | {case.size} | {speed[OURS]:.0f} | {speed[PACKED]:.0f} "
            f"| {speed[PADDED]:.0f} | {ratio[OURS]:.2f} | {found.product:.0f} "
            f"| {speed[OURS] / found.product:.2f} | {speed[BF16]:.0f} | {ratio[BF16]:.2f} "
            f"| {speed[IN_TORCH]:.0f} | {ratio[IN_TORCH]:.2f} |"
        )
    return [*lines, "", *_means(list(cases.values()))]


def _means(found: list[Measured]) -> list[str]:
    lines = []
    for name in (OURS, BF16, IN_TORCH):
        ratios = [measured.ratio[name] for measured in found]
        lines.append(
            f"- {name}: geometric mean **{geometric_mean(ratios):.2f}** times the faster of "
            f"torch.nn's, smallest {min(ratios):.2f}, largest {max(ratios):.2f}."
        )
    return lines


def product_table(cases: dict[Case, Measured]) -> list[str]:
    """Speed of the fp32 products: the large one over the run, the steps' by shape."""
    found = list(cases.values())
    ways = ("torch mm", "oneDNN", "NumPy")
    middle = [median(each.speed[f"{way}, large"] for each in found) for way in ways]
    lines = ["", "## Products in fp32, GFLOP/s", "", f"| shape | {' | '.join(ways)} |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    shape = " x ".join([str(PRODUCT)] * 3)
    lines.append(f"| {shape} | " + " | ".join(f"{speed:.0f}" for speed in middle) + " |")
    for case, each in cases.items():
        speeds = " | ".join(f"{each.speed[f'{way}, step']:.0f}" for way in ways)
        wide = GATES[case.cell] * case.size
        lines.append(f"| {case.rows} x {case.size} x {wide} | {speeds} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="at least, a case")
    parser.add_argument("--repeats", type=int, default=5, help="at least, a case")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--plain-patients", type=int, default=1280)
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = [
        "# Recurrent cells",
        "",
        f"Forward and backward, GFLOP/s, one thread; kernels `{kernels_in_use()}`, torch "
        f"{torch.__version__}, NumPy {np.__version__}. Flop: 6 gates x hidden x "
        "(input + hidden) a visit that is there. What was tried and did not help stands in "
        "[docs/networks.md](../docs/networks.md).",
    ]
    by_length: dict[bool, dict[Case, Measured]] = {False: {}, True: {}}
    with threadpool_limits(1):
        for one_length, cases in by_length.items():
            for cell in GATES:
                for rows in BATCHES:
                    for size in options.sizes:
                        case = Case(cell, rows, size, one_length)
                        cases[case] = measure(case, options.seconds, options.repeats)
                        print(case, cases[case].ratio, flush=True)
        plain = beside_plain(options.plain_patients)
    text += ["", f"## Lengths as in the cohorts, {VISITS} visits on average, bucketed", ""]
    text += table(by_length[False])
    text += ["", f"## Batches of one length, {VISITS} visits", "", *table(by_length[True])]
    text += [*plain, *product_table(by_length[False])]
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()

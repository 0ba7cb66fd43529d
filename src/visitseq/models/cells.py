"""RNN, GRU and LSTM that train fast on a CPU, in the place of torch.nn's.

They are torch.nn's modules: the constructor, the parameters and the state dict are the same, and so
are the numbers but for rounding. A PackedSequence on a CPU goes through ``recurrence``, whose
backward pass is written out; on a GPU, or given a padded tensor, they run as torch.nn's do (cuDNN
on a GPU). Two things more than torch.nn's:

``precision="bf16"`` rounds the factors of every product to bfloat16; sums, gates, states and
weights stay float32 (where torch.nn's run it rounds nothing). ``GRU(reset_after=False)`` has the
reset gate before the product, as the papers write it (Cho et al., EMNLP 2014; Choi et al., JAMIA
2017), which neither cuDNN nor torch have.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from visitseq.models import recurrence
from visitseq.models.recurrence import States, Weights
from visitseq.models.steps import Steps

PRECISIONS = ("float32", "bf16")

#: One layer in one direction: inputs, weights, first states and steps to h and the last states.
Layer = Callable[[Tensor, Weights, States, Steps], States]


class RNN(nn.RNN):
    """torch.nn.RNN (tanh or ReLU), see the module.

    Parameters
    ----------
    *sizes, **options
        Those of torch.nn.RNN.
    precision
        ``float32``, or ``bf16``: factors of products in bfloat16.
    """

    def __init__(self, *sizes: Any, precision: str = "float32", **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.precision = _checked(precision)

    def extra_repr(self) -> str:
        """Describe the module, as print does."""
        return _described(super().extra_repr(), precision=self.precision)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Map a PackedSequence and a first state to outputs and last state, as torch.nn.RNN."""
        if not _is_ours(input):
            return super().forward(input, hx)
        half, relu = self.precision == "bf16", self.nonlinearity == "relu"
        layer = partial(recurrence.rnn, relu=relu, half=half)
        output, (last,) = _through_layers(self, layer, input, None if hx is None else (hx,), 1)
        return output, last


class GRU(nn.GRU):
    """torch.nn.GRU, see the module.

    Parameters
    ----------
    *sizes, **options
        Those of torch.nn.GRU.
    reset_after
        Whether the reset gate acts after the product with the state, as in cuDNN and torch, or
        before it, as in the papers.
    precision
        ``float32``, or ``bf16``: factors of products in bfloat16.
    """

    def __init__(
        self, *sizes: Any, reset_after: bool = True, precision: str = "float32", **options: Any
    ) -> None:
        super().__init__(*sizes, **options)
        self.reset_after = reset_after
        self.precision = _checked(precision)

    def extra_repr(self) -> str:
        """Describe the module, as print does."""
        return _described(
            super().extra_repr(), reset_after=self.reset_after, precision=self.precision
        )

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Map a PackedSequence and a first state to outputs and last state, as torch.nn.GRU.

        Raises
        ------
        TypeError
            A padded tensor where the reset comes before the product: torch has no such network.
        """
        if self.reset_after and not _is_ours(input):
            return super().forward(input, hx)
        if not isinstance(input, PackedSequence):
            raise TypeError("a GRU with the reset before the product takes a PackedSequence")

        half = self.precision == "bf16"
        layer = partial(recurrence.gru, reset_after=self.reset_after, half=half)
        output, (last,) = _through_layers(self, layer, input, None if hx is None else (hx,), 1)
        return output, last


class LSTM(nn.LSTM):
    """torch.nn.LSTM, see the module.

    Parameters
    ----------
    *sizes, **options
        Those of torch.nn.LSTM.
    precision
        ``float32``, or ``bf16``: factors of products in bfloat16.
    """

    def __init__(self, *sizes: Any, precision: str = "float32", **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.precision = _checked(precision)

    def extra_repr(self) -> str:
        """Describe the module, as print does."""
        return _described(super().extra_repr(), precision=self.precision)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Map a PackedSequence and first states to outputs and last states, as torch.nn.LSTM."""
        if self.proj_size or not _is_ours(input):
            return super().forward(input, hx)

        layer = partial(recurrence.lstm, half=self.precision == "bf16")
        return _through_layers(self, layer, input, hx, 2)


def _described(known: str, **options: Any) -> str:
    """What torch prints of a module, and the options that are ours and not as torch's."""
    usual = {"precision": "float32", "reset_after": True}
    ours = [f"{name}={value!r}" for name, value in options.items() if value != usual[name]]
    return ", ".join([known, *ours])


def _checked(precision: str) -> str:
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision}")
    return precision


def _is_ours(given: Any) -> bool:
    """Whether the recurrence is run here; torch's autocast is left to torch."""
    is_packed = isinstance(given, PackedSequence) and given.data.device.type == "cpu"
    return is_packed and not torch.is_autocast_enabled("cpu")


def _through_layers(
    module: nn.RNNBase,
    layer: Layer,
    packed: PackedSequence,
    start: Iterable[Tensor] | None,
    states: int,
) -> tuple[PackedSequence, States]:
    """Run all layers and directions; states are (layers * directions, rows, hidden) as torch's."""
    _require_sound_batch(module, packed)
    directions = 2 if module.bidirectional else 1
    first = _first_states(module, packed, start, states)
    x, last = packed.data, []
    for number in range(module.num_layers):
        found = []
        for down in range(directions):
            steps = Steps.of_batch(packed.batch_sizes, bool(down))
            begin = tuple(state[number * directions + down] for state in first)
            h, *ends = layer(x, _weights(module, number, bool(down)), begin, steps)
            found.append(h)
            last.append(ends)
        x = torch.cat(found, 1) if directions == 2 else found[0]
        if number + 1 < module.num_layers:
            x = functional.dropout(x, module.dropout, module.training)
    order = packed.unsorted_indices
    after = tuple(_reordered(torch.stack(state), order) for state in zip(*last, strict=True))
    return PackedSequence(x, *packed[1:]), after


def _require_sound_batch(module: nn.RNNBase, packed: PackedSequence) -> None:
    """Refuse a batch that the recurrence would read beyond its end.

    The compiled one is told where the numbers lie, not how many there are.
    """
    module.check_input(packed.data, packed.batch_sizes)
    sizes, visits = packed.batch_sizes.tolist(), len(packed.data)
    if not sizes or sizes != sorted(sizes, reverse=True) or sizes[-1] < 1 or sum(sizes) != visits:
        raise ValueError(
            f"batch_sizes must be positive, not rise and add up to the {visits} visits of the "
            "batch; torch.nn.utils.rnn.pack_sequence makes such a PackedSequence"
        )


def _first_states(
    module: nn.RNNBase, packed: PackedSequence, start: Iterable[Tensor] | None, states: int
) -> States:
    """The states to begin with, in the packed order of the rows; 0 where none are given."""
    shape = module.get_expected_hidden_size(packed.data, packed.batch_sizes)
    if start is None:
        return (packed.data.new_zeros(shape),) * states
    given = tuple(start)
    for state in given:
        module.check_hidden_size(state, shape)
        if state.dtype != packed.data.dtype:
            raise ValueError(f"the inputs are {packed.data.dtype}, a first state {state.dtype}")
    return tuple(_reordered(state, packed.sorted_indices) for state in given)


def _reordered(state: Tensor, order: Tensor | None) -> Tensor:
    return state if order is None else state.index_select(1, order)


def _weights(module: nn.RNNBase, layer: int, down: bool) -> Weights:
    """U, W and their biases, 0 where the module has none."""
    end = f"l{layer}_reverse" if down else f"l{layer}"
    u, w = getattr(module, f"weight_ih_{end}"), getattr(module, f"weight_hh_{end}")
    if not module.bias:
        nothing = u.new_zeros(len(u))
        return u, w, nothing, nothing
    return u, w, getattr(module, f"bias_ih_{end}"), getattr(module, f"bias_hh_{end}")

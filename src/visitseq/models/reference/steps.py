"""How steps are numbered, and the sum over them.

The lecture counts the visits 1, 2, …, T and calls the state before the first one h_0. The arrays
of a trace keep that numbering: row t belongs to step t, and row 0 to what stands before the first
step (the initial state h_0; zeros where nothing does). So ``h[t - 1]`` is h_(t-1) at every step,
``h[T]`` is the last state, and without any visit the last state is the initial one.

The sequences that go in and out have no row 0: ``x`` has shape (T, inputs).
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: What a cell remembers after a step: (h,), and of an LSTM (h, c).
State = tuple[Floats, ...]

Weights_co = TypeVar("Weights_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Gradients(Generic[Weights_co]):
    """Gradients of the loss L with respect to all that goes into a cell.

    Attributes
    ----------
    cell
        Gradients with respect to the weights, each in the place of its weight.
    x
        Gradients with respect to the inputs, shape (T, inputs).
    start
        Gradients with respect to the initial state.
    """

    cell: Weights_co
    x: Floats
    start: State


def from_one(rows: Floats) -> Floats:
    """Put a row of zeros before the first, so that row t belongs to step t."""
    return np.vstack([np.zeros(rows.shape[1]), rows])


def sum_of_products(a: Floats, b: Floats) -> Floats:
    """Sum over the steps of a_t b_t', the outer product; shape (columns of a, columns of b)."""
    total: Floats = a.T @ b
    return total

"""The weights of a network without some of its codes and labels.

A network knows a code by its row of the embedding alone, and a label by its row of the head: rows
are taken out, and all other weights stay. Visits that lack the codes are scored as before.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from visitseq.export.common_codes import Kept, Marks

Weights = Mapping[str, npt.NDArray[np.float32]]


def reduced_weights(weights: Weights, kept: Kept) -> dict[str, npt.NDArray[np.float32]]:
    """Weights of a network without what is not ``kept``; names as in model.safetensors."""
    reduced = dict(weights)
    if kept.labels is None:
        reduced["embed.weight"] = rows_of(weights["embed.weight"], kept.codes)
        return reduced
    embed = "reader.embed.weight"
    reduced[embed] = rows_of(weights[embed], kept.codes)
    reduced["head.bias"] = rows_of(weights["head.bias"], kept.labels)
    if "head.weight" in weights:
        reduced["head.weight"] = rows_of(weights["head.weight"], kept.labels)
        return reduced
    # Linear in the counts: the reader's last number is of the days, those before it of the labels.
    numbers = np.append(_places(kept.labels), len(weights["head.bias"]))
    if "reader.mix.weight" in weights:
        reduced["reader.mix.weight"] = _but_blank(
            weights["reader.mix.weight"][numbers], kept.labels, axis=0
        )
    else:
        reduced[embed] = _but_blank(reduced[embed][:, numbers], kept.labels, axis=1)
    return {name: np.ascontiguousarray(value) for name, value in reduced.items()}


def rows_of(table: npt.NDArray[np.float32], kept: Marks) -> npt.NDArray[np.float32]:
    """Rows that are kept; one row of 0 where none is, as a network has that knows nothing."""
    return table[kept] if kept.any() else np.zeros_like(table[:1])


def _places(kept: Marks) -> npt.NDArray[np.intp]:
    """Places that are kept; the first, in the place of nothing, where none is."""
    return np.flatnonzero(kept) if kept.any() else np.zeros(1, dtype=np.intp)


def _but_blank(numbers: npt.NDArray[np.float32], kept: Marks, axis: int) -> npt.NDArray[np.float32]:
    """The same, with 0 for the label that stands in the place of nothing."""
    if kept.any():
        return numbers
    blank = numbers.copy()
    blank[(slice(None),) * axis + (0,)] = 0
    return blank

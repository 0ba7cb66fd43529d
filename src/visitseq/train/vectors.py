"""How a network takes up pre-trained code vectors.

Its embedding starts from them, row for row, and is trained on like every other weight (the dashed
curve of Fig. 6 in Choi et al., JAMIA 2017). So its size is that of the vectors, whatever size of
embedding the model's section names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from visitseq.encode.vectors import read_vectors


def with_vectors(model: Mapping[str, Any], encoding: Mapping[str, Any]) -> dict[str, Any]:
    """Section of a network as it is built for an encoding: with its vectors' size, if it has any.

    Parameters
    ----------
    model, encoding
        Their sections of the configuration, filled.
    """
    if encoding["vectors"] == "none":
        return dict(model)
    return {**model, "embedding": encoding["dimension"]}


def start_from_vectors(
    network: nn.Module, vectors: Path | None, known: npt.NDArray[np.int32]
) -> None:
    """Set the embedding of ``network`` to the vectors of the codes that the fold knows.

    Parameters
    ----------
    network
        Has ``embed``, an embedding with a row a known code and the size of the vectors.
    vectors
        File vectors.safetensors of the fold; with None the network stays as it is.
    known
        Vocabulary ids, ascending.
    """
    if vectors is None:
        return
    weight = network.get_submodule("embed").get_parameter("weight")
    start = torch.from_numpy(read_vectors(vectors, known))
    with torch.no_grad():
        # A fold that knows no code has one row all the same, which no visit asks for.
        weight[: len(start)] = start

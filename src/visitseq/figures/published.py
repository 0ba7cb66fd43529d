"""The numbers that the JAMIA paper printed, and which of them a model of the study answers to.

They come from other data, so they stand in a panel or column of their own, headed ``HEADING``, and
nothing is computed from them and ours. A model answers to one of the paper's where its kind, and
what the paper says of it, is the same: its GRU has one layer and reads forwards.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import visitseq

HEADING = "published, other data"
SOURCE = "Choi et al. 2017"

#: The paper's encodings, in the order of its bars.
ONE_HOT, GROUPED, CONCEPT_VECTORS = "one-hot", "grouped", "concept vectors"

PUBLISHED_NUMBERS = Path(visitseq.__file__).parent / "data" / "published_numbers.json"
_CLASSICAL = {"logistic": "LR", "svm": "SVM", "mlp": "MLP", "knn": "KNN"}

Section = Mapping[str, Any]


@cache
def heart_failure() -> dict[str, Any]:
    """All numbers of Choi et al., JAMIA 2017;24(2):361-370, by its figures and tables."""
    numbers: dict[str, Any] = json.loads(PUBLISHED_NUMBERS.read_text(encoding="utf-8"))[
        "heart_failure"
    ]
    return numbers


def published_model(model: Section) -> str | None:
    """The paper's name of the model that a section of the configuration describes, if it is one."""
    if model["kind"] in _CLASSICAL:
        counted = model.get("features", "counts") == "counts"
        return _CLASSICAL[model["kind"]] if counted else None
    if not _is_gru(model):
        return None
    return "GRU w/ duration" if model["duration"] else "GRU w/o duration"


def published_encoding(encoding: Section) -> str | None:
    """The paper's name of the encoding that a section describes, if it is one of the paper's."""
    names = {
        ("codes", "none"): ONE_HOT,
        ("groups", "none"): GROUPED,
        ("codes", "skipgram"): CONCEPT_VECTORS,
    }
    return names.get((encoding["vocabulary"], encoding["vectors"]))


def _is_gru(model: Section) -> bool:
    """Whether a model is one layer of GRU that reads the visits forwards and in their order."""
    return (
        model["kind"] == "recurrent"
        and model["cell"] == "gru"
        and model["layers"] == 1
        and not model["bidirectional"]
        and model.get("visits", "in_order") == "in_order"
    )

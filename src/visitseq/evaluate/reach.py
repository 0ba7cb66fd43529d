"""Stage 5: how far back a recurrent network sees.

What a visit can teach a network is bounded by the gradient of the loss that arrives at the state
after it. ``measure_reach`` takes that gradient at every state of every row of the validation part
(``state_gradients`` has the equations) and sums it up by the visit's distance from the last one:
the median over the rows that reach so far back, and the quartiles. It does so for the network as
it was trained and as it was when it was newly initialised, and puts the spectral radius
of W beside both. Dropout is off. The test part is not read.

The network must read forwards alone. One that reads in both directions has a last state at either
end, and no visit is far from both.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors.torch import load_file

from visitseq.cohort.parts import validation_part
from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.errors import UserError
from visitseq.evaluate.state_gradients import QUANTITIES, state_gradients
from visitseq.models.batches import collate
from visitseq.models.recurrent import RecurrentClassifier, build_classifier
from visitseq.models.spectral_radius import spectral_radii
from visitseq.models.unrolled import form_of
from visitseq.train.model_folder import read_card
from visitseq.train.seeds import seed_sequence
from visitseq.train.vectors import start_from_vectors, with_vectors

logger = logging.getLogger(__name__)

#: Rows unrolled at once: all their states are kept.
BATCH = 128
QUARTILES = {"median": 0.5, "low": 0.25, "high": 0.75}
COLUMNS = [
    *("state", "quantity", "distance", *QUARTILES),
    *(f"relative_{name}" for name in QUARTILES),
    "sequences",
]


def measure_reach(
    *, visits: Path, trained: Path, folder: Path, vectors: Path | None = None
) -> None:
    """Write reach.csv and reach.json of one recurrent model and fold.

    reach.csv has a row a state of the network (fresh, trained), quantity (h, and of an LSTM c) and
    distance in steps from the last one: median, low and high (the quartiles) of the gradient's
    norm, the same of the norm relative to the row's own at distance 0, and how many sequences have
    a step at that distance. reach.json has ``spectral_radius`` by state and gate, ``sequences``
    and ``empty`` (rows without a visit, which have no h_t).

    Parameters
    ----------
    visits
        The task's visits.arrow.
    trained
        The model's folder of stage 4, whose model.json names the fold.
    folder
        Where the files go.
    vectors
        File vectors.safetensors of the fold, from which the model's embedding started; None where
        the encoding has none.

    Raises
    ------
    UserError
        The network reads in both directions, or not every visit in order.
    """
    card = read_card(trained)
    _require_forwards(card["model"], trained)
    sequences = read_sequences(visits)
    rows = sequences.rows_of_parts([validation_part(card["fold"], card["parts"])])
    read = rows[sequences.lengths[rows] > 0]
    tables, radii = [], {}
    for state, network in _networks(trained, card, vectors):
        radii[state] = spectral_radii(card["model"]["cell"], network.recur.state_dict())
        table = reach_table(network, card, sequences, read)
        tables.append(table.assign(state=state)[COLUMNS])
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat(tables).to_csv(folder / "reach.csv", index=False, lineterminator="\n")
    content = {
        "spectral_radius": radii,
        "sequences": len(read),
        "empty": len(rows) - len(read),
    }
    (folder / "reach.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    logger.info(
        "%d sequences of the validation part measured, %d without visits",
        len(read),
        content["empty"],
    )


def reach_table(
    network: RecurrentClassifier,
    card: Mapping[str, Any],
    sequences: Sequences,
    rows: npt.NDArray[np.intp],
) -> pd.DataFrame:
    """Quartiles over ``rows``, each with a visit, of the gradients by quantity and distance."""
    known = np.array(card["known"], dtype=np.int32)
    by_length = rows[np.argsort(-sequences.lengths[rows], kind="stable")]
    measured = [_empty()]
    network.eval()
    for first in range(0, len(rows), BATCH):
        chosen = by_length[first : first + BATCH]
        batch = collate(sequences, chosen, known)
        labels = torch.empty(len(chosen), dtype=torch.float64)
        labels[batch.ranks] = torch.from_numpy(sequences.label[chosen].astype(np.float64))
        measured.append(
            state_gradients(
                form_of(card["model"]),
                network.recur.state_dict(),
                network.head.state_dict(),
                inputs=network.embed_visits(batch).detach(),
                batch_sizes=batch.batch_sizes,
                labels=labels,
            )
        )
    return _quartiles(pd.concat(measured))


def _networks(
    trained: Path, card: Mapping[str, Any], vectors: Path | None
) -> Iterator[tuple[str, RecurrentClassifier]]:
    yield "fresh", fresh_network(card, vectors)
    network = fresh_network(card, vectors)
    network.load_state_dict(load_file(trained / "model.safetensors"))
    yield "trained", network


def fresh_network(card: Mapping[str, Any], vectors: Path | None = None) -> RecurrentClassifier:
    """Network of a model.json with the weights from which its training began.

    The head's bias is torch.nn's, where training starts from the base rate; relative gradients
    don't depend on it.
    """
    seed, _ = seed_sequence(card["seed"], card["fold"], card["model"]).spawn(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))
        section = with_vectors(card["model"], card["encoding"])
        network = build_classifier(section, len(card["known"]))
    start_from_vectors(network, vectors, np.array(card["known"], dtype=np.int32))
    return network


def _require_forwards(model: Mapping[str, Any], trained: Path) -> None:
    if model["visits"] != "in_order":
        raise UserError(
            f"The model in {trained} reads its visits {model['visits']}; how far back a network "
            "sees is measured of those that read them in_order."
        )
    if model["bidirectional"]:
        raise UserError(
            f"The model in {trained} reads in both directions, so that no visit is far from its "
            "last states; how far back a network sees is measured of those that read forwards "
            "alone."
        )


def _empty() -> pd.DataFrame:
    """No visits, in the columns of ``state_gradients``: what a part without rows has."""
    numbers = dict.fromkeys(("norm", "relative"), pd.Series(dtype=np.float64))
    return pd.DataFrame({"quantity": "", "distance": pd.Series(dtype=np.int64), **numbers})


def _quartiles(visits: pd.DataFrame) -> pd.DataFrame:
    groups = visits.groupby(["quantity", "distance"])
    columns = {name: groups["norm"].quantile(at) for name, at in QUARTILES.items()}
    columns |= {f"relative_{n}": groups["relative"].quantile(at) for n, at in QUARTILES.items()}
    table = pd.DataFrame({**columns, "sequences": groups.size()}).reset_index()
    order = table["quantity"].map(QUANTITIES.index)
    return table.iloc[np.lexsort([table["distance"], order])]

"""Skip-gram vectors of the codes, for one fold: of a whole site, or of a task's windows.

Each code of a record is made to predict the codes around it, so that codes which keep the same
company get similar vectors (Mikolov et al., NIPS 2013; as concept vectors Choi et al., JAMIA 2017,
Methods). With v the vectors and u those of the neighbours, of each pair of a code i and a neighbour
j the loss is

    - log sigmoid(v_i . u_j) - sum over NEGATIVE codes k of log sigmoid(- v_i . u_k)

with k drawn by frequency to the power 3/4. The neighbours are the codes within a distance that is
drawn for each code from 1 to the window, on either side, in the sequences of ``corpus``. A code
that stands in fewer than ``min_count`` visits of the corpus gets no vector and is passed over: what
stands on either side of it are neighbours. gensim does the work, with one thread: two would take
steps in an order that no seed decides.

No person outside the training parts is read, unless the encoding says paper_mode, which reads
everybody, as the paper did. That is a leak: it needs no label, but the vectors have seen the
company that codes keep in the records on which models are tested.
"""

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gensim.models import Word2Vec

from visitseq.cohort.parts import digest_of_persons, training_parts
from visitseq.encode.corpus import (
    Corpus,
    site_persons,
    site_sequences,
    window_sequences,
    write_corpus,
)
from visitseq.encode.sequences import read_visit_lists
from visitseq.encode.vectors import place_rows, write_vectors
from visitseq.tables import vectors_schema, write_parquet

log = logging.getLogger(__name__)

#: How often the corpus is read, and codes drawn against each neighbour: gensim's defaults.
EPOCHS, NEGATIVE = 5, 5


def train_site_vectors(
    *,
    events: Path,
    codes: Path,
    ancestors: Path,
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
) -> None:
    """Write vectors.parquet: the vectors of a site's codes, from whole records, for every task.

    Parameters
    ----------
    events, codes, ancestors
        events.parquet, codes.parquet and ancestors.parquet of the site.
    encoding
        Filled section: dimension, window, paper_mode, min_count, vocabulary, level, domains.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        Decides the parts of the persons and the order of the codes in a visit; with the fold, all
        that the training draws.
    folder
        Where the file (``tables.vectors_schema``) goes.
    """
    files = {"events": events, "codes": codes, "ancestors": ancestors}
    read = _parts_read(encoding, fold, parts)
    blocks = site_sequences(files, encoding, read, seed=seed, parts=parts)
    learned = _learn(blocks, encoding, (seed, fold), folder)
    persons = digest_of_persons(site_persons(events, read, seed=seed, parts=parts))
    own = learned.replace_schema_metadata({"persons": persons})
    write_parquet(own, folder / "vectors.parquet")


def train_vectors(
    *,
    visits: Path,
    vocabulary: Path,
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
) -> None:
    """Write vectors.safetensors, a row for each code of the vocabulary, from a task's windows.

    Parameters
    ----------
    visits, vocabulary
        visits.arrow and vocabulary.parquet of the task and encoding.
    encoding
        Filled section: dimension, window, paper_mode, min_count.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        Decides the order of the codes in a visit; with the fold, all that the training draws.
    folder
        Where the file (``vectors``) goes.
    """
    names = pq.read_table(vocabulary)["code"].combine_chunks()
    read = _parts_read(encoding, fold, parts)
    blocks = window_sequences(visits, names, read, seed=seed)
    learned = _learn(blocks, encoding, (seed, fold), folder)
    lists = read_visit_lists(visits)
    persons = digest_of_persons(lists.subject_id[lists.rows_of_parts(read)])
    write_vectors(place_rows(learned, names), folder / "vectors.safetensors", persons)


def _parts_read(encoding: Mapping[str, Any], fold: int, parts: int) -> list[int]:
    """Parts whose persons are read: those that the fold trains on, in paper_mode all."""
    if encoding["paper_mode"]:
        log.warning("paper_mode: the vectors see the validation and test parts' records too")
        return list(range(parts))
    return training_parts(fold, parts)


def _learn(
    blocks: Iterable[pa.ListArray],
    encoding: Mapping[str, Any],
    seeds: tuple[int, int],
    folder: Path,
) -> pa.Table:
    """Vectors from blocks of sequences, by way of a scratch file in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".spill_") as scratch:
        corpus = write_corpus(blocks, Path(scratch) / "corpus.arrow")
        draws = np.random.SeedSequence(seeds).generate_state(1)
        learned = learn_vectors(
            corpus,
            dimension=encoding["dimension"],
            window=encoding["window"],
            min_count=encoding["min_count"],
            seed=int(draws[0]),
        )
    log.info(
        "vectors of %d codes; %d codes in %d records, %d times",
        len(learned),
        corpus.counts.sum(),
        corpus.sequences,
        EPOCHS,
    )
    return learned


def learn_vectors(
    corpus: Corpus, *, dimension: int, window: int, min_count: int, seed: int
) -> pa.Table:
    """Skip-gram vectors of the codes of a corpus (``tables.vectors_schema``).

    Parameters
    ----------
    corpus
        The sequences.
    dimension
        Size of a vector.
    window
        Largest distance of a neighbour.
    min_count
        In how many visits of the corpus a code stands at least, to get a vector.
    seed
        Decides the vectors before the first step and all draws.
    """
    # gensim's draws go by the order of the names: here one that no block of persons decides.
    counts = dict(sorted(zip(corpus.names, corpus.counts.tolist(), strict=True)))
    names = [name for name, count in counts.items() if count >= min_count]
    vectors = np.zeros((0, dimension), dtype=np.float32)
    if names:
        model = Word2Vec(
            vector_size=dimension,
            window=window,
            sg=1,
            negative=NEGATIVE,
            sample=0,  # drops no frequent code: the paper names no such thinning
            min_count=min_count,
            workers=1,
            seed=seed,
        )
        model.build_vocab_from_freq(counts)
        model.train(corpus, total_words=sum(counts.values()), epochs=EPOCHS)
        vectors = model.wv[names]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimension)
    return pa.table([pa.array(names, pa.string()), flat], schema=vectors_schema(dimension))

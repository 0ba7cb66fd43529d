"""Skip-gram vectors of the codes, for one fold: vectors.safetensors.

Each code of a record is made to predict the codes around it, so that codes which keep the same
company get similar vectors (Mikolov et al., NIPS 2013; as concept vectors Choi et al., JAMIA 2017,
Methods). With v the vectors and u those of the neighbours, of each pair of a code i and a neighbour
j the loss is

    - log sigmoid(v_i . u_j) - sum over NEGATIVE codes k of log sigmoid(- v_i . u_k)

with k drawn by frequency to the power 3/4. The neighbours are the codes within a distance that is
drawn for each code from 1 to the window, on either side, in the sequences of ``corpus``. gensim
does the work, with one thread: two would take steps in an order that no seed decides.

No person outside the training parts is read, and no code that the fold does not know; unless the
encoding says paper_mode, which reads everybody, as the paper did. That is a leak: it needs no
label, but the vectors have seen the company that codes keep in the records on which models are
tested.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from gensim.models import Word2Vec

from visitseq.cohort.parts import training_parts
from visitseq.encode.corpus import Corpus, site_sequences, window_sequences, write_corpus
from visitseq.encode.sequences import known_codes
from visitseq.encode.vectors import write_vectors

log = logging.getLogger(__name__)

#: How often the corpus is read, and codes drawn against each neighbour: gensim's defaults.
EPOCHS, NEGATIVE = 5, 5


def train_vectors(
    *,
    records: Path,
    codes: Path,
    ancestors: Path,
    vocabulary: Path,
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
) -> None:
    """Write vectors.safetensors, a row for each code of the vocabulary; see ``vectors``.

    Parameters
    ----------
    records
        Where the codes stand: events.parquet of the site where the encoding's corpus is site,
        visits.arrow of the task and encoding where it is cohort.
    codes, ancestors
        codes.parquet and ancestors.parquet of the site, by which its records are put in groups.
    vocabulary
        File vocabulary.parquet of the task and encoding.
    encoding
        Filled section: corpus, dimension, window, paper_mode, min_count, vocabulary, level,
        domains.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        Decides the parts of the persons and the order of the codes in a visit; with the fold, all
        that the training draws.
    folder
        Where the file goes.
    """
    table, train_on = pq.read_table(vocabulary), training_parts(fold, parts)
    known = known_codes(table, train_on, encoding["min_count"])
    names = table["code"].combine_chunks().take(pa.array(known))
    read = list(range(parts)) if encoding["paper_mode"] else train_on
    if encoding["paper_mode"]:
        log.warning("paper_mode: the vectors see the validation and test parts' records too")
    sequences: Iterator[pa.ListArray]
    if encoding["corpus"] == "site":
        files = {"events": records, "codes": codes, "ancestors": ancestors}
        sequences = site_sequences(files, encoding, names, read, seed=seed, parts=parts)
    else:
        sequences = window_sequences(records, known, names, read, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    vectors = np.zeros((len(table), encoding["dimension"]), dtype=np.float32)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".spill_") as scratch:
        corpus = write_corpus(sequences, names, Path(scratch) / "corpus.arrow")
        draws = np.random.SeedSequence([seed, fold]).generate_state(1)
        vectors[known] = learn_vectors(
            corpus, dimension=encoding["dimension"], window=encoding["window"], seed=int(draws[0])
        )
    write_vectors(vectors, folder / "vectors.safetensors")
    log.info(
        "fold %d: vectors of %d of %d codes from %d codes in %d records of %d parts, %d times",
        fold,
        np.count_nonzero(corpus.counts),
        len(table),
        corpus.counts.sum(),
        corpus.sequences,
        len(read),
        EPOCHS,
    )


def learn_vectors(
    corpus: Corpus, *, dimension: int, window: int, seed: int
) -> npt.NDArray[np.float32]:
    """Skip-gram vectors, shape (names, dimension); 0 for a name that the corpus lacks.

    Parameters
    ----------
    corpus
        The sequences.
    dimension
        Size of a vector.
    window
        Largest distance of a neighbour.
    seed
        Decides the vectors before the first step and all draws.
    """
    vectors = np.zeros((len(corpus.names), dimension), dtype=np.float32)
    found = np.flatnonzero(corpus.counts)
    if not len(found):
        return vectors
    model = Word2Vec(
        vector_size=dimension,
        window=window,
        sg=1,
        negative=NEGATIVE,
        sample=0,  # drops no frequent code: the paper names no such thinning
        min_count=1,
        workers=1,
        seed=seed,
    )
    model.build_vocab_from_freq({corpus.names[place]: int(corpus.counts[place]) for place in found})
    model.train(corpus, total_words=int(corpus.counts.sum()), epochs=EPOCHS)
    vectors[found] = model.wv[[corpus.names[place] for place in found]]
    return vectors

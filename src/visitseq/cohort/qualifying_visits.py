"""Which visits hold a code of a phenotype.

Many events share few pairs of a code and a source code. Each pair is asked about once, by the
expression ``IS_QUALIFYING``.
"""

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.cohort.phenotype import IS_QUALIFYING
from visitseq.cohort.visits import VisitBlock

_QUALIFYING_PAIRS = f"SELECT number FROM code_pair WHERE {IS_QUALIFYING}"


def qualifying_visits(
    connection: duckdb.DuckDBPyConnection, block: VisitBlock
) -> npt.NDArray[np.bool_]:
    """Whether each visit of a block holds a qualifying code, shape (visits,).

    ``connection`` has the tables of ``register_phenotype``.
    """
    code, source = (block.codes[name].combine_chunks() for name in ("code", "source_code"))
    sources = len(source.dictionary) + 1  # the last one stands for none
    of_source = source.indices.fill_null(sources - 1).to_numpy()
    pair = pa.array(code.indices.to_numpy() * np.int64(sources) + of_source).dictionary_encode()
    pair_code, pair_source = np.divmod(pair.dictionary.to_numpy(), sources)
    pairs = {
        "number": np.arange(len(pair_code)),
        "code": code.dictionary.take(pa.array(pair_code)),
        "source_code": source.dictionary.take(
            pa.array(pair_source, mask=pair_source == sources - 1)
        ),
    }
    connection.register("code_pair", pa.table(pairs))
    is_qualifying = np.zeros(len(pair_code), dtype=bool)
    is_qualifying[connection.execute(_QUALIFYING_PAIRS).fetchnumpy()["number"]] = True
    qualifies = np.zeros(len(block.visits.start), dtype=bool)
    qualifies[block.visits.of_event[is_qualifying[pair.indices.to_numpy()]]] = True
    return qualifies

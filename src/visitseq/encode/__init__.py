"""Stage 3: the visits in the window as a sparse one-hot sequence."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    encode_visits="encode",
    encode_targets="targets",
    train_site_vectors="skipgram",
    train_vectors="skipgram",
    place_vectors="vectors",
)

"""Stage 1, for who has no records: simulated hospitals whose true onset is known."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(__name__, simulate_site="site")

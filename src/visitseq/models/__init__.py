"""The networks: recurrent cells that train fast on a CPU, and what is built from them."""

from visitseq.models.cells import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]

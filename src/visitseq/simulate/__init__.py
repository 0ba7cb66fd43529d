"""Simulated hospitals whose true onset of heart failure is known."""

from visitseq.simulate.simulate_site import simulate_site

__all__ = ["simulate_site"]

"""The parts of a site: which persons a fold trains on, validates on and tests on.

A person's part is a hash of (seed, subject_id): it depends neither on the order of the rows nor on
who else is in the table, so it is the same in every cohort, task and pre-training of a site.

Fold f tests on part f, validates on part (f + 1) mod parts, and trains on the others: with seven
parts the 5:1:1 division of Choi et al. (JAMIA 2017, Methods).
"""

import numpy as np
import numpy.typing as npt


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64 bits: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def hash_ids(ids: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """Hash of (seed, id) for each of ``ids``, uniform over 64 bits, shape (ids,)."""
    with np.errstate(over="ignore"):
        salt = _mix(np.array([seed], dtype=np.uint64))
        return _mix(np.asarray(ids, dtype=np.int64).view(np.uint64) ^ salt)


def assign_parts(
    subject_ids: npt.NDArray[np.int64], seed: int, parts: int
) -> npt.NDArray[np.int32]:
    """Part of each person, an integer in [0, parts), shape (persons,)."""
    return (hash_ids(subject_ids, seed) % np.uint64(parts)).astype(np.int32)


def draw_persons(
    subject_ids: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], largest: int, seed: int
) -> npt.NDArray[np.int64]:
    """At most ``largest`` of ``rows``, those with the smallest hashes, ascending.

    Who they are has nothing to do with their part, and does not depend, one by one, on who else is
    there.
    """
    # A seed of its own: the hash of the parts must not decide who is drawn.
    own = int(np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0])
    order = np.argsort(hash_ids(subject_ids[rows], own), kind="stable")
    return np.sort(rows[order[:largest]])


def validation_part(fold: int, parts: int) -> int:
    """Part on which ``fold`` validates; it tests on the part of its own number."""
    return (fold + 1) % parts


def training_parts(fold: int, parts: int) -> list[int]:
    """Parts on which ``fold`` trains: all but its test and its validation part."""
    return [part for part in range(parts) if part not in (fold, validation_part(fold, parts))]

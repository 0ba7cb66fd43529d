"""The parts of a site: which persons a fold trains on, validates on and tests on.

A person's part is a hash of (seed, subject_id): it depends neither on the order of the rows nor on
who else is in the table, so it is the same in every cohort, task and pre-training of a site.

Fold f tests on part f, validates on part (f + 1) mod parts, and trains on the others: with seven
parts the 5:1:1 division of Choi et al. (JAMIA 2017, Methods).
"""

import hashlib

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


def validation_part(fold: int, parts: int) -> int:
    """Part on which ``fold`` validates; it tests on the part of its own number."""
    return (fold + 1) % parts


def training_parts(fold: int, parts: int) -> list[int]:
    """Parts on which ``fold`` trains: all but its test and its validation part."""
    return [part for part in range(parts) if part not in (fold, validation_part(fold, parts))]


def digest_of_persons(subject_ids: npt.NDArray[np.int64]) -> str:
    """SHA-256 of the distinct ids, ascending, as 64-bit little-endian integers, in hexadecimal.

    What was fitted carries that of the persons it saw, so that it can be told whether they are
    those of its training parts.
    """
    return hashlib.sha256(np.unique(subject_ids).astype("<i8").tobytes()).hexdigest()

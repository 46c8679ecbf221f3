"""Feature hashing of names, equal to scikit-learn's FeatureHasher without importing it."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from vectors.encoders.base import Vectors

_BITS_32 = 0xFFFFFFFF
_CACHED_NAMES = 50_000


def hash_names(names: Sequence[Sequence[str]], *, dimension: int) -> Vectors:
    """
    Return float32 (n, dimension): signed counts of the names of each row, by hash.

    scikit-learn's FeatureHasher returns the same rows, but importing it costs a process 160 MB and
    a second of CPU time.
    """
    rows = np.zeros((len(names), dimension), np.float32)
    for row, row_names in zip(rows, names, strict=True):
        for name in row_names:
            value = _hash(name)
            row[abs(value) % dimension] += 1 if value >= 0 else -1
    return rows


@lru_cache(_CACHED_NAMES)
def _hash(name: str) -> int:
    """Return the signed 32-bit MurmurHash3 of a name, seed 0."""
    data = name.encode()
    value = 0
    tail = len(data) - len(data) % 4
    for start in range(0, tail, 4):
        value ^= _scramble(int.from_bytes(data[start : start + 4], "little"))
        value = (_rotate(value, 13) * 5 + 0xE6546B64) & _BITS_32
    value ^= _scramble(int.from_bytes(data[tail:], "little"))
    value ^= len(data)
    value = ((value ^ value >> 16) * 0x85EBCA6B) & _BITS_32
    value = ((value ^ value >> 13) * 0xC2B2AE35) & _BITS_32
    value ^= value >> 16
    return value - 2**32 if value >= 2**31 else value


def _scramble(block: int) -> int:
    return (_rotate((block * 0xCC9E2D51) & _BITS_32, 15) * 0x1B873593) & _BITS_32


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & _BITS_32

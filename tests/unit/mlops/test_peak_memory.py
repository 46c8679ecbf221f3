"""Peak memory of a part of a process."""

import sys

import numpy as np
import pytest

from mlops.registry.memory import peak_memory_bytes, reset_peak_memory

_MEGABYTES = 1 << 20


def test_peak_contains_what_was_allocated_and_released() -> None:
    reset_peak_memory()
    before = peak_memory_bytes()

    np.ones(80 * _MEGABYTES // 8).sum()

    assert peak_memory_bytes() - before > 60 * _MEGABYTES


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak")
def test_reset_forgets_an_earlier_peak() -> None:
    np.ones(80 * _MEGABYTES // 8).sum()
    with_earlier = peak_memory_bytes()

    reset_peak_memory()

    assert with_earlier - peak_memory_bytes() > 60 * _MEGABYTES

"""
Peak resident memory of a part of a process.

Workers train several models one after another: the peak that `getrusage` returns is that of the
whole process, and on Linux includes its parent's. Linux can reset the peak of `/proc/self/status`.
"""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_PART_OF_BYTES = 1 if sys.platform == "darwin" else 1024


def reset_peak_memory() -> None:
    """Begin a new measurement; without effect where the system cannot."""
    try:
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return


def peak_memory_bytes() -> int:
    """Return the peak since the last reset, or of the whole process where it cannot be reset."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PART_OF_BYTES

"""Memory that was freed stays at hand, so that big arrays do not page-fault. No kernel lives here.

The system hands out memory page by page, each cleared when it is first touched, and the GNU C
library returns big arrays to it at once: a fresh array costs more than the arithmetic on it. Told
to keep them, a training step faults no page once the first steps have found their memory.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

__all__ = ["keep_freed"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT = 2**31 - 1  # bytes at the end of the heap that are not given back
LARGEST = 2**25  # bytes; larger arrays are the system's, this is the most that the library accepts


@lru_cache(maxsize=1)
def keep_freed() -> bool:
    """Let the C library keep what is freed, for the whole process; whether it could be told.

    Called when the first kernel runs. `MINIGRAD_KEEP_MEMORY=0` in the environment leaves the
    library as it is. Others than GNU's (musl, macOS, Windows) have nothing to be told.
    """
    if os.environ.get("MINIGRAD_KEEP_MEMORY", "1") == "0":
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
        return bool(
            library.mallopt(M_MMAP_THRESHOLD, LARGEST) and library.mallopt(M_TRIM_THRESHOLD, KEPT)
        )
    except (OSError, TypeError, AttributeError):
        return False

"""What a receiving server frees it will need again at once: so the allocator keeps it.

A body comes in pieces of some 256 KiB. glibc takes memory for such pieces from the kernel and
gives it back, and every fresh page has to be cleared first: three quarters of the processor
time of an upload went there (bench/uploads.py). Told to keep what was freed, it is used again.
A program keeps more memory after a large upload, and no more than TRIM beyond what it needs.
Where the C library is another one, nothing happens.
"""

import ctypes
from typing import Final

PIECES: Final = 32 << 20  # below this a piece comes from the heap; glibc's own upper limit
TRIM: Final = 128 << 20  # free memory at its end that a heap keeps
_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3


def keep_freed_memory() -> bool:
    """Once, at the start of a server, before its threads; whether the C library took it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, PIECES)) and bool(mallopt(_M_TRIM_THRESHOLD, TRIM))

"""Memory between chunks.

Context: the arrays of a chunk are a few hundred KiB to 2 MiB. glibc returns such blocks to the kernel when
they are freed and faults them in again for the next chunk: half of the time of a small model. It also keeps an
arena for each thread, so that every call uses other memory than the last one left in the caches. Decision:
keep some MiB, in one arena for all threads. Price: that memory is occupied while the server is idle, and threads
wait for each other for the moment an allocation takes. Where strangers connect, that moment is long: under a flood of
frames gRPC starts some 60 threads, which wait for one arena until calls of others take 20 s and more. So a server that
listens on a port has several arenas. Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Final, cast

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_KEPT: Final = 12 << 20
_BLOCK: Final = 4 << 20


def keep_freed_memory(arenas: int = 1) -> None:
    """Let the C library keep up to 12 MiB, in blocks below 4 MiB, in so many arenas."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, arenas)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _BLOCK)


class _Usage(ctypes.Structure):
    """struct mallinfo2."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


@cache
def _mallinfo2() -> Callable[[], _Usage] | None:
    """Return the function of the C library, found once: it is asked ten times a second."""
    usage = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if usage is None:
        return None
    usage.restype = _Usage
    return cast("Callable[[], _Usage]", usage)


def in_use() -> int | None:
    """Return the bytes that are allocated now, in blocks of every kind; None where the C library does not say."""
    usage = _mallinfo2()
    if usage is None:
        return None
    found = usage()
    return int(found.uordblks) + int(found.hblkhd)

"""Turns of the engine: how many batches are computed at once, and whether anyone still waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

_AWAITED_SECONDS: Final = 3600.0
"""For how long a call without a deadline counts as one that somebody waits for, once it is computed."""

_NO_DEADLINE: Final = 1e9
"""Seconds; gRPC says more than these of a call without a deadline."""


class GoneError(Exception):
    """A call whose caller had gone when its turn came."""


class Caller(Protocol):
    """What turns need of the context of a call."""

    def is_active(self) -> bool:
        """Return whether the call is neither cancelled nor past its deadline."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline of the call."""


class _Turn:
    """One call that is computed."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.began = time.monotonic()
        self.gone: float | None = None

    def gone_since(self, now: float) -> float | None:
        """Return since when nobody waits for the call, as far as was looked; None where somebody does."""
        if self.gone is None:
            if not self.caller.is_active():
                self.gone = now
            elif now > self.began + _AWAITED_SECONDS and (self.caller.time_remaining() or _NO_DEADLINE) >= _NO_DEADLINE:
                self.gone = self.began + _AWAITED_SECONDS
        return self.gone


class Turns:
    """Some turns, each for one call at a time. Safe for use from several threads."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = threading.Semaphore(count)
        self._lock = threading.Lock()
        self._taken: dict[_Turn, None] = {}

    @contextmanager
    def take(self, caller: Caller) -> Iterator[None]:
        """Wait for a turn, and hold it. Raises GoneError where nobody waits for the call any more."""
        with self._free:
            if not caller.is_active():
                raise GoneError
            turn = _Turn(caller)
            with self._lock:
                self._taken[turn] = None
            try:
                yield
            finally:
                with self._lock:
                    del self._taken[turn]

    def lost(self) -> float:
        """Return for how many seconds every turn has been held by a call that nobody waits for; 0 where one is not.

        A call is awaited until its deadline, however far that is, and without one for an hour. Due every tenth of a
        second: that a caller has gone is noticed here.
        """
        now = time.monotonic()
        with self._lock:
            taken = list(self._taken)
        gone = [since for turn in taken if (since := turn.gone_since(now)) is not None]
        return now - max(gone) if len(gone) == self._count else 0.0

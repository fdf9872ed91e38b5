"""Ids that occur more than once, in memory that does not grow with the input."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

COMPARED: Final = 1 << 22


class Ids:
    """Compares the ids of the first `COMPARED` rows, by a hash of 64 bits each."""

    def __init__(self) -> None:
        self._hashes: list[npt.NDArray[np.int64]] = []
        self._count = 0

    def add(self, ids: list[str]) -> None:
        """Add the ids of a chunk."""
        ids = ids[: COMPARED - self._count]
        self._count += len(ids)
        self._hashes.append(np.fromiter(map(hash, ids), np.int64, len(ids)))

    def repeated(self) -> int:
        """Return how many rows have the id of an earlier row."""
        if not self._hashes:
            return 0
        return self._count - len(np.unique(np.concatenate(self._hashes)))

    @property
    def all_compared(self) -> bool:
        """Whether there were no more rows than are compared."""
        return self._count < COMPARED

"""One process of a conversion: chunks in, parts out."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from graphscore.convert._features import featurizer
from graphscore.convert._molecules import Parser
from graphscore.convert._part import BLOCK_ATOMS, Ledger, write_part
from graphscore.convert._settings import Chunk, Reject
from graphscore.convert._table import schema, table

_ALLOCATIONS: Final = 100_000
"""Objects that are made before Python looks for cycles."""


class Worker:
    """Converts chunks into parts of `out`."""

    def __init__(self, out: Path, features: str, max_atoms: int) -> None:
        self._out = out
        self._parser = Parser(max_atoms)
        self._features = featurizer(features)

    def convert(self, chunk: Chunk, settings: Mapping[str, Any]) -> Ledger:
        """Write a chunk's part, with the settings in its ledger, which is returned."""
        columns = schema(self._features.pairs, None if chunk.carried is None else chunk.carried.schema)
        with _seldom_collected():
            return write_part(self._out, chunk, settings, self._fill, columns)

    def _fill(self, chunk: Chunk, write: Callable[[pa.Table], None]) -> list[Reject]:
        rejects, kept = [], []
        for place, (line, smiles) in enumerate(zip(chunk.lines, chunk.smiles, strict=True)):
            molecule = self._parser.parse(line, smiles)
            if isinstance(molecule, Reject):
                rejects.append(molecule)
                continue
            self._features.add(molecule)
            kept.append(place)
            if self._features.atoms >= BLOCK_ATOMS:
                write(self._block(chunk, kept))
                kept = []
        if kept:
            write(self._block(chunk, kept))
        return rejects

    def _block(self, chunk: Chunk, kept: list[int]) -> pa.Table:
        carried = None if chunk.carried is None else chunk.carried.take(pa.array(kept, pa.int64()))
        ids = [chunk.ids[place] for place in kept]
        return table(self._features.take(), ids, self._features.pairs, carried)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Have Python look for cycles seldom: atoms and bonds, of which there are many for a moment, are in none."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


_started: Final[list[Worker]] = []  # that of this process


def start(out: Path, features: str, max_atoms: int) -> None:
    """Begin as a process of a pool: it leaves signals to its parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    pa.set_cpu_count(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _started.append(Worker(out, features, max_atoms))


def convert(chunk: Chunk, settings: Mapping[str, Any]) -> Ledger:
    """Convert a chunk in this process of the pool."""
    return _started[0].convert(chunk, settings)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)

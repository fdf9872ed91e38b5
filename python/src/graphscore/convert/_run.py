"""A conversion: inputs in chunks, chunks over processes, one part each."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rdkit

from graphscore._exit_codes import MEMORY
from graphscore.convert._error import ConvertError
from graphscore.convert._features import VERSION
from graphscore.convert._folder import Folder
from graphscore.convert._ids import Ids
from graphscore.convert._inputs import Source, open_all
from graphscore.convert._part import Ledger
from graphscore.convert._progress import Progress
from graphscore.convert._reading import Reader
from graphscore.convert._settings import Chunk, Settings
from graphscore.convert._work import Worker, convert, start


@dataclass
class Totals:
    """What a conversion did, resumed parts included.

    `repeated` rows have the id of an earlier row; where `all_ids` is false only the first rows were compared.
    """

    rows: int = 0
    converted: int = 0
    rejected: int = 0
    skipped_parts: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    all_ids: bool = True

    def add(self, ledger: Ledger) -> None:
        """Add a part."""
        self.rows += ledger.rows
        self.converted += ledger.converted
        self.rejected += ledger.rejected
        self.reasons.update(ledger.reasons)


def run(paths: list[Path], out: Path, settings: Settings, *, processes: int, redo: bool) -> Totals:
    """Convert the molecules of some files into the folder `out`.

    Raises:
        ConvertError: it cannot begin or go on; the parts that were made stay, and the same call goes on from them.
    """
    with Reader() as reader:
        sources = open_all(paths, settings, reader)
        recorded = {source.name: _recorded(source, settings) for source in sources}
        with Folder(out, recorded, redo=redo) as folder, _pool(out, settings, processes) as submit:
            progress = Progress(sys.stderr, len(sources))
            try:
                totals = _Conversion(folder, recorded, submit, 2 * processes, progress).run(sources)
            finally:
                progress.close()
            folder.finish()
    return totals


def _recorded(source: Source, settings: Settings) -> dict[str, Any]:
    """Return what the ledger of a part keeps: all that its bytes follow from, beside the rows."""
    return {
        "features": settings.features,
        "version": VERSION,
        "max_atoms": settings.max_atoms,
        "part_rows": settings.part_rows,
        "smiles_column": source.columns["smiles"],
        "id_column": source.columns["id"],
        "carry": list(settings.carry),
        "rdkit": rdkit.__version__,
    }


_Submit = Callable[[Chunk, Mapping[str, Any]], "Future[Ledger]"]


@contextmanager
def _pool(out: Path, settings: Settings, processes: int) -> Iterator[_Submit]:
    """Yield a function that has a chunk converted, by this process where there is to be only one."""
    if processes == 1:
        worker = Worker(out, settings.features, settings.max_atoms)

        def here(chunk: Chunk, recorded: Mapping[str, Any]) -> Future[Ledger]:
            done: Future[Ledger] = Future()
            try:
                done.set_result(worker.convert(chunk, recorded))
            except MemoryError as error:
                done.set_exception(error)
            return done

        yield here
        return
    executor = ProcessPoolExecutor(
        processes,
        multiprocessing.get_context("spawn"),
        initializer=start,
        initargs=(out, settings.features, settings.max_atoms),
    )

    def there(chunk: Chunk, recorded: Mapping[str, Any]) -> Future[Ledger]:
        with interrupts_later():
            return executor.submit(convert, chunk, recorded)

    try:
        yield there
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Have an interrupt wait until the end, while a process may begin.

    The process inherits the mask: an interrupt must not end it before `start` ignores it. Nor may KeyboardInterrupt be
    raised here before the process has been sent what it is to do, although a thread that does not block the signal,
    one of pyarrow, may receive it.
    """
    held: list[int] = []
    deferring = threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT))
    handler = signal.signal(signal.SIGINT, lambda number, _: held.append(number)) if deferring else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if deferring:
            signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


class _Conversion:
    """The loop of a conversion: it reads chunks, a bounded number ahead, and takes their ledgers in order."""

    def __init__(
        self,
        folder: Folder,
        recorded: Mapping[str, Mapping[str, Any]],
        submit: _Submit,
        ahead: int,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._recorded = recorded
        self._submit = submit
        self._ahead = ahead
        self._progress = progress
        self._waiting: deque[tuple[Chunk, Future[Ledger]]] = deque()
        self._totals = Totals()
        self._ids = Ids()

    def run(self, sources: list[Source]) -> Totals:
        for finished, source in enumerate(sources):
            for chunk in source.chunks():
                self._ids.add(chunk.ids)
                done = self._folder.done(chunk)
                if done is not None:
                    self._totals.add(done)
                    self._totals.skipped_parts += 1
                    self._progress.skipped((finished + source.done()) / len(sources))
                else:
                    self._begin(chunk)
                while len(self._waiting) >= self._ahead:
                    self._collect()
                self._progress.update(self._totals.rows, finished, source.done())
        while self._waiting:
            self._collect()
            self._progress.update(self._totals.rows, len(sources), 0)
        self._totals.repeated, self._totals.all_ids = self._ids.repeated(), self._ids.all_compared
        return self._totals

    def _begin(self, chunk: Chunk) -> None:
        self._folder.begin()
        try:
            made = self._submit(chunk, self._recorded[chunk.file])
        except BrokenProcessPool:
            raise self._killed() from None
        self._waiting.append((chunk, made))

    def _collect(self) -> None:
        """Take the ledger of the chunk that has waited longest."""
        chunk, made = self._waiting[0]
        try:
            ledger = made.result()
        except BrokenProcessPool:
            raise self._killed() from None
        except MemoryError:
            raise ConvertError(
                MEMORY, f"{_rows(chunk)} do not fit into the memory; use fewer --processes or --part-rows"
            ) from None
        self._waiting.popleft()
        if ledger.rows != chunk.rows or ledger.converted + ledger.rejected != chunk.rows:
            raise AssertionError(f"{_rows(chunk)}: {ledger.text()}")
        self._totals.add(ledger)

    def _killed(self) -> ConvertError:
        chunks = " or ".join(_rows(chunk) for chunk, made in self._waiting if not made.done() or made.exception())
        return ConvertError(
            MEMORY,
            f"a process was killed while it converted {chunks or 'molecules'}: was there enough memory? "
            "Use fewer --processes; the parts that were made stay",
        )


def _rows(chunk: Chunk) -> str:
    lines = [*chunk.lines, *(reject.line for reject in chunk.rejects)] or [0]
    return f"{chunk.file} lines {min(lines)}-{max(lines)}"

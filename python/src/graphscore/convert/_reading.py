"""Parquet is read in a process of its own: on some damaged files pyarrow does not raise, it ends its process.

The process is begun with the first file, reads one file after the other, and ends with this one. Over its stdin come
requests, over its stdout answers, both pickled.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Final

from graphscore._exit_codes import MEMORY, NO_INPUT
from graphscore.convert._error import ConvertError
from graphscore.convert._settings import Chunk, Settings

_BEGIN: Final = (
    "import sys; sys.path[:] = sys.argv[1:];"  # before any import: -c would find modules in the current folder first
    "from graphscore.convert import _reading; _reading.serve()"
)  # not multiprocessing, which a script without `if __name__ == "__main__"` cannot use


class Reader(AbstractContextManager["Reader"]):
    """The process that reads Parquet, begun when it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.kill()  # it writes nothing
        self._process.communicate()

    def ask(self, path: Path, request: object) -> None:
        """Send a request about a file."""
        try:
            _send(_pipe(self._begun().stdin), request)
        except BrokenPipeError:
            raise self._ended(path, "") from None

    def _begun(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-c", _BEGIN, *sys.path]
            self._process = subprocess.Popen(  # noqa: S603 - this Python, and a program of this file
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def answer(self, path: Path, where: str = "") -> Any:
        """Return the next answer, which is about a file; `where` says how far it has been read.

        Raises:
            ConvertError: the file is refused, or the process has ended on it (65, or 71 where it was killed).
        """
        try:
            found = pickle.load(_pipe(self._begun().stdout))  # noqa: S301 - from the process that this one began
        except (EOFError, pickle.UnpicklingError):
            raise self._ended(path, where) from None
        if isinstance(found, BaseException):
            raise found
        return found

    def _ended(self, path: Path, where: str) -> ConvertError:
        code = self._begun().wait()
        if code == -signal.SIGKILL:
            return ConvertError(
                MEMORY, f"{path}: the process that reads it was killed{where}: was there enough memory?"
            )
        how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        return ConvertError(
            NO_INPUT, f"{path} cannot be read: pyarrow ended its process on it{where}, by {how}; is the file whole?"
        )


class ReadElsewhere:
    """A Parquet file of molecules, read by another process."""

    def __init__(self, path: Path, settings: Settings, reader: Reader) -> None:
        self.name = path.name
        self._path = path
        self._settings = settings
        self._reader = reader
        self._done = 0.0
        reader.ask(path, (path, settings, False))
        self.columns: dict[str, str | None] = reader.answer(path)

    def done(self) -> float:
        """Return how much of the file is read, from 0 to 1."""
        return self._done

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, as ParquetSource does."""
        self._reader.ask(self._path, (self._path, self._settings, True))
        self._reader.answer(self._path)
        rows, where = 0, ""
        while (found := self._reader.answer(self._path, where)) is not None:
            chunk, self._done = found
            rows += chunk.rows
            where = f" after row {rows:,}"
            yield chunk


def serve() -> None:
    """Answer requests until there are no more: the columns of a file, then its chunks where they are asked for."""
    from graphscore.convert._parquet import ParquetSource  # noqa: PLC0415 - here pyarrow reads, and nowhere else

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends this one
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            path, settings, chunks = pickle.load(requests)  # noqa: S301 - from the process that began this one
        except EOFError:
            return
        try:
            source = ParquetSource(path, settings)
            _send(answers, source.columns)
            if chunks:
                for chunk in source.chunks():
                    _send(answers, (chunk, source.done()))
                _send(answers, None)
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            _send(answers, error)


def _send(to: IO[bytes], value: object) -> None:
    pickle.dump(value, to, pickle.HIGHEST_PROTOCOL)
    to.flush()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError
    return pipe

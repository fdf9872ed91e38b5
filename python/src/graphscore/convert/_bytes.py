"""The bytes of an input, and a digest of its rows."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pyarrow as pa

from graphscore._exit_codes import INPUT_OUTPUT
from graphscore.convert._error import ConvertError

COMPRESSED: Final = (".gz", ".bz2", ".zst", ".lz4")


class Bytes(AbstractContextManager["Bytes"]):
    """The bytes of a file, decompressed where its name says that it is compressed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._size = path.stat().st_size
            self._file = pa.OSFile(str(path))
        except OSError as error:
            raise ConvertError(INPUT_OUTPUT, f"{path}: {error.strerror or error}") from None
        suffix = path.suffix.lower()
        self._stream = pa.input_stream(self._file, compression=_codec(suffix)) if suffix in COMPRESSED else self._file

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        try:
            return bytes(self._stream.read(size))
        except OSError as error:
            raise ConvertError(INPUT_OUTPUT, f"{self.path}: reading failed: {error}; is the file whole?") from None

    def done(self) -> float:
        """Return how much of the file is read, from 0 to 1."""
        return 1.0 if self._file.closed or not self._size else float(self._file.tell()) / self._size

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _codec(suffix: str) -> str:
    return {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}[suffix]


def digest() -> hashlib._Hash:
    """Return a new digest of rows."""
    return hashlib.sha256(usedforsecurity=False)

"""Inputs: what format a file has, and its rows in chunks of a fixed number."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from graphscore.convert._error import INPUT_OUTPUT, NO_INPUT, NOT_THERE, USAGE, ConvertError
from graphscore.convert._settings import Chunk, Settings

_FORMATS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".smi": "", ".smiles": "", ".ism": ""}
_PARQUET: Final = (".parquet", ".pq", ".parq")
_COMPRESSED: Final = (".gz", ".bz2", ".zst", ".lz4")
_LONGEST_NAME: Final = 200


class Source(Protocol):
    """The rows of one input."""

    name: str
    columns: dict[str, str | None]  # what each of smiles, id is read from

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, `part_rows` a chunk; an empty input has one empty chunk."""

    def done(self) -> float:
        """Return how much of the input is read, from 0 to 1."""


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
        self._stream = pa.input_stream(self._file, compression=_codec(suffix)) if suffix in _COMPRESSED else self._file

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


def open_all(paths: list[Path], settings: Settings) -> list[Source]:
    """Return the inputs, each with its columns found.

    Raises:
        ConvertError: one is not there (66), is no table of molecules (65), or cannot be told from another (64).
    """
    by_name: dict[str, Path] = {}
    sources = []
    for path in paths:
        _present(path)
        first = by_name.setdefault(path.name, path)
        if first is not path:
            raise ConvertError(USAGE, f"{path}: {first} has the same name, and so the same parts; rename one")
        sources.append(_open(path, settings))
    return sources


def _present(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConvertError(NOT_THERE, f"{path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise ConvertError(USAGE, f"{path} is a folder: name its files, as in {path / '*.csv'}")
    if not stat.S_ISREG(mode):
        raise ConvertError(USAGE, f"{path} is no regular file: write it to a file first")
    if not os.access(path, os.R_OK):
        raise ConvertError(INPUT_OUTPUT, f"{path}: permission denied")
    name = path.name
    if len(os.fsencode(name)) > _LONGEST_NAME or not name.isprintable():
        raise ConvertError(USAGE, f"{str(path)!r}: a part cannot have this name; rename the file")


def _open(path: Path, settings: Settings) -> Source:
    from graphscore.convert._parquet import ParquetSource  # noqa: PLC0415
    from graphscore.convert._text import TextSource  # noqa: PLC0415

    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    with Bytes(path) as file:
        start = file.read(4)
    if start == b"PAR1":
        return ParquetSource(path, settings)
    if suffix in _PARQUET:
        raise ConvertError(NO_INPUT, f"{path} is no Parquet file: it does not begin with PAR1")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConvertError(NO_INPUT, f"{path} is UTF-16; write it as UTF-8")
    if start == b"PK\x03\x04":
        raise ConvertError(NO_INPUT, f"{path} is a zip archive or an Excel workbook; save the table as CSV")
    if suffix not in _FORMATS:
        known = ", ".join([*_FORMATS, *_PARQUET])
        raise ConvertError(
            NO_INPUT, f"{path}: its name says no format; those read are {known}, also with {', '.join(_COMPRESSED)}"
        )
    return TextSource(path, settings, _FORMATS[suffix])

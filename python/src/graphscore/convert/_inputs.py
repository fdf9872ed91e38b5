"""Inputs: what format a file has, and its rows in chunks of a fixed number."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from graphscore._exit_codes import INPUT_OUTPUT, NO_INPUT, NOT_THERE, USAGE
from graphscore.convert._bytes import COMPRESSED, Bytes
from graphscore.convert._error import ConvertError
from graphscore.convert._part import part_name
from graphscore.convert._reading import ReadElsewhere, Reader
from graphscore.convert._settings import Chunk, Settings
from graphscore.convert._text import TextSource

_FORMATS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".smi": "", ".smiles": "", ".ism": ""}
_PARQUET: Final = (".parquet", ".pq", ".parq")
_COMPRESSIONS: Final = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst", b"\x04\x22\x4d\x18": ".lz4"}
_LONGEST_NAME: Final = 200


class Source(Protocol):
    """The rows of one input."""

    name: str
    columns: dict[str, str | None]  # what each of smiles, id is read from

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, `part_rows` a chunk; an empty input has one empty chunk."""

    def done(self) -> float:
        """Return how much of the input is read, from 0 to 1."""


def open_all(paths: list[Path], settings: Settings, reader: Reader) -> list[Source]:
    """Return the inputs, each with its columns found; `reader` reads those of Parquet.

    Raises:
        ConvertError: one is not there (66), is no table of molecules (65), or cannot be told from another (64).
    """
    by_name: dict[str, Path] = {}
    sources = []
    for path in paths:
        _present(path)
        part = part_name(path.name, 0)
        first = by_name.setdefault(part, path)
        if first is not path:
            raise ConvertError(USAGE, f"{path}: {first} has the same parts ({part}); rename one")
        sources.append(_open(path, settings, reader))
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


def _open(path: Path, settings: Settings, reader: Reader) -> Source:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    with Bytes(path) as file:
        start = file.read(4)
    if start == b"PAR1":
        return ReadElsewhere(path, settings, reader)
    if suffix in _PARQUET:
        raise ConvertError(NO_INPUT, f"{path} is no Parquet file: it does not begin with PAR1")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or (start[::2] == b"\0\0") != (start[1::2] == b"\0\0"):
        raise ConvertError(NO_INPUT, f"{path} is UTF-16 or UTF-32; write it as UTF-8")
    for magic, ending in _COMPRESSIONS.items():
        if start.startswith(magic):
            raise ConvertError(NO_INPUT, f"{path} is compressed; decompress it, or have its name end in {ending}")
    if start == b"PK\x03\x04":
        raise ConvertError(NO_INPUT, f"{path} is a zip archive or an Excel workbook; save the table as CSV")
    if suffix not in _FORMATS:
        known = ", ".join([*_FORMATS, *_PARQUET])
        raise ConvertError(
            NO_INPUT, f"{path}: its name says no format; those read are {known}, also with {', '.join(COMPRESSED)}"
        )
    return TextSource(path, settings, _FORMATS[suffix])

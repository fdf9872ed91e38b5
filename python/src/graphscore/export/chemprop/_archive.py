"""A file that torch.save wrote: a zip archive of data.pkl and of the plain bytes of each tensor.

Nothing is decompressed: torch stores what it saves, and an entry that is compressed is refused by its name. So no entry
is larger than the file, and memory is bounded by what is read of it.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from graphscore._config import one_line, printable
from graphscore.export._error import ExportError

_PICKLE_BYTES: Final = 4 << 20
"""Of data.pkl: class names and numbers; those of a model with a thousand tensors have 200 KB."""
_ENTRIES: Final = 1 << 16
_END: Final = struct.Struct("<4s4H2LH")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
_COMMENT: Final = 1 << 16
_MAGIC: Final = b"PK\x03\x04"
_BROKEN: Final = (zipfile.BadZipFile, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError)


class Archive:
    """The entries of an open file. Raises ExportError naming the file; see `open_archive`."""

    def __init__(self, path: Path, file: zipfile.ZipFile, size: int) -> None:
        self.path: Final = path
        self.bytes: Final = size
        self._file = file
        entries = file.infolist()
        self._entries = {entry.filename: entry for entry in entries}
        if len(self._entries) < len(entries):
            raise self.error("an entry occurs twice; the file is damaged, copy it again")
        pickles = [name for name in self._entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            found = f"{len(pickles)} times data.pkl, and torch.save writes one" if pickles else "no data.pkl"
            raise self.error(f"it has {found}; name a .pt or .ckpt file of chemprop")
        self._root = pickles[0][: -len("data.pkl")]

    def error(self, what: str) -> ExportError:
        """Return the error `what` of this file."""
        return ExportError(f"{self.path}: {what}")

    def pickled(self) -> bytes:
        """Return data.pkl."""
        size = self.size("data.pkl")
        if size > _PICKLE_BYTES:
            raise self.error(
                f"its data.pkl has {size} bytes, at most {_PICKLE_BYTES} are read; it is no checkpoint of chemprop"
            )
        return self.read("data.pkl")

    def check_byteorder(self) -> None:
        """Refuse numbers that are not little-endian; versions of torch that do not say it write these."""
        if f"{self._root}byteorder" not in self._entries:
            return
        order = self.read("byteorder") if self.size("byteorder") <= len("little") else b""
        if order != b"little":
            raise self.error("its numbers are not little-endian; save it on a machine that is")

    def size(self, name: str) -> int:
        """Return the bytes of an entry, which must be stored as they are."""
        entry = self._entries.get(f"{self._root}{name}")
        if entry is None:
            raise self.error(f"entry {printable(name)} is missing; the file is damaged, copy it again")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise self.error(
                f"entry {printable(name)} is compressed; torch.save stores entries as they are, so this file was"
                " written by something else: save the model again"
            )
        if entry.file_size > self.bytes - entry.header_offset:  # zipfile makes room before it reads
            raise self.error(f"entry {printable(name)} is longer than the file; it is damaged, copy it again")
        return entry.file_size

    def read(self, name: str) -> bytes:
        """Return the bytes of an entry."""
        size = self.size(name)
        try:
            data = self._file.read(f"{self._root}{name}")
        except (*_BROKEN, OSError) as error:
            raise self.error(
                f"entry {printable(name)} cannot be read ({one_line(error)}); the file is damaged, copy it again"
            ) from None
        except MemoryError:
            raise self.error(f"entry {printable(name)} has {size} bytes, more than there is memory for") from None
        if len(data) != size:
            raise self.error(
                f"entry {printable(name)} is shorter than the archive says; the file is damaged, copy it again"
            )
        return data


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a file of torch.save. Raises ExportError naming the file and what to do."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ExportError(f"{path} is a folder; name the .pt or .ckpt files in it")
        if not stat.S_ISREG(mode):
            raise ExportError(f"{path} is no regular file: write it to a file first")
        size = _check_directory(path)
        file = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise ExportError(f"{path}: it is no zip archive of torch.save ({one_line(error)}); copy it again") from None
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}") from None
    with file:
        yield Archive(path, file, size)


def _check_directory(path: Path) -> int:
    """Refuse a file that is no zip archive, or one that lists more entries than a checkpoint; return its bytes."""
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size - _COMMENT))
        tail = file.read()
        if magic != _MAGIC:
            raise ExportError(
                f"{path}: it is no zip archive, which torch.save has written since torch 1.6; name a .pt or .ckpt"
                " file of chemprop 2"
            )
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise ExportError(f"{path}: the end of the archive is missing; the file is truncated, copy it again")
        entries, length = _END.unpack_from(tail, at)[4:6]
        if at >= _LOCATOR_64.size and tail[at - _LOCATOR_64.size :].startswith(b"PK\x06\x07"):
            place = _LOCATOR_64.unpack_from(tail, at - _LOCATOR_64.size)[2]
            file.seek(min(place, size))
            long = file.read(_END_64.size)
            if len(long) == _END_64.size and long.startswith(b"PK\x06\x06"):
                entries, length = _END_64.unpack(long)[7:9]
    if entries > _ENTRIES or length > _ENTRIES * 64:
        raise ExportError(f"{path}: it lists {entries} entries in {length} bytes; no checkpoint has that many")
    return size

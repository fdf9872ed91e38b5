"""The folder of a conversion.

Parts lie in it, named after their input; `_rejects` has what was not converted, `_SUCCESS` exists when all parts do.
While a conversion is at work, or after it was interrupted, there is `_temporary`: graphscore reads no such folder.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from graphscore._exit_codes import CANNOT_CREATE, LOCKED, REFUSED
from graphscore.convert._error import ConvertError
from graphscore.convert._part import TEMPORARY, Ledger, part_name, read_ledger, rejects_of, sync_folder
from graphscore.convert._settings import Chunk

_SUCCESS: Final = "_SUCCESS"
_SAID: Final = {"version": "converter version"}


class Folder(AbstractContextManager["Folder"]):
    """The output of a conversion, locked until `close`.

    Args:
        path: the folder; it is made where it does not exist.
        settings: those of this conversion by the name of the input. Parts of other ones are not mixed with them.
        redo: whether parts that do not match are removed or made anew; else they end the conversion.
    """

    def __init__(self, path: Path, settings: Mapping[str, Mapping[str, Any]], *, redo: bool) -> None:
        self.path = path
        self._settings = settings
        self._redo = redo
        self._begun = False
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / "_lock").open("a")
        except OSError as error:
            raise ConvertError(CANNOT_CREATE, f"--out {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConvertError(LOCKED, f"--out {path}: another conversion is writing to it; try again later") from None
        try:
            self._parts = self._found()
        except BaseException:
            self._lock.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def _found(self) -> dict[str, Ledger]:
        """Return the parts that match the settings, by name."""
        found = {}
        for place in sorted(self.path.iterdir()):
            if place.name.startswith(("_", ".")):
                continue
            ledger = read_ledger(place) if place.suffix == ".parquet" else None
            if ledger is None or place.name != part_name(ledger.file, ledger.number):
                raise ConvertError(REFUSED, f"{place} is not of a conversion; convert into a folder of its own")
            difference = self._difference(ledger)
            if not difference:
                found[place.name] = ledger
            elif self._redo:
                self._remove(place.name)
            else:
                raise ConvertError(REFUSED, f"{place}: {difference}; {self._choices}")
        return found

    @property
    def _choices(self) -> str:
        return "name another --out, or add --redo to make such parts anew"

    def _difference(self, ledger: Ledger) -> str:
        settings = self._settings.get(ledger.file)
        if settings is None:
            return f"a part of {ledger.file}, which is not among the inputs"
        for key in sorted({*settings, *ledger.settings}):
            made, asked = ledger.settings.get(key), settings.get(key)
            if made != asked:
                return f"made with {_SAID.get(key, key)} {_shown(made)}, and this conversion has {_shown(asked)}"
        return ""

    def done(self, chunk: Chunk) -> Ledger | None:
        """Return the ledger of a chunk's part; None where it must be made.

        Raises:
            ConvertError: there is a part of other rows, and `redo` is not set.
        """
        part = part_name(chunk.file, chunk.number)
        ledger = self._parts.pop(part, None)
        if ledger is None or ledger.content == chunk.content:
            return ledger
        if not self._redo:
            raise ConvertError(
                REFUSED, f"{self.path / part}: these rows of {chunk.file} have changed since; {self._choices}"
            )
        self._remove(part)
        return None

    def begin(self) -> None:
        """Mark the folder as one that is being written, before its first change."""
        if self._begun:
            return
        self._begun = True
        try:
            (self.path / _SUCCESS).unlink(missing_ok=True)
            shutil.rmtree(self.path / TEMPORARY, ignore_errors=True)
            (self.path / TEMPORARY).mkdir()
            sync_folder(self.path)
        except OSError as error:
            raise ConvertError(CANNOT_CREATE, f"--out {self.path}: {error.strerror}") from None

    def finish(self) -> None:
        """Mark the folder as complete."""
        for part in sorted(self._parts):
            if not self._redo:
                raise ConvertError(
                    REFUSED, f"{self.path / part}: {self._parts[part].file} has no such rows any more; {self._choices}"
                )
            self._remove(part)
        try:
            shutil.rmtree(self.path / TEMPORARY, ignore_errors=True)
            (self.path / _SUCCESS).touch()
            sync_folder(self.path)
        except OSError as error:
            raise ConvertError(CANNOT_CREATE, f"--out {self.path}: {error.strerror}") from None

    def _remove(self, part: str) -> None:
        self.begin()
        try:
            (self.path / part).unlink(missing_ok=True)
            rejects_of(self.path, part).unlink(missing_ok=True)
        except OSError as error:
            raise ConvertError(CANNOT_CREATE, f"{self.path / part}: {error.strerror}") from None


def _shown(value: object) -> str:
    return "none" if value in (None, [], ()) else str(value)

"""config.json of a model folder, read key by key; every value is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from graphscore._terminal import harmless

_MAX_COUNT: Final = 2**31 - 1
_SHOWN: Final = 60
_ABSENT: Final = object()


class ModelError(Exception):
    """A model folder that does not load. The message is one sentence: what is wrong, where, what to do."""


class Section:
    """One object of config.json: the whole file, or one entry of `layers`.

    Each method reads one key and returns its checked value. A key with a default may be absent; `null` is a value
    like any other. Every error is a ModelError that names the file, the section, the key and the value.

    Args:
        path: config.json, for messages.
        where: the section in messages, e.g. 'layer 0 (gcn)'; '' is the whole file.
        entry: the parsed JSON of the section.
    """

    def __init__(self, path: Path, where: str, entry: object) -> None:
        self._path = path
        self._where = where
        if not isinstance(entry, dict):
            raise self.error(f"expected an object, got {show(entry)}")
        self._entry: dict[str, object] = entry
        self._known: Collection[str] | None = None

    @property
    def entry(self) -> Mapping[str, object]:
        """The parsed JSON, unchecked."""
        return self._entry

    def inner(self, where: str) -> Section:
        """Return the same object under another name for messages."""
        return Section(self._path, where, self._entry)

    def error(self, what: str) -> ModelError:
        """Return the error `what` of this section."""
        return ModelError(f"{self._path}: {self._where}: {what}" if self._where else f"{self._path}: {what}")

    def check_keys(self, known: Collection[str], optional: Collection[str]) -> None:
        """Refuse an entry with a key that is not known, or without one that is not optional.

        Asking for another key afterwards is a bug of the caller, which would ignore it in every model: KeyError.
        """
        self._known = known
        unknown = sorted(self._entry.keys() - set(known))
        if unknown:
            raise self.error(f"unknown key {show(unknown[0])}; known are {', '.join(sorted(known))}")
        missing = sorted(set(known) - set(optional) - self._entry.keys())
        if missing:
            raise self.error(f"key {missing[0]!r} is missing")

    def get(self, key: str) -> object:
        """Return the value of a key as JSON has it; None where it is absent."""
        return self._value(key, _ABSENT)

    def text(self, key: str) -> str:
        """Return a printable string that is not empty."""
        return self._text(key, self._value(key, None))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of one or more such strings."""
        return tuple(self._text(f"{key}[{index}]", value) for index, value in enumerate(self.items(key)))

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of different strings, whatever their characters; an absent one is empty."""
        value = self._value(key, _ABSENT)
        if value is None and key not in self._entry:
            return ()
        if not isinstance(value, list):
            raise self.error(f"{key}: expected a list of names, got {show(value)}")
        seen: dict[str, None] = {}
        for index, name in enumerate(value):
            if not isinstance(name, str):
                raise self.error(f"{key}[{index}]: expected a name, got {show(name)}")
            if name in seen:
                raise self.error(f"{key}[{index}]: {show(name)} occurs twice; names must be unique")
            seen[name] = None
        return tuple(seen)

    def section(self, key: str) -> Section:
        """Return an object."""
        return Section(self._path, f"{self._where}.{key}" if self._where else key, self._value(key, None))

    def items(self, key: str) -> list[object]:
        """Return a list that is not empty."""
        value = self._value(key, None)
        if not isinstance(value, list) or not value:
            raise self.error(f"{key}: expected a list that is not empty, got {show(value)}")
        return value

    def count(self, key: str, *, default: int | None = None, minimum: int = 1) -> int:
        """Return an integer from `minimum` to 2^31 - 1."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= _MAX_COUNT:
            raise self.error(f"{key}: expected an integer from {minimum} to {_MAX_COUNT}, got {show(value)}")
        return value

    def number(
        self, key: str, *, default: float | None = None, minimum: float = -math.inf, maximum: float = math.inf
    ) -> float:
        """Return a finite number from `minimum` to `maximum`, both included."""
        value = self._value(key, default)
        wanted = f"a number{_range(minimum, maximum)}"
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(f"{key}: expected {wanted}, got {show(value)}")
        try:
            number = float(value)
        except OverflowError:  # an integer of more than 308 digits
            number = math.inf
        if not math.isfinite(number) or not minimum <= number <= maximum:
            raise self.error(f"{key}: expected {wanted}, got {show(value)}")
        return number

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{key}: expected true or false, got {show(value)}")
        return value

    def choice(self, key: str, known: Collection[str], *, default: str | None = None) -> str:
        """Return one of the names in `known`."""
        value = self._value(key, default)
        if not isinstance(value, str) or value not in known:
            raise self.error(f"{key} {show(value)} is not supported; supported are {', '.join(sorted(known))}")
        return value

    def _value(self, key: str, default: object) -> object:
        if self._known is not None and key not in self._known:
            raise KeyError(f"{key!r} is not among the known keys of {self._where or 'config.json'}")
        if key in self._entry:
            return self._entry[key]
        if default is None:
            raise self.error(f"key {key!r} is missing")
        return None if default is _ABSENT else default

    def _text(self, where: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self.error(f"{where}: expected a string that is not empty, got {show(value)}")
        if not value.isprintable():
            raise self.error(f"{where}: {show(value)} has characters that cannot be printed")
        return value


def parse(path: Path, data: bytes) -> Section:
    """Return the content of config.json. Raises ModelError, also for a key that occurs twice in one object."""
    try:
        config = decode(data)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {one_line(error)}") from None
    return Section(path, "", config)


def decode(data: bytes | str) -> object:
    """Return parsed JSON. Raises ValueError, also for a key that occurs twice in one object."""
    try:
        return json.loads(data, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise ValueError("its values are nested too deep") from None


def printable(name: str) -> str:
    """Return a name for a message: itself, or as `show` has it where it is long or not printable."""
    return name if name and len(name) <= _SHOWN and name.isprintable() else show(name)


def show(value: object) -> str:
    """Return a value for a message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


_MOST_SAID: Final = 500
"""Characters of what a library says."""


def one_line(error: BaseException) -> str:
    """Return the message of a library's error on one short line, harmless: it may repeat bytes of a file."""
    said = harmless(" ".join(str(error).split()))
    return said if len(said) <= _MOST_SAID else said[:_MOST_SAID] + "..."


def _range(minimum: float, maximum: float) -> str:
    if math.isinf(minimum) and math.isinf(maximum):
        return ""
    if math.isinf(maximum):
        return f" of at least {minimum:g}"
    return f" of at most {maximum:g}" if math.isinf(minimum) else f" from {minimum:g} to {maximum:g}"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {show(key)} occurs twice in one object")
        result[key] = value
    return result


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")

"""What the unpickler builds: plain values, tensors that are not read yet, and inert records of everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graphscore._config import show

_CUT: Final = 60


@dataclass(frozen=True)
class Name:
    """A class or function by its name. It is never imported or called."""

    module: str
    name: str

    def __str__(self) -> str:
        text = f"{self.module}.{self.name}"
        return text if len(text) <= _CUT and text.isprintable() else repr(text[:_CUT])


@dataclass(eq=False)
class Record:
    """What would have been an object: its class, what it would have been made with, and its state."""

    of: Name
    args: tuple[object, ...] = ()
    state: object = None

    def attribute(self, name: str) -> object:
        """Return an attribute of its state; None where it has none."""
        return self.state.get(name) if isinstance(self.state, dict) else None


@dataclass(frozen=True, eq=False)
class Storage:
    """A persistent id: which entry of the archive holds the numbers of tensors."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def said(value: object) -> str:
    """Return a value for a message. What holds other values is not looked into: they may be many, or themselves."""
    if isinstance(value, Record):
        return f"a {value.of}"
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, str | int | float | None):
        return show(value)
    return f"a {type(value).__name__.lower()}"

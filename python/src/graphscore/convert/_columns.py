"""Which column holds the SMILES, which the ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graphscore._exit_codes import NO_INPUT
from graphscore.convert._error import ConvertError
from graphscore.convert._settings import Settings

_SMILES: Final = ("smiles", "SMILES")
_IDS: Final = ("id", "graph_id", "name")
_LISTED: Final = 20


def find(name: str, columns: Sequence[str]) -> str | None:
    """Return the column of that name, or the only one that has it in another case."""
    if name in columns:
        return name
    like = [column for column in columns if column.strip().lower() == name.lower()]
    return like[0] if len(like) == 1 else None


def smiles_column(path: str, columns: Sequence[str], texts: Sequence[str] | None, settings: Settings) -> str:
    """Return the column of the SMILES.

    Args:
        path: the input, for messages.
        columns: all its columns.
        texts: those that hold text; None where that is not known yet, and then LookupError is raised if it is needed.
        settings: has the name that was asked for.
    """
    if settings.smiles_column is not None:
        return named(path, columns, "--smiles-column", settings.smiles_column)
    for name in _SMILES:
        if (column := find(name, columns)) is not None:
            return column
    if texts is None:
        raise LookupError
    if len(texts) == 1:
        return texts[0]
    raise ConvertError(
        NO_INPUT,
        f"{path}: no column smiles, and {len(texts)} columns of text; "
        f"name the one with --smiles-column; there are {listed(columns)}",
    )


def id_column(path: str, columns: Sequence[str], smiles: str, settings: Settings) -> str | None:
    """Return the column of the ids; None where there is none."""
    if settings.id_column is not None:
        return named(path, columns, "--id-column", settings.id_column)
    for name in _IDS:
        if (column := find(name, columns)) is not None and column != smiles:
            return column
    return None


def named(path: str, columns: Sequence[str], flag: str, name: str) -> str:
    """Return the column that a flag names."""
    column = find(name, columns)
    if column is None:
        raise ConvertError(NO_INPUT, f"{path}: no column {name!r} ({flag}); there are {listed(columns)}")
    return column


def refuse_twice(path: str, columns: Sequence[str]) -> None:
    """Refuse a table in which two columns have one name."""
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise ConvertError(NO_INPUT, f"{path}: column {twice[0]!r} occurs twice; rename one")


def listed(columns: Sequence[str]) -> str:
    """Return names for a message."""
    shown = ", ".join(repr(column[:60]) for column in columns[:_LISTED]) or "none"
    return shown + (f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else "")


def carried_columns(path: str, columns: Sequence[str], settings: Settings) -> list[str]:
    """Return the columns that are copied."""
    return [named(path, columns, "--carry", name) for name in settings.carry]

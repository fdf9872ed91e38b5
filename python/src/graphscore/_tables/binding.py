"""Which column of a table is read for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from graphscore._engines import ModelFacts
from graphscore._tables.faults import TableError
from graphscore._tables.fields import ROLES, Field, describe, fits

NONE: Final = "none"
"""The name that turns an optional column off."""

_MODEL_COLUMNS: Final = ("edge_attr", "edge_type", "graph_attr")
_HINT: Final = "`columns` maps other names"
_HINT_WEIGHTS: Final = ", and {'weights': 'none'} in it makes every weight 1"
_MOST_NAMES: Final = 20


def bind(schema: pa.Schema, columns: Mapping[str, str] | None, model: ModelFacts) -> dict[str, Field]:
    r"""Find the columns that a model reads, by key of `columns`. Raises TableError.

    Args:
        schema: that of the table.
        columns: names by key, as in `columns:` of a job; 'none' turns an optional one off, '\none' is one of that
            name.
        model: what reads them. Where it needs edge weights, a table without them is refused, unless they are turned
            off: then every weight is 1.
    """
    given = _given(columns)
    unread = {key for key in (*_MODEL_COLUMNS, "weights") if _input(key) not in model.inputs}
    needed = {key for key in _MODEL_COLUMNS if key not in unread}
    if "weights" not in unread and _input("weights") not in model.optional:
        needed.add("weights")
    bound: dict[str, Field] = {}
    for key, role in ROLES.items():
        name = given.get(key, "")
        if name == NONE or (key in unread and key in _MODEL_COLUMNS):
            continue
        names = (_bare(name),) if name else role.names
        found = next((candidate for candidate in names if _has(schema, candidate)), None)
        if found is not None and key not in unread:
            bound[key] = describe(found, schema.field(found).type)
        elif found is None and (name or key in needed):
            raise _missing(schema, key, f'"{names[0]}"' if name else names[0])
    for key in _MODEL_COLUMNS:
        if key in needed and given.get(key) == NONE:
            raise TableError(f"{key} is none, and the model reads it; name the column, or choose a model that does not")
    if given.get("source") or given.get("target"):
        bound.pop("edges", None)
    if "edges" in bound:
        bound.pop("source", None)
        bound.pop("target", None)
    _check(schema, bound)
    return bound


def _input(key: str) -> str:
    return "edge_weight" if key == "weights" else key


def _given(columns: Mapping[str, str] | None) -> Mapping[str, str]:
    columns = columns or {}
    for key, name in columns.items():
        if key not in ROLES:
            raise TableError(f"columns has the key {key!r}; use {', '.join(ROLES)}")
        if not name:
            raise TableError(f"columns[{key!r}] is empty; give the name of a column, or {NONE!r} to turn it off")
        if name == NONE and not ROLES[key].optional:
            raise TableError(
                f"{key} cannot be none, as every graph needs it; name a column, one that is named none as \\none"
            )
    return columns


def _bare(name: str) -> str:
    bare = name.lstrip("\\")
    return name[1:] if bare == NONE and len(name) > len(bare) else name


def _has(schema: pa.Schema, name: str) -> bool:
    places = schema.get_all_field_indices(name)
    if len(places) > 1:
        raise TableError(f'there are two columns "{name}"; rename one of them')
    return bool(places)


def _missing(schema: pa.Schema, key: str, name: str) -> TableError:
    names = list(schema.names[:_MOST_NAMES])
    if len(schema.names) > _MOST_NAMES:
        names.append(f"and {len(schema.names) - _MOST_NAMES} more")
    has = "it has " + ", ".join(names) if names else "it has no columns"
    hint = _HINT + _HINT_WEIGHTS if key == "weights" else _HINT
    return TableError(f"there is no column {name} for {key}, {has}; {hint}")


def _check(schema: pa.Schema, bound: Mapping[str, Field]) -> None:
    if "features" not in bound:
        raise _missing(schema, "features", " or ".join(ROLES["features"].names))
    if "edges" not in bound:
        if "source" not in bound and "target" not in bound:
            raise _missing(schema, "edges", "edge_index (nor source and target)")
        for key in ("source", "target"):
            if key not in bound:
                raise _missing(schema, key, key)
    for key, field in bound.items():
        if not fits(field, key):
            raise TableError(
                f'column "{field.name}" for {key} has type {field.type}, not {ROLES[key].type};'
                f" rewrite the column, or {_HINT}"
            )
    features = bound["features"]
    if features.texts and "num_nodes" not in bound and "node_ids" not in bound:
        raise TableError(
            f'column "{features.name}" for features is bytes, and no column num_nodes or node_ids says of how many'
            f" nodes they are; add num_nodes or node_ids, or write list<list<float>>; {_HINT}"
        )

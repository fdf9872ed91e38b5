"""The types of columns: what their lists and values are, and what they can be read for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa
from pyarrow import types

Leaf: TypeAlias = Literal["int", "uint64", "decimal", "float", "bool", "text", "binary", "null", "other"]

INTEGERS: Final = frozenset({"int", "uint64", "decimal"})
"""decimal: of scale 0."""
_COUNTS: Final = INTEGERS | {"float"}
_NUMBERS: Final = _COUNTS | {"bool"}
_BYTES: Final = frozenset({"text", "binary"})
_PAIR: Final = 2
_NESTED: Final = 2
_UUID_BYTES: Final = 16


@dataclass(frozen=True)
class Field:
    """A column of a table.

    Attributes:
        name: its name.
        type: its type, as users write it: list<list<float>>.
        depth: of lists.
        leaf: the type of its values.
        pairs: the inner lists have two values each by their type, and the outer ones any number.
        two_lists: the outer lists have two elements each by their type.
        uuid: the values are 16 bytes that are a UUID.
        fixed: the values are as many bytes each, of which the type does not say what they are.
        rows: with width, the shape of the tensor of two dimensions that each row is, stored as one list; 0 for others.
        width: see rows.
    """

    name: str
    type: str
    depth: int
    leaf: Leaf
    pairs: bool = False
    two_lists: bool = False
    uuid: bool = False
    fixed: bool = False
    rows: int = 0
    width: int = 0

    @property
    def tensor(self) -> bool:
        """Each row is a tensor of two dimensions."""
        return self.rows > 0

    @property
    def integer(self) -> bool:
        """The values are integers."""
        return self.leaf in INTEGERS

    @property
    def texts(self) -> bool:
        """The values are texts or bytes."""
        return self.leaf in _BYTES

    @property
    def listed(self) -> bool:
        """Each row is a list of lists, or a tensor of two dimensions."""
        return self.depth == _NESTED or (self.depth == 1 and self.tensor)


def describe(name: str, kind: pa.DataType) -> Field:
    """Describe a column."""
    levels: list[tuple[pa.DataType, pa.DataType]] = []  # each as it is called, and as it is stored
    at = kind
    while True:
        stored = storage(at)
        levels.append((at, stored))
        if not is_list(stored):
            break
        at = stored.value_type
    depth, (last, stored) = len(levels) - 1, levels[-1]
    leaf, rows, width = _leaf(stored), 0, 0
    for place, (called, _) in enumerate(levels):
        shape = _shape(called)
        if shape is None:
            continue
        if len(shape) == 2 and place == 0 and depth == 1:  # noqa: PLR2004
            rows, width = shape
        elif len(shape) != 1:
            leaf = "other"  # the order of its values is not that of a list
    uuid = getattr(last, "extension_name", "") == "arrow.uuid" and stored.byte_width == _UUID_BYTES
    outer, inner = (_pair(levels[0][1]), _pair(levels[1][1])) if depth == _NESTED else (False, False)
    return Field(
        name,
        type_name(kind),
        depth,
        leaf,
        pairs=inner and not outer,
        two_lists=outer and not inner,
        uuid=uuid,
        fixed=types.is_fixed_size_binary(stored) and not uuid,
        rows=rows,
        width=width,
    )


def storage(kind: pa.DataType) -> pa.DataType:
    """Return what a type is below extensions, dictionaries and runs."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif types.is_dictionary(kind) or types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def is_list(kind: pa.DataType) -> bool:
    """Report whether values are lists of any layout."""
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def type_name(kind: pa.DataType) -> str:
    """Return a type as users write it."""
    name = str(kind)
    if isinstance(kind, pa.FixedShapeTensorType):
        name = f"fixed_shape_tensor<{type_name(kind.value_type)}>{list(kind.shape)}"
    elif getattr(kind, "extension_name", "") == "arrow.uuid":
        name = "uuid"
    elif isinstance(kind, pa.BaseExtensionType):
        name = type_name(kind.storage_type)
    elif types.is_dictionary(kind):
        name = f"dictionary<{type_name(kind.value_type)}>"
    elif types.is_run_end_encoded(kind):
        name = f"run_end_encoded<{type_name(kind.value_type)}>"
    elif is_list(kind):
        size = f"[{kind.list_size}]" if types.is_fixed_size_list(kind) else ""
        name = f"{name.partition('<')[0]}<{type_name(kind.value_type)}>{size}"
    return name


def _leaf(kind: pa.DataType) -> Leaf:
    tests: tuple[tuple[Leaf, Any], ...] = (
        ("uint64", types.is_uint64),
        ("int", types.is_integer),
        ("float", types.is_floating),
        ("bool", types.is_boolean),
        ("null", types.is_null),
        ("text", lambda t: types.is_string(t) or types.is_large_string(t) or types.is_string_view(t)),
        ("binary", lambda t: types.is_binary(t) or types.is_large_binary(t) or types.is_fixed_size_binary(t)),
        ("binary", types.is_binary_view),
        ("decimal", lambda t: types.is_decimal(t) and t.scale == 0),
    )
    return next((leaf for leaf, test in tests if test(kind)), "other")


def _shape(kind: pa.DataType) -> tuple[int, ...] | None:
    """Return the shape of a tensor, () where its values are not in the order of its shape, None for other types."""
    if not isinstance(kind, pa.FixedShapeTensorType):
        return None
    if kind.permutation is not None and list(kind.permutation) != list(range(len(kind.shape))):
        return ()
    return tuple(kind.shape)


def _pair(kind: pa.DataType) -> bool:
    return bool(types.is_fixed_size_list(kind) and kind.list_size == _PAIR)


@dataclass(frozen=True)
class Role:
    """What a column is read for."""

    key: str
    names: tuple[str, ...]
    type: str
    depth: int
    """Of lists, at most: a column of nulls fits up to it."""
    optional: bool = False


ROLES: Final[Mapping[str, Role]] = {
    role.key: role
    for role in (
        Role("graph_id", ("graph_id",), "a string or an integer", 0, optional=True),
        Role("features", ("node_feat", "x"), "list<list<number>>, list<number> or binary (float32, little-endian)", 2),
        Role("edges", ("edge_index",), "list<list<integer>>", 2),
        Role("source", ("source",), "list<integer>", 1),
        Role("target", ("target",), "list<integer>", 1),
        Role("weights", ("edge_weight",), "list<number>", 2, optional=True),
        Role(
            "edge_attr",
            ("edge_attr",),
            "list<list<number>>, list<number> or binary (float32, little-endian)",
            2,
            optional=True,
        ),
        Role("edge_type", ("edge_type",), "list<integer>", 2, optional=True),
        Role(
            "graph_attr", ("graph_attr",), "list<number>, a number or binary (float32, little-endian)", 2, optional=True
        ),
        Role("num_nodes", ("num_nodes",), "an integer", 0, optional=True),
        Role("node_ids", ("node_ids",), "list<string> or list<integer>", 1, optional=True),
    )
}
"""The columns of an input by their keys in `columns:` of a job; see pipeline/graph/columns.go."""


def fits(field: Field, key: str) -> bool:
    """Report whether a column can be read for what the key names."""
    most = ROLES[key].depth
    if field.leaf == "null":
        return field.depth <= most
    test = _FITS.get(key)
    return test(field) if test else 1 <= field.depth <= most and field.leaf in _NUMBERS  # weights


def _binary(field: Field) -> bool:
    return field.depth == 0 and field.leaf == "binary" and not field.uuid


def _features(field: Field) -> bool:
    return ((field.listed or field.depth == 1) and field.leaf in _NUMBERS) or _binary(field)


def _flat(field: Field, leaves: frozenset[str]) -> bool:
    return field.depth == 1 and field.leaf in leaves and not field.tensor


_FITS: Final[Mapping[str, Callable[[Field], bool]]] = {
    "graph_id": lambda f: f.depth == 0 and f.leaf in INTEGERS | _BYTES,
    "features": _features,
    "edges": lambda f: f.listed and f.integer and (not f.tensor or _PAIR in (f.rows, f.width)),
    "source": lambda f: _flat(f, INTEGERS),
    "target": lambda f: _flat(f, INTEGERS),
    "edge_attr": _features,
    "edge_type": lambda f: 1 <= f.depth <= _NESTED and f.leaf in _COUNTS and not f.tensor,
    "graph_attr": lambda f: (f.depth <= _NESTED and f.leaf in _NUMBERS and (not f.tensor or f.rows == 1)) or _binary(f),
    "num_nodes": lambda f: f.depth == 0 and f.leaf in _COUNTS,
    "node_ids": lambda f: _flat(f, INTEGERS | _BYTES),
}

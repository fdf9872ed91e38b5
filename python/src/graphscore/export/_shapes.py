"""Operations that choose, order and repeat columns, or bring rows of one kind to another.

Behind the rows every size is known, so views, transpositions and slices are done on the numbers of the columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._values import (
    PLURALS,
    Count,
    EdgeEnd,
    EdgeIndex,
    End,
    Filled,
    GraphOf,
    Rows,
    Stacked,
    Unknown,
    Value,
)

_ENDS: Final[tuple[End, End]] = ("source", "target")


def columns(m: Mapper, rows: Rows) -> torch.Tensor:
    """Return the number in its step of each column, in the shape of the trail."""
    pick = range(m.widths[rows.step]) if rows.pick is None else rows.pick
    return torch.tensor(list(pick), dtype=torch.long).reshape(rows.trail)


def arrange(m: Mapper, rows: Rows, change: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
    """Return rows whose columns are those that `change` makes of the present ones, in its shape."""
    numbers = change(columns(m, rows))
    pick = tuple(numbers.reshape(-1).tolist())
    return Rows(rows.step, rows.kind, tuple(numbers.shape), rows.lead, pick, rows.integer, rows.cut)


def getitem(m: Mapper, value: Value, index: Any) -> Value:  # noqa: PLR0911 - a line for each kind of value
    """value[index]."""
    if isinstance(value, EdgeIndex):
        return _end(m, index)
    value = batch_of(value)
    if isinstance(value, GraphOf) and isinstance(index, EdgeEnd) and value.kind == "node":
        return GraphOf("edge")
    if isinstance(value, GraphOf) and isinstance(index, int) and index == -1:
        return Count("graph", last=True)
    if isinstance(value, Stacked) and isinstance(index, int):
        return value.parts[index]
    if isinstance(value, torch.Tensor) and isinstance(index, Rows):
        return m.call("embedding", index, value)
    value = made(m, value)
    if not isinstance(value, Rows):
        raise m.error(f"indexing {_said(value)} has no equal among the steps of a model folder")
    index = batch_of(index)
    if isinstance(index, (EdgeEnd, GraphOf)):
        return select(m, value, index)
    if isinstance(index, EdgeIndex):
        return Stacked(tuple(select(m, value, EdgeEnd(end)) for end in _ENDS))
    return _index(m, value, index if isinstance(index, tuple) else (index,))


def batch_of(value: Value) -> Value:
    """Return a batch vector that forward makes itself, of zeros, as what it is; other values as they are."""
    return GraphOf(value.kind) if isinstance(value, Filled) and value.is_batch else value


def made(m: Mapper, value: Value) -> Value:
    """Return rows of one number, as torch.ones makes them, as a step; other values as they are."""
    if not isinstance(value, Filled):
        return value
    if "x" not in m.widths:
        raise m.error("rows of one number need the features of nodes beside them")
    like = Rows("x", "node", (m.widths["x"],))
    if value.kind == "edge":
        like = select(m, like, EdgeEnd("source"))
    elif value.kind == "graph":
        like = Rows(m.emit("sum_pool", like.width, [like]), "graph", like.trail)
    return m.rows("constant", like, value.trail, width=math.prod(value.trail), value=float(value.number))


def _end(m: Mapper, index: Any) -> EdgeEnd:
    if isinstance(index, tuple) and len(index) == 2 and index[1] == slice(None):  # noqa: PLR2004
        index = index[0]
    if isinstance(index, int) and not isinstance(index, bool) and -2 <= index < 2:  # noqa: PLR2004
        return EdgeEnd(_ENDS[index % 2])
    raise m.error("edge_index is indexed with more than its rows 0 and 1; edges cannot be chosen or reordered")


def _index(m: Mapper, rows: Rows, index: tuple[Any, ...]) -> Value:
    index = tuple(list(one) if isinstance(one, tuple) else one for one in index)
    for one in index:
        if isinstance(one, (Rows, EdgeEnd, GraphOf, Count)):
            raise m.error(
                "columns, or rows by a mask, are chosen by values of the graph; a model folder has fixed columns"
            )
    used = sum(one is not None and one is not Ellipsis for one in index)
    if Ellipsis in [one for one in index if not isinstance(one, torch.Tensor)]:
        place = next(place for place, one in enumerate(index) if one is Ellipsis)
        index = (*index[:place], *[slice(None)] * (rows.dims - used), *index[place + 1 :])
    if rows.lead:
        first, index = (index[0], index[1:]) if index else (slice(None), ())
        if rows.kind == "graph" and first == 0 and isinstance(first, int):
            rows = Rows(rows.step, rows.kind, rows.trail, False, rows.pick, rows.integer, rows.cut)
        elif not (isinstance(first, slice) and first == slice(None)):
            raise m.error(
                f"some of the {PLURALS[rows.kind]} of {whole(rows)} are chosen; a model folder scores all of them"
            )
    try:
        return arrange(m, rows, lambda numbers: numbers[index]) if index else rows
    except (IndexError, TypeError) as error:
        raise m.error(f"indexing {whole(rows)} fails: {error}") from None


def select(m: Mapper, rows: Rows, index: EdgeEnd | GraphOf) -> Rows:
    """rows[index]: the node at an end of each edge, or the graph of each node or edge."""
    if isinstance(index, EdgeEnd):
        if rows.kind != "node" or not rows.lead:
            raise m.error(f"{whole(rows)} is indexed with an end of the edges; only values of nodes can be")
        step = m.emit("gather", rows.width, [rows], end=index.end)
        return Rows(step, "edge", rows.trail)
    if rows.kind != "graph":
        raise m.error(f"{whole(rows)} is indexed with batch; only values of graphs can be")
    return spread(m, rows, index.kind)


def spread(m: Mapper, rows: Rows, kind: Any) -> Rows:
    """A row of a graph for each of its nodes or edges."""
    step = m.emit("spread", rows.width, [rows], f"{rows.step}_spread", kind=kind)
    return Rows(step, kind, rows.trail)


def index_select(m: Mapper, input: Value, dim: int, index: Value) -> Value:
    """torch.index_select."""
    input, index = batch_of(input), batch_of(index)  # noqa: A001
    if isinstance(input, GraphOf):
        return getitem(m, input, index)
    if isinstance(input, Rows) and isinstance(index, (EdgeEnd, GraphOf)) and dim in (0, -input.dims):
        return select(m, input, index)
    if isinstance(input, EdgeIndex) and dim == 0 and isinstance(index, torch.Tensor) and index.numel() == 1:
        return _end(m, int(index))
    if isinstance(input, Rows) and isinstance(index, torch.Tensor):
        place = trail_dim(m, input, dim)
        return arrange(m, input, lambda numbers: numbers.index_select(place, index))
    raise m.error("index_select chooses by values of the graph; only ends of edges and batch can be")


def trail_dim(m: Mapper, rows: Rows, dim: int) -> int:
    """Return a dimension of a tensor counted from the first of its trail. The one of the rows is an error."""
    place = (dim if dim >= 0 else dim + rows.dims) - rows.lead
    if not 0 <= place < len(rows.trail):
        if place == -1:
            raise m.error(f"it works along the {PLURALS[rows.kind]} of {whole(rows)}, where it has no equal here")
        raise m.error(f"dimension {dim} does not exist in {whole(rows)}")
    return place


def view(m: Mapper, value: Value, *shape: Any) -> Value:
    """view, reshape: the rows stay, the trail gets another shape."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    if isinstance(value, (EdgeEnd, GraphOf)) and len(shape) == 1:
        return value
    value = made(m, value)
    if not isinstance(value, Rows):
        raise m.error(f"a view of {_said(value)} has no equal among the steps of a model folder")
    sizes = [size for size in shape if isinstance(size, int)]
    counts = [size for size in shape if isinstance(size, Count)]
    if len(sizes) + len(counts) != len(shape):
        raise m.error("the shape of a view depends on more than the number of nodes, edges or graphs")
    first = shape[0] if shape else None
    rest: tuple[Any, ...] = shape[1:]
    keeps = not counts and first == -1 and math.prod(sizes[1:]) == value.width
    if value.lead and value.kind == "graph" and first == 1 and len(shape) > 1:
        keeps = True
    if isinstance(first, Count) and first.kind == value.kind and not counts[1:]:
        keeps = True
    if value.kind == "graph" and not counts and not keeps:  # one graph at a time: there may be no row at all
        return _reshaped(m, Rows(value.step, "graph", value.trail, False, value.pick, value.integer, value.cut), shape)
    if not keeps:
        raise m.error(f"a view of {whole(value)} as {_sizes(shape)} mixes {PLURALS[value.kind]}; keep one row each")
    lead = Rows(value.step, value.kind, value.trail, True, value.pick, value.integer, value.cut)
    return _reshaped(m, lead, rest)


def _reshaped(m: Mapper, rows: Rows, shape: Sequence[int]) -> Rows:
    try:
        return arrange(m, rows, lambda numbers: numbers.reshape(tuple(shape)))
    except RuntimeError:
        raise m.error(f"{whole(rows)} cannot be viewed as {_sizes(shape)}") from None


def _sizes(shape: Sequence[Any]) -> str:
    return f"[{', '.join(PLURALS[size.kind] if isinstance(size, Count) else str(size) for size in shape)}]"


def flatten(m: Mapper, input: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """torch.flatten."""
    if not isinstance(input, Rows):
        return input
    start = start_dim + input.dims if start_dim < 0 else start_dim
    if input.lead and start == 0:
        if input.width == 1 or input.kind == "graph":
            return view(m, input, -1)
        raise m.error(f"flattening {whole(input)} mixes {PLURALS[input.kind]}; write flatten(1)")
    return arrange(
        m, input, lambda numbers: numbers.flatten(start - input.lead, end_dim if end_dim < 0 else end_dim - input.lead)
    )


def squeeze(m: Mapper, input: Value, dim: int | Sequence[int] | None = None) -> Value:
    """torch.squeeze. The dimension of the rows stays, unless it is named and they are of a graph."""
    if not isinstance(input, Rows):
        return input
    if dim is None:
        return arrange(m, input, torch.squeeze)
    for one in sorted(
        ((d + input.dims if d < 0 else d) for d in ([dim] if isinstance(dim, int) else dim)), reverse=True
    ):
        if input.lead and one == 0:
            if input.kind == "graph":
                input = Rows(input.step, "graph", input.trail, False, input.pick, input.integer, input.cut)  # noqa: A001
            continue
        place = trail_dim(m, input, one)
        input = arrange(m, input, lambda numbers, place=place: numbers.squeeze(place))  # type: ignore[misc]  # noqa: A001
    return input


def unsqueeze(m: Mapper, input: Value, dim: int) -> Value:
    """torch.unsqueeze."""
    input = made(m, input)  # noqa: A001
    if not isinstance(input, Rows):
        raise m.error(f"unsqueeze of {_said(input)} has no equal among the steps of a model folder")
    place = dim if dim >= 0 else dim + input.dims + 1
    if place == 0 and input.lead:
        raise m.error(f"unsqueeze(0) of {whole(input)} puts a dimension before the {PLURALS[input.kind]}")
    if place == 0 and not input.lead:
        return Rows(input.step, input.kind, input.trail, True, input.pick, input.integer, input.cut)
    return arrange(m, input, lambda numbers: numbers.unsqueeze(place - input.lead))


def transpose(m: Mapper, input: Value, dim0: int, dim1: int) -> Value:
    """torch.transpose."""
    one, other = trail_dim(m, input, dim0), trail_dim(m, input, dim1)
    return arrange(m, input, lambda numbers: numbers.transpose(one, other))


def permute(m: Mapper, input: Value, *dims: Any) -> Value:
    """torch.permute."""
    order = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    order = tuple(dim % input.dims for dim in order)
    if input.lead and order[0] != 0:
        raise m.error(f"a permutation of {whole(input)} moves the {PLURALS[input.kind]} from the first dimension")
    places = [dim - input.lead for dim in (order[1:] if input.lead else order)]
    return arrange(m, input, lambda numbers: numbers.permute(places))


def expand(m: Mapper, input: Value, *sizes: Any) -> Value:
    """Tensor.expand: of the trail; of the row of one graph to its nodes or edges."""
    shape = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    if not isinstance(input, Rows):
        raise m.error(f"expand of {_said(input)} has no equal among the steps of a model folder")
    first, rest = shape[0], shape[1:]
    if isinstance(first, Count) and first.kind != input.kind:
        if input.kind != "graph":
            raise m.error(f"{whole(input)} is expanded to {_sizes(shape)}")
        input = spread(m, input, first.kind)  # noqa: A001
    elif not input.lead:
        rest = shape
    return arrange(m, input, lambda numbers: numbers.expand(*rest))


def repeat(m: Mapper, input: Value, *sizes: Any) -> Value:
    """Tensor.repeat."""
    shape = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    if isinstance(input, Rows) and input.kind == "graph" and isinstance(shape[0], Count):
        return arrange(m, spread(m, input, shape[0].kind), lambda numbers: numbers.repeat(*shape[1:]))
    if not isinstance(input, Rows) or (input.lead and shape[0] != 1):
        raise m.error("repeat makes rows that are no nodes, edges or graphs of the input")
    return arrange(m, input, lambda numbers: numbers.repeat(*(shape[1:] if input.lead else shape)))


def expand_as(m: Mapper, input: Value, other: Value) -> Value:
    """Tensor.expand_as."""
    return expand(m, input, Count(other.kind), *other.trail)


def cat(m: Mapper, tensors: Sequence[Value], dim: int = 0, axis: int | None = None) -> Value:
    """torch.cat along columns."""
    dim = dim if axis is None else axis
    tensors = [made(m, part) for part in tensors]
    parts = [part for part in tensors if not (isinstance(part, Rows) and part.width == 0)]
    kinds = {part.kind for part in parts if isinstance(part, Rows)}
    if not all(isinstance(part, Rows) for part in parts) or not parts:
        raise m.error("torch.cat of values that are not rows of nodes, edges or graphs has no equal here")
    if kinds in ({"node", "graph"}, {"edge", "graph"}):
        kind = "node" if "node" in kinds else "edge"
        parts = [spread(m, part, kind) if part.kind == "graph" and not part.lead else part for part in parts]
        kinds = {part.kind for part in parts}
    if len(kinds) > 1:
        raise m.error(
            f"torch.cat of values of {' and of '.join(sorted(PLURALS[kind] for kind in kinds))};"
            " bring a graph's row to its nodes by x[batch], a node's to edges by x[edge_index[0]]"
        )
    first = parts[0]
    if len({part.dims for part in parts}) > 1:
        raise m.error("torch.cat of tensors with different numbers of dimensions")
    place = trail_dim(m, first, dim)
    numbers, start = [], 0
    for part in parts:
        numbers.append(torch.arange(start, start + part.width).reshape(part.trail))
        start += part.width
    try:
        joined = torch.cat(numbers, dim=place)
    except RuntimeError as error:
        raise m.error(f"torch.cat fails: {error}") from None
    step = m.emit("concatenate", start, parts) if len(parts) > 1 else m.column(first)
    return Rows(step, first.kind, tuple(joined.shape), first.lead, tuple(joined.reshape(-1).tolist()))


def hstack(m: Mapper, tensors: Sequence[Value]) -> Value:
    """torch.hstack, torch.column_stack."""
    tensors = [made(m, part) for part in tensors]
    return cat(m, [unsqueeze(m, part, 1) if isinstance(part, Rows) and part.dims == 1 else part for part in tensors], 1)


def stack(m: Mapper, tensors: Sequence[Value], dim: int = 0) -> Value:
    """torch.stack."""
    tensors = [made(m, part) for part in tensors]
    first = tensors[0]
    same = all(isinstance(part, Rows) and (part.kind, part.trail) == (first.kind, first.trail) for part in tensors)
    if not isinstance(first, Rows) or not same:
        raise m.error("torch.stack of tensors that are not rows of one kind and width")
    if first.lead and dim in (0, -first.dims - 1):
        return Stacked(tuple(tensors))
    place = dim if dim >= 0 else dim + first.dims + 1
    return cat(m, [unsqueeze(m, part, place) for part in tensors], place)


def split(m: Mapper, input: Value, split_size_or_sections: Any, dim: int = 0) -> Value:
    """torch.split along columns."""
    if isinstance(input, EdgeIndex):
        return tuple(_end(m, end) for end in (0, 1))
    place = trail_dim(m, input, dim)
    pieces = columns(m, input).split(split_size_or_sections, place)
    return tuple(arrange(m, input, lambda _, piece=piece: piece) for piece in pieces)  # type: ignore[misc]


def chunk(m: Mapper, input: Value, chunks: int, dim: int = 0) -> Value:
    """torch.chunk along columns."""
    place = trail_dim(m, input, dim)
    pieces = columns(m, input).chunk(chunks, place)
    return tuple(arrange(m, input, lambda _, piece=piece: piece) for piece in pieces)  # type: ignore[misc]


def unbind(m: Mapper, input: Value, dim: int = 0) -> Value:
    """torch.unbind along columns, or the two ends of edge_index."""
    if isinstance(input, EdgeIndex):
        return EdgeEnd("source"), EdgeEnd("target")
    place = trail_dim(m, input, dim)
    pieces = columns(m, input).unbind(place)
    return tuple(arrange(m, input, lambda _, piece=piece: piece) for piece in pieces)  # type: ignore[misc]


def get(m: Mapper, value: Value, name: str) -> Value:
    """getattr(value, name), as of the named tuple that max returns."""
    if name in ("values", "indices") and isinstance(value, tuple):
        return value[("values", "indices").index(name)]
    if name in ("T", "mT"):
        return Unknown(f".{name} puts columns before rows, which has no equal among the steps of a model folder")
    raise m.error(f".{name} of {_said(value)} has no equal among the steps of a model folder")


def transposed(m: Mapper, input: Value) -> Value:
    """Tensor.t()."""
    return Unknown(
        "a transposed tensor puts columns before rows; products of all pairs of nodes have no equal among the steps"
        " of a model folder: multiply the two ends of each edge"
    )


def _said(value: Value) -> str:
    if isinstance(value, EdgeIndex):
        return "edge_index"
    if isinstance(value, EdgeEnd):
        return f"edge_index[{_ENDS.index(value.end)}]"
    if isinstance(value, GraphOf):
        return "batch"
    return whole(value) if isinstance(value, Rows) else f"a {type(value).__name__.lower()}"


HANDLERS: Final[dict[str, Handler]] = {
    "cat": cat,
    "chunk": chunk,
    "concat": cat,
    "concatenate": cat,
    "column_stack": hstack,
    "expand": expand,
    "expand_as": expand_as,
    "flatten": flatten,
    "getattr": get,
    "getitem": getitem,
    "hstack": hstack,
    "index_select": index_select,
    "permute": permute,
    "repeat": repeat,
    "reshape": view,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "t": transposed,
    "transpose": transpose,
    "unbind": unbind,
    "unsqueeze": unsqueeze,
    "view": view,
}
"""By the name of the function or method."""

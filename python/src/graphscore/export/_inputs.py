"""What the user's forward takes, and which of a graph's columns each argument is."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from torch_geometric.data import Batch, Data, HeteroData

from graphscore.export._error import ExportError
from graphscore.export._values import Count, EdgeIndex, GraphOf, Kind, Rows, Value

COLUMNS: Final[dict[str, Kind]] = {
    "x": "node",
    "edge_attr": "edge",
    "edge_type": "edge",
    "graph_attr": "graph",
    "edge_weight": "edge",
}
"""What a graph may have, and what a row of it belongs to."""

_SIZES: Final[dict[str, Kind]] = {"num_nodes": "node", "batch_size": "graph", "num_graphs": "graph"}
_KNOWN: Final = (*COLUMNS, "edge_index", "batch", *_SIZES)
_OURS: Final = "x, edge_index, edge_weight, edge_attr, edge_type, graph_attr and batch"
_ALWAYS: Final = ("edge_attr", "pos", "time", "y")  # attributes of a Data object that are None where it has none
_DIMS: Final = 2


class MissingError(ExportError, AttributeError):
    """An attribute that the example does not have; `hasattr` and `getattr` with a default see that it is not there."""


@dataclass(frozen=True)
class Column:
    """A column of a graph, as the example has it."""

    ours: str
    trail: tuple[int, ...]
    lead: bool
    integer: bool
    values: torch.Tensor
    """The example's own: floating point or int64, on the CPU."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return math.prod(self.trail)

    @cached_property
    def statistics(self) -> tuple[Any, Any, Any, Any]:
        """The smallest and largest whole number, the mean and the deviation of each column of the example."""
        own = self.values.reshape(-1, self.width).double().numpy()
        if not len(own):
            own = np.array([[0.0], [1.0]]).repeat(self.width, 1)
        middle, spread = own.mean(axis=0), own.std(axis=0)
        low, high = (own.min(axis=0), own.max(axis=0)) if self.integer else (middle * 0, middle * 0)
        return (
            low.astype(np.int64),
            high.astype(np.int64),
            np.where(np.isfinite(middle), middle, 0.0),
            np.where(np.isfinite(spread) & (spread > 0), spread, 1.0),
        )


@dataclass
class Arguments:
    """The arguments of forward.

    Attributes:
        columns: by the names of COLUMNS.
        theirs: what forward calls it -> the column, edge_index, batch or size that it is.
        constants: what forward is called with and no graph changes.
        data: the name of the argument that takes a whole Data object; None where forward takes tensors.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    data: str | None = None
    edge_index: torch.Tensor = field(default_factory=lambda: torch.zeros(2, 0, dtype=torch.long))
    nodes: int = 0

    def value(self, ours: str) -> Value:
        """Return what an export knows of an argument."""
        if ours == "edge_index":
            return EdgeIndex()
        if ours == "batch":
            return GraphOf("node")
        if ours in _SIZES:
            return Count(_SIZES[ours])
        column = self.columns[ours]
        return Rows(ours, COLUMNS[ours], column.trail, column.lead, None, column.integer)

    def call(self, forward: Callable[..., Any], given: Mapping[str, Any], make: Callable[[dict[str, Any]], Any]) -> Any:
        """Call forward. `given` is by the names of ours; `make` returns a Data object of what is by theirs."""
        theirs = {name: given[ours] for name, ours in self.theirs.items()}
        if self.data is None:
            return forward(**theirs, **self.constants)
        return forward(**{self.data: make(theirs)}, **self.constants)


def read(module: torch.nn.Module, example: Any, arguments: Mapping[str, str]) -> Arguments:
    """Match an example with the arguments of a module's forward. Raises ExportError."""
    if isinstance(example, HeteroData) or (
        isinstance(example, Mapping) and any(isinstance(v, dict) for v in example.values())
    ):
        raise ExportError("example has several types of nodes or edges; a graph here has one of each")
    if isinstance(example, Mapping) and len(example) == 1 and isinstance(next(iter(example.values())), Data):
        example = next(iter(example.values()))
    if not isinstance(example, (Data, Mapping)):
        raise ExportError(
            f"example is a {type(example).__name__}; expected a torch_geometric.data.Data or a mapping of arguments"
        )
    for theirs, ours in arguments.items():
        if ours not in _KNOWN:
            raise ExportError(f"arguments: {theirs!r} cannot be {ours!r}; known are {_OURS}")
    parameters = _parameters(module)
    found = Arguments()
    if isinstance(example, Data):
        _from_data(found, example, parameters, arguments)
    else:
        _from_mapping(found, example, parameters, arguments)
    _check(found)
    return found


def _parameters(module: torch.nn.Module) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError) as error:
        raise ExportError(f"the arguments of forward cannot be found out: {error}") from None


def _variadic(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _from_data(
    found: Arguments, example: Data, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, str]
) -> None:
    """Take what forward names from a Data object; or all of it, where forward takes the object itself."""
    has = {key: example[key] for key in example.keys() if example[key] is not None}  # noqa: SIM118
    plain = {name: one for name, one in parameters.items() if not _variadic(one)}
    whole = [name for name, one in plain.items() if one.default is one.empty]
    if len(whole) == 1 and "edge_index" not in [arguments.get(name, name) for name in plain]:
        found.data = whole[0]
        names = {key for key in has if key in _KNOWN or key in arguments}
        for name in sorted(names - set(_SIZES)):
            _put(found, name, arguments.get(name, name), has[name], example)
        for name in sorted(set(arguments) - names):
            if arguments[name] in has:
                _put(found, name, arguments[name], has[arguments[name]], example)
        found.theirs.setdefault("batch", "batch")
        return
    if not plain:
        raise ExportError("forward takes *args or **kwargs; write example as a mapping of its arguments")
    for name, one in plain.items():
        ours = arguments.get(name, name)
        if name in has and (ours in _KNOWN or one.default is one.empty):
            _put(found, name, ours, has[name], example)
        elif ours == "batch" or (ours in _SIZES and one.default is one.empty):
            found.theirs[name] = ours
        elif ours in has and ours in _KNOWN and name in arguments:
            _put(found, name, ours, has[ours], example)
        elif one.default is one.empty:
            raise _unknown(name, "example has no such attribute")
        elif name in has and name != "y":  # forward would compute something else without it
            raise _unknown(name, "graphs have no such column, though example has the attribute")


def _from_mapping(
    found: Arguments,
    example: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    arguments: Mapping[str, str],
) -> None:
    takes_all = any(_variadic(one) for one in parameters.values())
    for name, value in example.items():
        if name not in parameters and not takes_all:
            raise ExportError(f"example has {name!r}, which forward does not take; it takes {', '.join(parameters)}")
        ours = arguments.get(name, name)
        if isinstance(value, torch.Tensor) or ours in _SIZES:
            _put(found, name, ours, value, example)
        elif value is not None and not _is_constant(value):
            raise ExportError(
                f"example[{name!r}] is a {type(value).__name__}; tensors, numbers, strings and None are known"
            )
        else:
            found.constants[name] = value
    for name, one in parameters.items():
        ours = arguments.get(name, name)
        if name in example or _variadic(one) or (one.default is not one.empty and ours != "batch"):
            continue
        if ours not in ("batch", *_SIZES):
            raise _unknown(name, "example has no such key")
        found.theirs[name] = ours


def _is_constant(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_constant(item) for item in value)
    return isinstance(value, (bool, int, float, str))


def _unknown(name: str, why: str) -> ExportError:
    return ExportError(
        f"forward takes {name!r}, but {why}; name what it is, as in arguments={{{name!r}: 'graph_attr'}}; known"
        f" are {_OURS}"
    )


def _put(found: Arguments, name: str, ours: str, value: Any, example: Any) -> None:
    """Note that the argument `name` is our `ours`, and keep its values."""
    if ours not in _KNOWN:
        raise ExportError(
            f"forward takes {name!r}, which no graph has; name what it is, as in arguments={{{name!r}: 'graph_attr'}};"
            f" known are {_OURS}"
        )
    found.theirs[name] = ours
    if ours in _SIZES or ours == "batch":
        return
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
        raise ExportError(f"example: {name} is no dense tensor; edges are given as edge_index [2, E]")
    value = value.detach().cpu()
    if ours == "edge_index":
        if value.dim() != _DIMS or value.shape[0] != _DIMS or value.is_floating_point():
            raise ExportError(
                f"example: {name} has shape {list(value.shape)} and type {value.dtype}, expected [2, E] integers"
            )
        found.edge_index = value.long()
        return
    column = _column(ours, name, value, example)
    if ours in found.columns and found.columns[ours].trail != column.trail:
        raise ExportError(f"two arguments of forward are {ours}, of different shapes")
    found.columns[ours] = column


def _column(ours: str, name: str, value: torch.Tensor, example: Any) -> Column:
    if value.dim() not in (1, _DIMS) or value.is_complex():
        raise ExportError(f"example: {name} has shape {list(value.shape)}, expected [rows] or [rows, columns]")
    integer = not value.is_floating_point()
    if ours == "edge_type" and (value.dim() != 1 or not integer):
        raise ExportError(
            f"example: {name} has shape {list(value.shape)} and type {value.dtype}, expected [E] integers"
        )
    if ours == "edge_weight" and value.dim() == _DIMS and value.shape[1] != 1:
        raise ExportError(f"example: {name} has {value.shape[1]} values an edge, expected one")
    lead = True
    if ours == "graph_attr" and value.dim() == 1:
        lead = len(value) == _graphs(example)
    trail = tuple(value.shape[1:]) if lead else tuple(value.shape)
    if 0 in trail:
        raise ExportError(f"example: {name} has shape {list(value.shape)}, without any columns")
    return Column(ours, trail, lead, integer, value.long() if integer else value.to(torch.float64))


def _graphs(example: Any) -> int:
    """Return how many graphs an example has."""
    batch = example.get("batch") if isinstance(example, Mapping) else getattr(example, "batch", None)
    return int(batch.max()) + 1 if isinstance(batch, torch.Tensor) and batch.numel() else 1


def _check(found: Arguments) -> None:
    if "edge_index" not in found.theirs.values():
        raise ExportError(
            "forward takes no edge_index; name the argument that is it, as in arguments={'adj': 'edge_index'}"
        )
    if "x" not in found.columns:
        raise ExportError(
            "forward takes no x; name the argument that has the features of nodes, as in arguments={'z': 'x'}"
        )
    found.nodes, edges = len(found.columns["x"].values), found.edge_index.shape[1]
    if edges and (int(found.edge_index.max()) >= found.nodes or int(found.edge_index.min()) < 0):
        raise ExportError(f"example: edge_index names node {int(found.edge_index.max())}, but x has {found.nodes} rows")
    for ours, column in found.columns.items():
        if COLUMNS[ours] == "edge" and len(column.values) != edges:
            raise ExportError(f"example: {ours} has {len(column.values)} rows, but edge_index has {edges} edges")


def data_object(attributes: dict[str, Any], graphs: int = 1) -> Data:
    """Return a batch of one graph, as a DataLoader makes it; or of `graphs` that are side by side in the attributes."""
    batch = attributes.pop("batch", None)
    made = Batch.from_data_list([Data(**attributes)])
    if batch is not None:
        made.batch = batch
        made.ptr = torch.cat([torch.zeros(1, dtype=torch.long), batch.bincount(minlength=graphs).cumsum(0)])
    made._num_graphs = graphs  # noqa: SLF001
    return made


class TracedData:
    """A Data object of proxies.

    Args:
        attributes: by the names that forward uses.
        counts: num_nodes, num_edges, num_graphs, and others.
        error: makes an error at the user's line.
    """

    def __init__(
        self, attributes: dict[str, Any], counts: Mapping[str, Callable[[], Any]], error: Callable[[str], ExportError]
    ) -> None:
        self.__dict__.update(attributes)
        self.__dict__["_attributes"] = dict(attributes)
        self.__dict__["_counts"] = counts
        self.__dict__["_error"] = error

    def __getattr__(self, name: str) -> Any:
        if name in self._counts:
            return self._counts[name]()
        if name in _ALWAYS:
            return None
        raise MissingError(
            str(
                self._error(
                    f"forward reads data.{name}, which example does not have or no graph has; name what it is, as in"
                    f" arguments={{{name!r}: 'graph_attr'}}; known are {_OURS}"
                )
            )
        )

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __contains__(self, name: str) -> bool:
        return name in self._attributes

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def to(self, *_: Any, **__: Any) -> TracedData:
        """Return itself: exports run on the CPU."""
        return self

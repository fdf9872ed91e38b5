"""torch.fx with the shapes that an export knows: rows are symbols, all other sizes are numbers.

Layers, norms and aggregations are recorded as one node each; everything else of the user's modules is run with
proxies. What `forward` asks of a tensor (its size, whether it is there) is answered from the values mapped so far.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, FunctionType, TracebackType
from typing import Any, Final

import torch
from torch import fx
from torch_geometric import nn as pyg
from torch_geometric.nn.models import basic_gnn, deepgcn
from torch_geometric.nn.models.autoencoder import GAE, VGAE, InnerProductDecoder

from graphscore.export._error import ExportError
from graphscore.export._mapper import WHERE, Handler, Mapper, inherits, located
from graphscore.export._patches import counted, patched
from graphscore.export._values import Count, EdgeEnd, EdgeIndex, Filled, GraphOf, Rows, Stacked, Value

_LIBRARIES: Final = ("torch", "torch_geometric", "graphscore", "contextlib", "functools")
_THROUGH: Final = (
    pyg.Sequential,
    pyg.MLP,
    deepgcn.DeepGCNLayer,
    GAE,
    VGAE,
    InnerProductDecoder,
)
"""Modules of torch_geometric whose forward is run with proxies."""

_IN_PLACE: Final = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "truediv"}


class TensorProxy(fx.Proxy):  # type: ignore[misc]
    """A proxy that knows its shape and passes for a torch.Tensor where `forward` asks."""

    tracer: ModuleTracer
    __class__ = property(lambda _: torch.Tensor)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Sizes: numbers, and a proxy for a number of nodes, edges or graphs."""
        return self.tracer.shape(self)

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        """The type of its numbers."""
        value = self.tracer.value(self)
        whole = isinstance(value, (EdgeIndex, EdgeEnd, GraphOf, Count)) or (isinstance(value, Rows) and value.integer)
        return torch.int64 if whole else torch.get_default_dtype()

    @property
    def device(self) -> torch.device:
        """Exports run on the CPU."""
        return torch.device("cpu")

    is_cuda = is_sparse = requires_grad = _is_param = _is_buffer = is_quantized = is_nested = False
    layout = torch.strided

    def size(self, dim: int | None = None) -> Any:
        """Tensor.size."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Tensor.dim."""
        return len(self.shape)

    def numel(self) -> Any:
        """Tensor.numel: known of no value of a graph."""
        return self.tracer.create_proxy("call_method", "numel", (self,), {})

    def is_floating_point(self) -> bool:
        """Tensor.is_floating_point."""
        return bool(self.dtype.is_floating_point)

    def get_device(self) -> int:
        """Tensor.get_device."""
        return -1

    def __len__(self) -> int:
        return self.tracer.length(self)

    def __int__(self) -> int:
        return self.tracer.integer(self, "int()")

    def __index__(self) -> int:
        return self.tracer.integer(self, "an index or a range")

    def __float__(self) -> float:
        raise self.tracer.error("float() of a value of the graph has no equal; keep it a tensor")

    def __setitem__(self, key: object, value: object) -> None:
        raise self.tracer.error(
            "assigning to some values of a tensor has no equal; write it with torch.cat or arithmetic"
        )

    def __contains__(self, item: object) -> bool:
        raise self.tracer.error("`in` asks for values of the graph, which no export knows")

    def __iadd__(self, other: object) -> Any:
        return self.tracer.in_place("iadd", self, other)

    def __isub__(self, other: object) -> Any:
        return self.tracer.in_place("isub", self, other)

    def __imul__(self, other: object) -> Any:
        return self.tracer.in_place("imul", self, other)

    def __itruediv__(self, other: object) -> Any:
        return self.tracer.in_place("itruediv", self, other)


class ModuleTracer(fx.Tracer):  # type: ignore[misc]
    """Records the forward of one module.

    Args:
        root: the module, in eval mode on the CPU; constants that forward uses become attributes of it.
        mapper: maps its nodes.
        leaves: classes that the mapper has a handler for.
    """

    def __init__(self, root: torch.nn.Module, mapper: Mapper, leaves: Sequence[type]) -> None:
        super().__init__()
        self._module = root
        self._mapper = mapper
        self._leaves = tuple(leaves)
        self._call: Callable[[ModuleTracer], Any] = lambda _: None
        self._replaced: dict[fx.Node, fx.Node] = {}

    def record(self, call: Callable[[ModuleTracer], Any]) -> fx.Graph:
        """Return the graph of `call`, which calls the module's forward. Raises ExportError."""
        self._call = call
        try:
            with torch.no_grad(), patched(self._module, self._recorded), _plain_calls():
                return self.trace(self._module)
        except ExportError:
            raise
        except Exception as error:
            where = _last(error.__traceback__)
            raise ExportError(
                f"{where + ': ' if where else ''}forward cannot be traced: {type(error).__name__}: {error}; write it"
                " so that it does not depend on values of the graph"
            ) from error

    # What torch.fx asks for.

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """Call the module with arguments of our own."""
        return (lambda: self._call(self)), []

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return a proxy for a node."""
        return TensorProxy(node, self)

    def create_arg(self, a: Any) -> Any:
        """Return an argument of a node; a tensor that was changed in place is what it was changed to."""
        if isinstance(a, fx.Proxy):
            node = a.node
            while node in self._replaced:
                node = self._replaced[node]
            return node
        if isinstance(a, (torch.dtype, torch.device)):
            return a
        return super().create_arg(a)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """Record a node and the user's line."""
        node = super().create_node(*args, **kwargs)
        node.meta[WHERE] = _innermost(sys._getframe(1))  # noqa: SLF001
        return node

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **most: Any) -> Any:
        """Record a node; one that changes its first argument replaces it."""
        proxy = super().create_proxy(kind, target, args, kwargs, *more, **most)
        name = target if isinstance(target, str) else getattr(target, "__name__", "")
        changes = kind in ("call_method", "call_function") and name.endswith("_") and not name.endswith("__")
        changes = changes or bool(kwargs.get("inplace")) or (kind == "call_module" and self._inplace(target))
        if changes and args and isinstance(args[0], fx.Proxy):
            self._replaced[self.create_arg(args[0])] = proxy.node
        return proxy

    def _inplace(self, path: str) -> bool:
        return bool(getattr(self._module.get_submodule(path), "inplace", False))

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        """Report whether a module is one node."""
        if any(inherits(type(m), leaf) for leaf in self._leaves if isinstance(m, leaf)):
            return True
        if isinstance(m, (pyg.MessagePassing, pyg.aggr.Aggregation)):
            return True
        home = type(m).__module__
        if home.startswith(("torch.nn.modules", "torch.nn.quantized", "torch.ao.nn")):
            return not isinstance(m, (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict))
        return home.startswith("torch_geometric.") and not isinstance(m, _THROUGH)

    def call_module(self, m: torch.nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Call a module; some of torch_geometric by their attributes."""
        if isinstance(m, basic_gnn.BasicGNN) and type(m).forward is basic_gnn.BasicGNN.forward:
            return _basic_gnn(m, *args, **kwargs)
        if isinstance(m, (pyg.GINConv, pyg.GINEConv)) and any(
            inherits(type(m), leaf) for leaf in self._leaves if isinstance(m, leaf)
        ):
            return m.nn(super().call_module(m, forward, args, kwargs))
        if type(m) is pyg.aggr.AttentionalAggregation:
            return self._attention(m, *args, **kwargs)
        if type(m) is pyg.aggr.MultiAggregation:
            return self._several(m, *args, **kwargs)
        try:
            self.path_of_module(m)
        except NameError:
            raise self.error(
                f"{type(m).__name__} is called but is no submodule of the module; keep it in an attribute, a ModuleList"
                " or a ModuleDict"
            ) from None
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
        """Parameters and buffers are constants of the export."""
        return attr_val

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Refuse control flow that depends on the graph."""
        raise self.error(
            "control flow depends on the graph: a branch or loop here asks for its values or size, so that the steps"
            " would not be the same for every graph; rewrite it without, or score with the module itself"
        )

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """Iterate what has a fixed length."""
        return iter([obj[place] for place in range(self.length(obj))])

    # What proxies ask for.

    def error(self, what: str) -> ExportError:
        """Return an error at the user's present line."""
        where = _innermost(sys._getframe(1))  # noqa: SLF001
        return ExportError(f"{where}: {what}" if where else what)

    def value(self, proxy: fx.Proxy) -> Value:
        """Return the value of a proxy."""
        return self._mapper.value(self.create_arg(proxy))

    def shape(self, proxy: fx.Proxy) -> tuple[Any, ...]:  # noqa: PLR0911 - a line for each kind of value
        """Return the shape of a proxy."""
        value = self.value(proxy)
        if isinstance(value, EdgeIndex):
            return (2, self._count(proxy))
        if isinstance(value, (EdgeEnd, GraphOf)):
            return (self._count(proxy),)
        if isinstance(value, Rows):
            return (self._count(proxy), *value.trail) if value.lead else value.trail
        if isinstance(value, Filled):
            return (self._count(proxy), *value.trail)
        if isinstance(value, Count):
            return ()
        if isinstance(value, Stacked):
            return (len(value.parts), *self.shape(proxy[0]))
        if isinstance(value, torch.Tensor):
            return tuple(value.shape)
        raise located(
            self.create_arg(proxy), f"the shape of a {type(value).__name__.lower()} is not known to an export"
        )

    def _count(self, proxy: fx.Proxy) -> Any:
        return self.create_proxy("call_function", counted, (proxy,), {})

    def length(self, proxy: fx.Proxy) -> int:
        """Return how many items a proxy has."""
        value = self.value(proxy)
        if isinstance(value, (tuple, list)):
            return len(value)
        if isinstance(value, EdgeIndex):
            return 2
        if isinstance(value, Stacked):
            return len(value.parts)
        if isinstance(value, Rows) and not value.lead and value.trail:
            return value.trail[0]
        raise self.error("len() and loops over the nodes, edges or graphs have no equal; use x.size(0), and no loop")

    def integer(self, proxy: fx.Proxy, what: str) -> int:
        """Return the only number that a graph's value can be: forward is called with one graph."""
        value = self.value(proxy)
        if isinstance(value, Count) and value.kind == "graph":
            return 0 if value.last else 1
        if isinstance(value, torch.Tensor):
            return int(value)
        raise self.error(
            f"{what} of a value of the graph has no equal; a model folder has no numbers that depend on it"
        )

    def in_place(self, name: str, proxy: fx.Proxy, other: object) -> Any:
        """Proxy += other, -=, *= and /=: every name of the tensor sees the change."""
        made = self.create_proxy("call_method", _IN_PLACE[name], (proxy, other), {})
        self._replaced[self.create_arg(proxy)] = made.node
        return made

    # Modules that are taken apart.

    def _recorded(self, function: FunctionType, args: Any, kwargs: Any) -> Any:
        return self.create_proxy("call_function", function, args, kwargs)

    def _attention(
        self,
        m: Any,
        x: Any,
        index: Any = None,
        ptr: Any = None,
        dim_size: Any = None,
        dim: int = -2,
    ) -> Any:
        gate = m.gate_mlp(x, batch=index, batch_size=dim_size) if m.gate_mlp is not None else m.gate_nn(x)
        if m.mlp is not None:
            x = m.mlp(x, batch=index, batch_size=dim_size)
        elif m.nn is not None:
            x = m.nn(x)
        return self.create_proxy("call_function", attention_pool, (x, gate, index), {})

    def _several(self, m: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        parts = [one(x, *args, **kwargs) for one in m.aggrs]
        if m.mode == "cat":
            return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
        if m.mode in ("sum", "mean", "max", "min"):
            made = getattr(torch.stack(parts, dim=0), m.mode)(dim=0)
            return made[0] if m.mode in ("max", "min") else made
        raise self.error(f"MultiAggregation with mode={m.mode!r} has no equal; cat, sum, mean, max and min have")


@contextmanager
def _plain_calls() -> Iterator[None]:
    """Call aggregations like any module: their own __call__ looks at the values of the index."""
    own = pyg.aggr.Aggregation.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return torch.nn.Module.__call__(self, *args, **kwargs)  # the tracer's, by now

    pyg.aggr.Aggregation.__call__ = call
    try:
        yield
    finally:
        pyg.aggr.Aggregation.__call__ = own


def attention_pool(x: Any, gate: Any, index: Any) -> Any:
    """The sum of softmax(gate) x over the nodes of each graph; only recorded, never called."""
    raise NotImplementedError(x, gate, index)


def _basic_gnn(
    m: Any,
    x: Any,
    edge_index: Any,
    edge_weight: Any = None,
    edge_attr: Any = None,
    batch: Any = None,
    batch_size: Any = None,
    num_sampled_nodes_per_hop: Any = None,
    num_sampled_edges_per_hop: Any = None,
) -> Any:
    """BasicGNN.forward of torch_geometric 2.7, over the attributes of the module and without its checks."""
    if num_sampled_nodes_per_hop is not None or num_sampled_edges_per_hop is not None:
        raise ExportError(
            f"{type(m).__name__} is called with sampled neighbours; leave them out, graphs are scored whole"
        )
    xs = []
    for place, (conv, norm) in enumerate(zip(m.convs, m.norms, strict=True)):
        given = {"edge_weight": edge_weight} if m.supports_edge_weight else {}
        given |= {"edge_attr": edge_attr} if m.supports_edge_attr else {}
        x = conv(x, edge_index, **given)
        if place < m.num_layers - 1 or m.jk_mode is not None:
            if m.act is not None and m.act_first:
                x = m.act(x)
            x = norm(x, batch, batch_size) if m.supports_norm_batch else norm(x)
            if m.act is not None and not m.act_first:
                x = m.act(x)
            xs.append(m.dropout(x))
            x = xs[-1]
    x = m.jk(xs) if hasattr(m, "jk") else x
    return m.lin(x) if hasattr(m, "lin") else x


def _innermost(frame: FrameType | None) -> str | None:
    """Return the file and line of the user's innermost frame below the export."""
    while frame is not None and frame.f_code is not ModuleTracer.record.__code__:
        if not _is_library(frame):
            return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def _last(trace: TracebackType | None) -> str | None:
    where = None
    while trace is not None:
        if not _is_library(trace.tb_frame):
            where = f"{_short(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).split(".")[0].split("_Sequential_")[0] in _LIBRARIES


def _short(path: str) -> str:
    here = os.path.relpath(path) if os.path.isabs(path) else path  # noqa: PTH117
    return path if here.startswith("..") else here


def count(m: Mapper, value: Value) -> Value:
    """How many rows a value has."""
    if isinstance(value, (EdgeIndex, EdgeEnd)):
        return Count("edge")
    if isinstance(value, (Rows, GraphOf, Filled)):
        return Count(value.kind)
    raise m.error("a size that is not the number of nodes, edges or graphs")


def attention(m: Mapper, x: Value, gate: Value, index: Value) -> Value:
    """AttentionalAggregation after its networks."""
    m.call("pyg.readout", x, index)
    if not isinstance(gate, Rows) or gate.kind != x.kind or len(gate.trail) > 1 or gate.width not in (1, x.width):
        raise m.error("the gate of AttentionalAggregation is not one value, or one a column, for each row")
    return Rows(m.emit("attention_pool", x.width, [x, gate]), "graph", x.trail)


HANDLERS: Final[dict[str, Handler]] = {"pyg.attention_pool": attention, "pyg.counted": count}
"""Of what the tracer itself records."""

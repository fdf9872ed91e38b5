"""From the graph that torch.fx recorded to steps: values of nodes, computed when they are asked for.

Nothing is mapped that the result does not depend on, so that an operation without an equal disturbs only where its
value is used.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import fx

from graphscore.export._error import ExportError
from graphscore.export._steps import Steps
from graphscore.export._values import PLURALS, Rows, Unknown, Value

Handler = Callable[..., Value]
"""(mapper, the operation's own arguments as values) -> its value."""

WHERE: Final = "where"
"""The key of a node's meta that has the line of the user's code."""

_LARGEST: Final = 2**31 - 1


class Mapper:
    """Maps the nodes of one traced module.

    Args:
        root: the module.
        inputs: the value of each placeholder, by its name.
        functions: handlers of functions and methods, by name.
        modules: handlers of leaf modules, by class.
    """

    def __init__(
        self,
        root: torch.nn.Module,
        inputs: Mapping[str, Value],
        functions: Mapping[str, Handler],
        modules: Mapping[type, Handler],
    ) -> None:
        names = {id(tensor): name for name, tensor in [*root.named_parameters(), *root.named_buffers()]}
        self.steps: Final = Steps(names)
        self.widths: Final[dict[str, int]] = {}
        """Columns of inputs and steps."""
        self.categories: Final[dict[tuple[str, int], int]] = {}
        """How many categories a column of an input may have, where an embedding reads it."""
        self._root = root
        self._inputs = inputs
        self._functions = functions
        self._modules = modules
        self._values: dict[fx.Node, Value] = {}
        self._node: fx.Node | None = None
        self._nodes: dict[str, fx.Node | None] = {}  # by the step that was first made for it
        for value in inputs.values():
            if isinstance(value, Rows):
                self.widths[value.step] = value.width

    # What handlers use.

    @property
    def hint(self) -> str:
        """A name for the step that is being mapped: the path of its module, or what torch.fx calls it."""
        if self._node is None:
            return "step"
        if self._node.op == "call_module":
            return str(self._node.target) or type(self._root).__name__.lower()
        return str(self._node.name)

    def error(self, what: str) -> ExportError:
        """Return an error about the node that is being mapped, with the line of the user's code."""
        return located(self._node, what)

    def error_of(self, step: str, what: str) -> ExportError:
        """Return an error about a step that was made, with the line of the user's code that it is of."""
        return located(self._nodes.get(step), what)

    def step(self, name: str, op: str, inputs: Sequence[str], width: int, /, **keys: Any) -> str:
        """Add a step with a number of columns and return its name. Raises ExportError where a key cannot be written."""
        plain = {key: self._plain(op, key, value) for key, value in keys.items() if value is not None}
        step = self.steps.add(name, op, inputs, **plain)
        self._nodes.setdefault(step, self._node)
        self.widths[step] = width
        return step

    def _plain(self, op: str, key: str, value: Any) -> Any:
        """Return the value of a step's key as JSON has it: finite numbers, strings, and lists of them."""
        if isinstance(value, (list, tuple)):
            return [self._plain(op, key, item) for item in value]
        if isinstance(value, (bool, str)):
            return value
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if not isinstance(value, (int, float)):
            raise self.error(f"{op} with {key}={value!r} has no equal here; it must be a number; {ADVICE}")
        if not math.isfinite(value) or (abs(value) > _LARGEST and isinstance(value, int)):
            raise self.error(f"{op} with {key}={value} has no equal here; numbers must be finite; {ADVICE}")
        return value

    def emit(
        self,
        op: str,
        width: int,
        inputs: Sequence[Rows],
        name: str | None = None,
        /,
        **keys: Any,
    ) -> str:
        """Add a step over all columns of its inputs; return its name."""
        return self.step(name or self.hint, op, [self.column(rows) for rows in inputs], width, **keys)

    def rows(
        self, op: str, like: Rows, trail: tuple[int, ...], inputs: Sequence[Rows] | None = None, /, **keys: Any
    ) -> Rows:
        """Add a step whose rows are those of `like`, with another trail; return its value."""
        width = 1
        for size in trail:
            width *= size
        step = self.emit(op, width, [like] if inputs is None else inputs, **keys)
        return Rows(step, like.kind, trail, like.lead)

    def tensor(self, value: torch.Tensor, key: str, of: torch.Tensor | None = None) -> str:
        """Keep a tensor of the step that is being mapped; return its name in the weights file."""
        try:
            return self.steps.tensor(value, f"{self.hint}.{key}", of)
        except ExportError as error:
            raise self.error(str(error)) from None

    def column(self, rows: Rows) -> str:
        """Return the name of a step or an input that has the columns of `rows` and no others."""
        if rows.cut:
            raise self.error(
                "a conversion to integers cuts decimals off, which has no equal here; only an embedding may use it"
            )
        return self.picked(rows)

    def picked(self, rows: Rows) -> str:
        """Return what `column` does, also of integers, whose decimals an embedding refuses."""
        width = self.widths[rows.step]
        if rows.pick is None or rows.pick == tuple(range(width)):
            return rows.step
        runs = _runs(rows.pick)
        part = self._part(rows.step, runs)
        if part is not None:
            return part
        name = f"{rows.step}_columns"
        if len(runs) == 1:
            start, stop = runs[0]
            return self.step(name, "slice", [rows.step], stop - start, start=start, stop=stop)
        return self.step(name, "take", [rows.step], len(rows.pick), columns=list(rows.pick))

    def _part(self, step: str, runs: Sequence[tuple[int, int]]) -> str | None:
        """Return the input of a concatenation that has exactly these columns, or None."""
        made = self.steps.get(step)
        if made is None or made["op"] != "concatenate" or len(runs) != 1:
            return None
        start = 0
        for name in made["inputs"]:
            stop = start + self.widths[name]
            if (start, stop) == runs[0]:
                return str(name)
            start = stop
        return None

    # What runs the handlers.

    def value(self, node: fx.Node) -> Value:
        """Return the value of a node. Raises ExportError where it has none."""
        todo = [node]
        while todo:  # no recursion: a network may be deeper than Python's stack
            last = todo[-1]
            before = [one for one in last.all_input_nodes if one not in self._values]
            if not before and last not in self._values:
                self._put(last)
            todo = [*todo, *before] if before else todo[:-1]
        return self._values[node]

    def _put(self, node: fx.Node) -> None:
        before, self._node = self._node, node
        try:
            self._values[node] = self._map(node)
        finally:
            self._node = before

    def call(self, name: str, *args: Value, **kwargs: Value) -> Value:
        """Map a function as if the user had called it."""
        return self._call(self._functions[name], name, args, kwargs)

    def result(self, graph: fx.Graph) -> tuple[fx.Node, Value]:
        """Map all that the output depends on; return its node and the value."""
        output = next(node for node in reversed(graph.nodes) if node.op == "output")
        live = {output}
        for node in reversed(graph.nodes):
            if node in live:
                live.update(node.all_input_nodes)
        for node in graph.nodes:
            if node in live and node is not output:
                self.value(node)
        return output, fx.map_arg(output.args[0], self.value)

    def _map(self, node: fx.Node) -> Value:
        if node.op == "placeholder":
            return self._inputs[str(node.target)]
        if node.op == "get_attr":
            return _attribute(self._root, str(node.target))
        args = fx.map_arg(node.args, self.value)
        kwargs = fx.map_arg(node.kwargs, self.value)
        if node.op == "call_module":
            module = self._root.get_submodule(str(node.target))
            handler = self._module(module)
            self._refuse_unknown([args, kwargs])
            return self._call(handler, type(module).__name__, (module, *args), kwargs)
        if _constant(args, kwargs):
            return self._fold(node, args, kwargs)
        if node.target is operator.getitem and isinstance(args[0], (tuple, list)):
            return self._call(_item, "indexing", args, kwargs)
        name = self._known(node.target if isinstance(node.target, str) else name_of(node.target))
        if name != "getattr":
            self._refuse_unknown([args, kwargs])
        return self._call(self._functions[name], name, args, kwargs)

    def _call(self, handler: Handler, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        try:
            bound = inspect.signature(handler).bind(self, *args, **kwargs)
        except TypeError as error:
            raise self.error(f"{name} is called with arguments that have no equal here: {error}; {ADVICE}") from None
        try:
            return handler(*bound.args, **bound.kwargs)
        except ExportError:
            raise
        except Exception as error:  # a handler reads arguments as torch documents them; these are others
            raise self.error(
                f"{name.removeprefix('pyg.')} is called with what has no equal among the steps of a model folder"
                f" ({type(error).__name__}: {error}); {ADVICE}"
            ) from error

    def _known(self, name: str) -> str:
        """Return the name under which the handler of a function or method is registered."""
        plain = name.strip("_") if name.startswith("__") else name.removesuffix("_")
        for one in (name, plain, plain.removeprefix("i"), plain.removeprefix("r")):
            if one in self._functions and (one in (name, plain) or one in _REFLECTED):
                return one
        raise self.error(f"{name.removeprefix('pyg.')} has no equal among the steps of a model folder; {ADVICE}")

    def _module(self, module: torch.nn.Module) -> Handler:
        for base in type(module).__mro__:
            if base in self._modules and inherits(type(module), base):
                return self._modules[base]
        raise self.error(_no_module(module))

    def _fold(self, node: fx.Node, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """Compute what depends on no graph."""
        try:
            with torch.no_grad():
                if node.op == "call_method":
                    return getattr(args[0], str(node.target))(*args[1:], **kwargs)
                return node.target(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever the user's own numbers make torch raise
            raise self.error(f"{name_of(node.target)} fails: {error}") from None

    def _refuse_unknown(self, value: Value) -> None:
        if isinstance(value, Unknown):
            raise self.error(value.reason)
        if isinstance(value, (tuple, list)):
            for item in value:
                self._refuse_unknown(item)
        elif isinstance(value, dict):
            self._refuse_unknown(list(value.values()))


_REFLECTED: Final = ("add", "mul")  # what a - b and a + b called by their right operands have in common
ADVICE: Final = "write it with the operations that python/README.md lists, or score with the module itself"


def located(node: fx.Node | None, what: str) -> ExportError:
    """Return an error that begins with the line of the user's code that made a node."""
    where = node.meta.get(WHERE) if node is not None else None
    step = f"{node.target}: " if node is not None and node.op == "call_module" and node.target else ""
    return ExportError(f"{where}: {step}{what}" if where else f"{step}{what}")


def name_of(target: object) -> str:
    """Return the name under which a function's handler is registered."""
    name = str(getattr(target, "__name__", target))
    module = str(getattr(target, "__module__", "") or "")
    return f"pyg.{name}" if module.startswith(("torch_geometric", "graphscore")) else name


def _item(m: Mapper, values: Sequence[Value], place: Any) -> Value:
    return values[place]


def _attribute(root: torch.nn.Module, path: str) -> Any:
    value: Any = root
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _constant(args: Value, kwargs: Value) -> bool:
    """Report whether nothing among arguments depends on a graph."""
    if isinstance(args, (tuple, list)):
        return all(_constant(item, None) for item in args) and (kwargs is None or _constant(kwargs, None))
    if isinstance(args, dict):
        return all(_constant(item, None) for item in args.values())
    if isinstance(args, slice):
        return _constant([args.start, args.stop, args.step], None)
    return not type(args).__module__.startswith("graphscore.")


def inherits(cls: type, base: type) -> bool:
    """Report whether a class computes what `base` does: nothing between them defines more than how it is made."""
    for one in cls.__mro__[: cls.__mro__.index(base)]:
        own = {key for key, value in vars(one).items() if callable(value) and hasattr(base, key)}
        own -= {"__init__", "__repr__", "reset_parameters", "extra_repr"}
        for name in ("propagate", "edge_updater"):  # which PyG generates for each class of layers
            made = vars(one).get(f"_jinja_{name}")
            if made is not None and made is not vars(one).get(f"_orig_{name}"):
                own -= {name, f"_jinja_{name}", f"_orig_{name}", "collect", "edge_collect", "_edge_collect"}
        if own:
            return False
    return True


def _no_module(module: torch.nn.Module) -> str:
    kind = type(module)
    if hasattr(module, "propagate") and not kind.__module__.startswith("torch_geometric"):
        return (
            f"{kind.__name__} is a MessagePassing layer of your own, whose arithmetic cannot be read; use a layer that"
            " python/README.md lists, or score with the module itself"
        )
    return f"{kind.__module__.split('.')[0]}'s {kind.__name__} has no equal among the steps of a model folder; {ADVICE}"


def _runs(pick: Sequence[int]) -> list[tuple[int, int]]:
    """Cut columns into runs [start, stop) of ascending neighbours."""
    runs: list[tuple[int, int]] = []
    for column in pick:
        if runs and runs[-1][1] == column:
            runs[-1] = (runs[-1][0], column + 1)
        else:
            runs.append((column, column + 1))
    return runs


def whole(rows: Rows) -> str:
    """Return rows for a message, e.g. '[nodes, 16]'."""
    sizes = [PLURALS[rows.kind]] if rows.lead else []
    return f"[{', '.join([*sizes, *map(str, rows.trail)])}]"

"""from_pyg: from a module to a model folder, or an error and nothing."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch_geometric.nn.data_parallel import DataParallel

from graphscore._config import show
from graphscore.export._arithmetic import HANDLERS as ARITHMETIC
from graphscore.export._compare import check
from graphscore.export._convolutions import HANDLERS as CONVOLUTIONS
from graphscore.export._error import ExportError
from graphscore.export._exported import Exported
from graphscore.export._folder import new_folder, write
from graphscore.export._functions import HANDLERS as FUNCTIONS
from graphscore.export._graphs import graphs
from graphscore.export._inputs import Arguments, TracedData, read
from graphscore.export._mapper import ADVICE, Mapper, located, whole
from graphscore.export._modules import HANDLERS as MODULES
from graphscore.export._products import HANDLERS as PRODUCTS
from graphscore.export._reductions import HANDLERS as REDUCTIONS
from graphscore.export._shapes import HANDLERS as SHAPES
from graphscore.export._steps import references
from graphscore.export._trace import HANDLERS as TRACED
from graphscore.export._trace import ModuleTracer
from graphscore.export._values import PLURALS, Rows, Unknown, Value

_FUNCTIONS: Final = {**SHAPES, **ARITHMETIC, **REDUCTIONS, **PRODUCTS, **FUNCTIONS, **TRACED}
_MODULES: Final = {**MODULES, **CONVOLUTIONS}
_LEVELS: Final = ("node", "edge", "graph")
_RESERVED: Final[dict[str, tuple[str, ...]]] = {
    "node": ("graph_id", "node_id"),
    "edge": ("graph_id", "source", "target"),
    "graph": ("graph_id",),
}
_QUANTISED: Final = ("torch.ao.nn", "torch.nn.quantized", "torch.nn.intrinsic", "torchao", "torch.quantization")


def from_pyg(
    module: Any,
    folder: str | Path,
    *,
    example: Any,
    level: str | None,
    outputs: Sequence[str] | None,
    name: str | None,
    arguments: Mapping[str, str] | None,
) -> Exported:
    """See graphscore.export.from_pyg, which warns."""
    module = _unwrapped(module)
    _check_module(module)
    if level is not None and level not in _LEVELS:
        raise ExportError(f"level is {level!r}; node, edge and graph are known")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about parts of its own
        return _export(
            module, Path(folder).absolute(), example, level, outputs, name or type(module).__name__, arguments or {}
        )


def _export(
    module: torch.nn.Module,
    folder: Path,
    example: Any,
    level: str | None,
    outputs: Sequence[str] | None,
    name: str,
    renamed: Mapping[str, str],
) -> Exported:
    arguments = read(module, example, renamed)
    own = _copy(module)
    mapper, result = _traced(_copy(own), arguments)
    _check_level(result, level)
    names = _outputs(outputs, result)
    steps = mapper.steps.live(result.step)
    inputs = _used(steps, arguments, mapper)
    tensors = {key: value.numpy() for key, value in mapper.steps.tensors(steps).items()}
    with new_folder(folder) as made:
        write(
            made, name=_printable(name), level=result.kind, inputs=inputs, outputs=names, steps=steps, tensors=tensors
        )
        found = graphs(arguments, mapper.categories)
        said = check(made, own, arguments, found, inputs, lambda what: _refused(mapper, steps, what))
    return Exported(folder, result.kind, inputs, tuple(names), tuple(said))


def _refused(m: Mapper, steps: Sequence[Mapping[str, Any]], what: str) -> ExportError:
    """Return the error of a step that the engine refuses, with the line of forward that it is of."""
    for step in steps:
        _, found, why = what.partition(f"step {show(step['name'])} ({step['op']})")
        if found:
            return m.error_of(
                step["name"], f"{step['op']} has no equal with this among the steps ({why.strip(': ')}); {ADVICE}"
            )
    return ExportError(f"the engine does not take the model ({what}); {ADVICE}")


def _traced(root: torch.nn.Module, arguments: Arguments) -> tuple[Mapper, Rows]:
    """Record a module's forward; return the steps and the result as rows of one step."""
    root = root.to(torch.float64)
    for one in root.modules():
        for hook in one._forward_pre_hooks.values():  # noqa: SLF001
            if type(hook).__module__.startswith("torch.nn.utils."):  # pruning and norms compute the weight there
                hook(one, ())
        one._forward_hooks.clear()  # noqa: SLF001 - the module's own stay, and run when it is compared
        one._forward_pre_hooks.clear()  # noqa: SLF001
    values = {ours: arguments.value(ours) for ours in dict.fromkeys([*arguments.theirs.values(), *arguments.columns])}
    mapper = Mapper(root, values, _FUNCTIONS, _MODULES)

    def call(tracer: ModuleTracer) -> Any:
        given = {ours: tracer.create_proxy("placeholder", ours, (), {}) for ours in values}

        def data(attributes: dict[str, Any]) -> Any:
            counts = {
                "num_nodes": lambda: given["x"].shape[0],
                "num_edges": lambda: given["edge_index"].shape[1],
                "num_node_features": lambda: given["x"].shape[1],
                "num_features": lambda: given["x"].shape[1],
                "num_graphs": lambda: 1,
                "batch_size": lambda: 1,
            }
            return TracedData(attributes, counts, tracer.error)

        return arguments.call(root, given, data)

    tracer = ModuleTracer(root, mapper, list(_MODULES))
    node, value = mapper.result(tracer.record(call))
    last = node.all_input_nodes[-1] if node.all_input_nodes else node
    return mapper, _result(mapper, value, lambda what: located(last, what))


def _result(m: Mapper, value: Value, error: Any) -> Rows:
    if isinstance(value, (tuple, list, dict)):
        kinds = {item.kind for item in (value.values() if isinstance(value, dict) else value) if isinstance(item, Rows)}
        mixed = f" with values of {' and of '.join(sorted(PLURALS[kind] for kind in kinds))}" if len(kinds) > 1 else ""
        what = "dict" if isinstance(value, dict) else "tuple" if isinstance(value, tuple) else "list"
        raise error(
            f"forward returns a {what}{mixed}; a model has one table of scores: return one tensor, or export a module"
            " that does"
        )
    if isinstance(value, Unknown):
        raise error(value.reason)
    if not isinstance(value, Rows):
        raise error(f"forward returns a {type(value).__name__} that is not rows of nodes, edges or graphs")
    sizes = [size for size in value.trail if size != 1]
    if len(sizes) > 1:
        raise error(
            f"forward returns {whole(value)}; scores are one number, or one row of numbers, for each {value.kind}"
        )
    step = m.column(value)
    if m.steps.get(step) is None:
        step = m.step("output", "slice", [step], m.widths[step], start=0, stop=m.widths[step])
    return Rows(step, value.kind, (value.width,))


def _unwrapped(module: Any) -> Any:
    """Return the module that a wrapper for training runs on several devices."""
    while isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel, DataParallel)):
        module = module.module
    return module


def _check_module(module: Any) -> None:
    if isinstance(module, type):
        raise ExportError(f"{module.__name__} is a class; export a trained module, an object of it")
    if isinstance(module, Mapping):
        raise ExportError("a state_dict has weights but no forward; make the module, load them into it, and export it")
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"a {type(module).__name__} is no torch.nn.Module")
    for path, one in module.named_modules():
        where = f"{path or type(module).__name__}: "
        if isinstance(one, torch.jit.ScriptModule):
            raise ExportError(f"{where}the module is scripted (torch.jit); export the module that was scripted")
        if type(one).__name__ == "OptimizedModule" or getattr(one, "_compiled_call_impl", None) is not None:
            raise ExportError(f"{where}the module is compiled (torch.compile); export the module before it is compiled")
        if type(one).__module__.startswith(_QUANTISED):
            raise ExportError(f"{where}{type(one).__name__} is quantised; export the module of float32 before that")
    if type(module).forward is torch.nn.Module.forward:
        raise ExportError(
            f"{type(module).__name__} has no forward; write one that returns the scores, as from its encode and decode"
        )
    for path, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
            raise ExportError(f"{path} has no shape yet; call the module once before the export, then train it")
        if tensor.is_quantized or type(tensor).__module__.startswith("torchao"):
            raise ExportError(f"{path} is quantised; export the module of float32 before that")
        if tensor.is_meta:
            raise ExportError(f"{path} is on the meta device, without values; load the weights first")


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy in eval mode on the CPU, without what layers keep of the last graph."""
    kept = {}
    for one in module.modules():
        for value in vars(one).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:  # the last graph's; deepcopy refuses it
                kept[id(value)] = value.detach().clone()
    try:
        made = copy.deepcopy(module, kept).cpu().eval()
    except Exception as error:
        raise ExportError(f"the module cannot be copied: {type(error).__name__}: {error}") from error
    for one in made.modules():
        if getattr(one, "cached", False) is True and hasattr(one, "propagate"):
            one.cached = False
            for key in ("_cached_edge_index", "_cached_adj_t", "_cached_x"):
                if hasattr(one, key):
                    setattr(one, key, None)
    return made


def _check_level(result: Rows, level: str | None) -> None:
    if level is not None and level != result.kind:
        raise ExportError(f"level is {level!r}, but forward returns a row for each {result.kind}")


def _outputs(outputs: Sequence[str] | None, result: Rows) -> list[str]:
    if outputs is None:
        return ["score"] if result.width == 1 else [f"score_{number}" for number in range(result.width)]
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    if len(names) != result.width:
        raise ExportError(
            f"outputs has {len(names)} names, but forward returns {result.width} numbers for each {result.kind}"
        )
    for name in names:
        if not str(name).isprintable() or not name:
            raise ExportError(f"outputs: {name!r} is no printable name")
        if name in _RESERVED[result.kind]:
            raise ExportError(f"outputs: {name!r} is a column of its own in outputs; rename it")
        if names.count(name) > 1:
            raise ExportError(f"outputs: {name!r} occurs twice; names must be unique")
    return names


def _used(steps: Sequence[Mapping[str, Any]], arguments: Arguments, mapper: Mapper) -> dict[str, int | bool]:
    """Return the key `inputs` of config.json: what the steps read."""
    named = {name for step in steps for name in references(dict(step))}
    found: dict[str, int | bool] = {"x": arguments.columns["x"].width}
    found["edge_attr"] = arguments.columns["edge_attr"].width if "edge_attr" in named else 0
    found["edge_type"] = 0
    if "edge_type" in named:
        count = mapper.categories.get(("edge_type", 0))
        if count is None:
            raise ExportError("edge_type is used as a number; only an embedding may use it, as it has categories")
        found["edge_type"] = count
    found["graph_attr"] = arguments.columns["graph_attr"].width if "graph_attr" in named else 0
    found["edge_weight"] = "edge_weight" in named
    return found


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ExportError(f"name: {name!r} has characters that cannot be printed")
    return name

"""Functions of torch, torch.nn.functional and torch_geometric.utils, on rows and on the rows of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from graphscore.export._arithmetic import binary
from graphscore.export._elementwise import HANDLERS as ELEMENTWISE
from graphscore.export._elementwise import activate
from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._products import vector_names
from graphscore.export._reductions import pool, reduce_
from graphscore.export._shapes import arrange, batch_of, chunk, columns, made, trail_dim
from graphscore.export._values import PLURALS, Count, EdgeEnd, EdgeIndex, Filled, GraphOf, Rows, Unknown, Value


def dropout(m: Mapper, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """F.dropout: nothing in eval mode."""
    if training and p > 0:
        raise m.error(
            "dropout with training=True drops values in eval mode too, so that scores are random; write"
            " training=self.training"
        )
    return input


def same(m: Mapper, input: Value, *args: Any, **kwargs: Any) -> Value:
    """What changes neither values nor shape."""
    return input


def to(m: Mapper, input: Value, *args: Any, **kwargs: Any) -> Value:
    """Tensor.to and Tensor.type."""
    types = [one for one in [*args, *kwargs.values()] if isinstance(one, (torch.dtype, str))]
    for one in types:
        name = str(one).removeprefix("torch.").removesuffix("Tensor").lower()
        if name.startswith(("int", "long", "uint", "short", "bool", "char", "byte")):
            return to_integer(m, input)
        if name.startswith(("half", "float16", "bfloat")):
            raise m.error(f"a conversion to {name} rounds values, which has no equal here; export a module of float32")
    return input


def to_integer(m: Mapper, input: Value) -> Value:
    """Tensor.long, int and short."""
    if isinstance(input, Rows):
        cut = input.cut or not input.integer
        return Rows(input.step, input.kind, input.trail, input.lead, input.pick, True, cut)
    return input


def softmax(m: Mapper, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    """torch.softmax over columns."""
    return _over_columns(m, "softmax", input, dim)


def log_softmax(m: Mapper, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    """torch.log_softmax over columns."""
    return _over_columns(m, "log_softmax", input, dim)


def softmin(m: Mapper, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    """F.softmin over columns."""
    return _over_columns(m, "softmax", binary(m, "multiply", input, -1), dim)


def _over_columns(m: Mapper, op: str, input: Value, dim: int | None) -> Value:
    if not isinstance(input, Rows):
        raise m.error(f"{op} of a {type(input).__name__} has no equal among the steps of a model folder")
    dim = (0 if input.dims in (0, 1, 3) else 1) if dim is None else dim
    place = trail_dim(m, input, dim)
    if len(input.trail) == 1:
        return m.rows(op, input, input.trail)
    numbers = columns(m, input).movedim(place, -1)
    parts = numbers.reshape(-1, input.trail[place]).unbind(0)
    done = [m.rows(op, input, (len(part),), [arrange(m, input, lambda _, part=part: part)]) for part in parts]  # type: ignore[misc]
    step = m.emit("concatenate", input.width, done) if len(done) > 1 else done[0].step
    flat = Rows(step, input.kind, tuple(numbers.shape), input.lead)
    return arrange(m, flat, lambda numbers: numbers.movedim(-1, place))


def glu(m: Mapper, input: Value, dim: int = -1) -> Value:
    """F.glu: the first half of the columns times the sigmoid of the second."""
    first, second = chunk(m, input, 2, dim)
    return binary(m, "multiply", first, activate(m, second, "sigmoid"))


def normalize(m: Mapper, input: Value, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Value:
    """F.normalize of each row."""
    if not isinstance(input, Rows) or p != 2 or len(input.trail) != 1 or trail_dim(m, input, dim) != 0:  # noqa: PLR2004
        raise m.error("F.normalize has an equal only with p=2 over the columns of each row (dim=-1)")
    return m.rows("l2_normalize", input, input.trail, eps=eps)


def norm(m: Mapper, input: Value, p: Any = 2, dim: Any = None, keepdim: bool = False, ord: Any = None) -> Value:
    """The length of each row."""
    p = p if ord is None else ord
    if p not in (2, "fro") or not isinstance(input, Rows) or dim is None:
        raise m.error("norm has an equal only with p=2 over the columns of each row (dim=-1)")
    return activate(m, reduce_(m, "sum", activate(m, input, "square"), dim, keepdim), "sqrt")


def linalg_norm(m: Mapper, x: Value, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Value:
    """torch.linalg.vector_norm and torch.linalg.norm."""
    return norm(m, x, 2 if ord is None else ord, dim, keepdim)


def cosine_similarity(m: Mapper, x1: Value, x2: Value, dim: int = 1, eps: float = 1e-8) -> Value:
    """F.cosine_similarity of rows."""
    one, other = normalize(m, x1, 2.0, dim, eps), normalize(m, x2, 2.0, dim, eps)
    return reduce_(m, "sum", binary(m, "multiply", one, other), -1, keepdim=False)


def batch_norm(
    m: Mapper,
    input: Value,
    running_mean: Value,
    running_var: Value,
    weight: Value = None,
    bias: Value = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """F.batch_norm with the statistics of training."""
    if training or running_mean is None or running_var is None:
        raise m.error(
            "batch normalisation without running statistics depends on the other graphs of a batch in eval mode too;"
            " train it with track_running_stats=True"
        )
    tensors = [("weight", weight), ("bias", bias), ("running_mean", running_mean), ("running_var", running_var)]
    one = _one_dim(m, input)
    return m.rows("batch_norm", one, input.trail, eps=eps, **vector_names(m, tensors))


def layer_norm(
    m: Mapper,
    input: Value,
    normalized_shape: Sequence[int],
    weight: Value = None,
    bias: Value = None,
    eps: float = 1e-5,
) -> Value:
    """F.layer_norm of each row."""
    if tuple(normalized_shape) != input.trail:
        raise m.error(f"layer_norm over {list(normalized_shape)} of {whole(input)} has no equal here")
    names = {
        key: m.tensor(x.reshape(-1), key, of=x) for key, x in (("weight", weight), ("bias", bias)) if x is not None
    }
    return m.rows("layer_norm", input, input.trail, mode="node", eps=eps, **names)


def _one_dim(m: Mapper, rows: Rows) -> Rows:
    if len(rows.trail) != 1:
        raise m.error(f"batch normalisation of {whole(rows)} has no equal here; it needs one dimension of columns")
    return rows


def embedding(
    m: Mapper,
    input: Value,
    weight: Value,
    padding_idx: Any = None,
    max_norm: Any = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    """F.embedding of columns of an input."""
    if max_norm is not None:
        raise m.error("an embedding with max_norm changes its table while it is read; set max_norm=None")
    if isinstance(input, Filled) and not input.trail and 0 <= input.number < weight.shape[0]:
        zeros = made(m, Filled(0.0, input.kind, (weight.shape[1],)))
        return binary(m, "add", zeros, weight[int(input.number)])
    if isinstance(input, (GraphOf, EdgeEnd, EdgeIndex)):
        raise m.error("an embedding of node or graph numbers is a table of the training graph; it has no equal here")
    if not isinstance(input, Rows) or m.steps.get(input.step) is not None:
        raise m.error(
            "an embedding has an equal only of columns of x, edge_attr, edge_type or graph_attr as they are given"
        )
    numbers = columns(m, input)
    table, count = m.tensor(weight, "table", of=weight), weight.shape[0]
    parts = []
    for column in numbers.reshape(-1).tolist():
        key = (input.step, column)
        m.categories[key] = min(count, m.categories.get(key, count))
        step = m.step(m.hint, "embedding", [input.step], weight.shape[1], columns=[column], tables=[table])
        parts.append(Rows(step, input.kind, (weight.shape[1],), input.lead))
    if len(parts) == 1:
        return arrange(m, parts[0], lambda own: own.reshape(*input.trail, -1))
    step = m.emit("concatenate", len(parts) * weight.shape[1], parts)
    return Rows(step, input.kind, (*input.trail, weight.shape[1]), input.lead)


def one_hot(m: Mapper, tensor: Value, num_classes: int = -1) -> Value:
    """F.one_hot: an embedding with a table of ones."""
    if num_classes < 0:
        raise m.error("F.one_hot without num_classes depends on the largest value of a graph; name num_classes")
    if not isinstance(tensor, Rows):
        raise m.error("F.one_hot has an equal only of columns of x, edge_attr, edge_type or graph_attr")
    return embedding(m, tensor, torch.eye(num_classes))


# Rows that are made, and sizes.


def like(number: float) -> Handler:
    """torch.zeros_like, torch.ones_like."""

    def handler(m: Mapper, input: Value, **_: Any) -> Value:
        if isinstance(input, Rows) and input.lead:
            return Filled(number, input.kind, input.trail)
        raise m.error("zeros or ones like something that is not rows of nodes, edges or graphs have no equal here")

    return handler


def full_like(m: Mapper, input: Value, fill_value: float, **kwargs: Any) -> Value:
    """torch.full_like."""
    return like(fill_value)(m, input, **kwargs)


def filled(number: float) -> Handler:
    """torch.zeros, torch.ones of a row for each node, edge or graph."""

    def handler(m: Mapper, *size: Any, **_: Any) -> Value:
        shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
        if not isinstance(shape[0], Count) or shape[0].last or not all(isinstance(one, int) for one in shape[1:]):
            raise m.error(
                "zeros or ones of a size that depends on the graph have an equal only as rows of nodes, edges or graphs"
            )
        return Filled(number, shape[0].kind, tuple(shape[1:]))

    return handler


def new(number: float) -> Handler:
    """Tensor.new_zeros, Tensor.new_ones."""

    def handler(m: Mapper, input: Value, *size: Any, **kwargs: Any) -> Value:
        return filled(number)(m, *size, **kwargs)

    return handler


def item(m: Mapper, input: Value) -> Value:
    """Tensor.item."""
    if isinstance(input, Count):
        return input
    raise m.error("item() of a value that depends on the graph: a model folder has no numbers that depend on it")


# Functions of torch_geometric.utils.


def scatter(m: Mapper, src: Value, index: Value, dim: int = 0, dim_size: Value = None, reduce: str = "sum") -> Value:
    """torch_geometric.utils.scatter by batch: a readout."""
    how = {"add": "sum"}.get(reduce, reduce)
    if not isinstance(batch_of(index), GraphOf):
        raise m.error(
            "scatter has an equal only by batch, as a readout; sums over the edges of a node are the work of a layer"
            " (SimpleConv has no equal either: use GraphConv, SAGEConv or GINConv)"
        )
    return readout(m, how, src, index, dim)


def readout(m: Mapper, how: str, src: Value, index: Value, dim: int = -2) -> Value:
    """sum, mean, max or min over the rows of each graph."""
    src, index = made(m, src), batch_of(index)
    if how not in ("sum", "mean", "max", "min"):
        raise m.error(f"a readout by {how} has no equal; sum, mean, max and min have")
    if not isinstance(src, Rows) or (index is not None and not isinstance(index, GraphOf)):
        raise m.error("a readout has an equal only of rows of nodes or edges, by batch")
    if not src.lead or src.kind == "graph" or (index is not None and src.kind != index.kind):
        raise m.error(f"a readout of {whole(src)} by the graph of each {'node' if index is None else index.kind}")
    if (dim + src.dims if dim < 0 else dim) != 0:
        raise m.error(f"a readout of {whole(src)} along dimension {dim}; the {PLURALS[src.kind]} are dimension 0")
    return pool(m, how, src)


def _global(how: str) -> Handler:
    """global_add_pool, global_mean_pool and global_max_pool."""

    def handler(m: Mapper, x: Value, batch: Value = None, size: Value = None) -> Value:
        return readout(m, how, x, batch, 0)

    return handler


def any_readout(m: Mapper, x: Value, index: Value) -> Value:
    """Check what a readout is called with."""
    return readout(m, "sum", x, index, 0)


def pyg_softmax(m: Mapper, src: Value, index: Value, *args: Any, **kwargs: Any) -> Value:
    """torch_geometric.utils.softmax, which has an equal only inside of AttentionalAggregation."""
    return Unknown("softmax over the nodes of a graph has an equal only in AttentionalAggregation(gate_nn, nn); use it")


def segment_softmax_product(m: Mapper, gate: Rows, x: Rows) -> Rows:
    """The sum of softmax(gate) x over each graph."""
    step = m.emit("attention_pool", x.width, [x, gate])
    return Rows(step, "graph", x.trail)


def dropout_edge(
    m: Mapper, edge_index: Value, *args: Any, p: float = 0.5, training: bool = True, **kwargs: Any
) -> Value:
    """torch_geometric.utils.dropout_edge: nothing in eval mode."""
    p = args[0] if args else p
    if training and p > 0:
        raise m.error("dropout_edge with training=True drops edges in eval mode too; write training=self.training")
    return edge_index, Unknown("the mask of edges that dropout_edge returns has no equal here")


def structure(name: str, advice: str) -> Handler:
    """What makes another graph of the given one."""

    def handler(m: Mapper, *args: Any, **kwargs: Any) -> Value:
        raise m.error(f"{name} changes the edges of the graph, which no step does; {advice}")

    return handler


_INPUT: Final = "do it to the input before scoring, and leave it out of forward"

HANDLERS: Final[dict[str, Handler]] = {
    **ELEMENTWISE,
    **dict.fromkeys(
        (
            "clone",
            "contiguous",
            "cpu",
            "cuda",
            "detach",
            "double",
            "float",
            "requires_grad_",
            "feature_alpha_dropout_",
            "to_dense_",
        ),
        same,
    ),
    **dict.fromkeys(("long", "int", "short"), to_integer),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "dropout1d"), dropout),
    "batch_norm": batch_norm,
    "cosine_similarity": cosine_similarity,
    "embedding": embedding,
    "full_like": full_like,
    "glu": glu,
    "item": item,
    "layer_norm": layer_norm,
    "linalg_norm": linalg_norm,
    "linalg_vector_norm": linalg_norm,
    "log_softmax": log_softmax,
    "new_ones": new(1.0),
    "new_zeros": new(0.0),
    "norm": norm,
    "normalize": normalize,
    "one_hot": one_hot,
    "ones": filled(1.0),
    "ones_like": like(1.0),
    "pyg.add_remaining_self_loops": structure("add_remaining_self_loops", _INPUT),
    "pyg.add_self_loops": structure("add_self_loops", _INPUT),
    "pyg.coalesce": structure("coalesce", _INPUT),
    "pyg.dropout_edge": dropout_edge,
    "pyg.global_add_pool": _global("sum"),
    "pyg.global_max_pool": _global("max"),
    "pyg.global_mean_pool": _global("mean"),
    "pyg.readout": any_readout,
    "pyg.remove_self_loops": structure("remove_self_loops", _INPUT),
    "pyg.scatter": scatter,
    "pyg.softmax": pyg_softmax,
    "pyg.to_undirected": structure("to_undirected", _INPUT),
    "softmax": softmax,
    "softmin": softmin,
    "to": to,
    "type": to,
    "type_as": same,
    "zeros": filled(0.0),
    "zeros_like": like(0.0),
}
"""By the name of the function or method."""

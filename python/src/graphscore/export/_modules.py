"""Modules of torch.nn and torch_geometric.nn that are no convolutions.

Each handler takes the module and the arguments of its forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from torch import nn
from torch_geometric import nn as pyg

from graphscore.export._arithmetic import binary
from graphscore.export._elementwise import (
    activate,
    celu,
    elu,
    gelu,
    hardshrink,
    hardtanh,
    leaky_relu,
    prelu,
    rrelu,
    softplus,
    softshrink,
    threshold,
)
from graphscore.export._functions import HANDLERS as FUNCTIONS
from graphscore.export._functions import (
    batch_norm,
    embedding,
    glu,
    layer_norm,
    log_softmax,
    readout,
    segment_softmax_product,
    softmax,
    softmin,
)
from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._products import bilinear, linear, vector_names
from graphscore.export._reductions import pool
from graphscore.export._shapes import batch_of, cat, chunk, flatten, spread
from graphscore.export._values import GraphOf, Rows, Value


def _calls(function: Handler, *attributes: str) -> Handler:
    """Call a function with the input and attributes of the module, in that order."""

    def handler(m: Mapper, module: Any, input: Value) -> Value:
        return function(m, input, *(getattr(module, name) for name in attributes))

    return handler


def _named(name: str) -> Handler:
    return _calls(FUNCTIONS[name])


def _same(m: Mapper, module: Any, input: Value, *args: Value, **kwargs: Value) -> Value:
    return input


def linear_(m: Mapper, module: Any, input: Value) -> Value:
    """nn.Linear and torch_geometric.nn.Linear."""
    return linear(m, input, module.weight, module.bias)


def bilinear_(m: Mapper, module: Any, input1: Value, input2: Value) -> Value:
    """nn.Bilinear."""
    return bilinear(m, input1, input2, module.weight, module.bias)


def gru_cell(m: Mapper, module: Any, input: Value, hx: Value = None) -> Value:
    """nn.GRUCell: h' = (1 - z) n + z h."""
    if not isinstance(input, Rows) or not isinstance(hx, Rows):
        raise m.error("GRUCell has an equal only of two values of rows")
    given = chunk(m, linear(m, input, module.weight_ih, module.bias_ih), 3, -1)
    kept = chunk(m, linear(m, hx, module.weight_hh, module.bias_hh), 3, -1)
    reset, update = (activate(m, binary(m, "add", given[i], kept[i]), "sigmoid") for i in (0, 1))
    new = activate(m, binary(m, "add", given[2], binary(m, "multiply", reset, kept[2])), "tanh")
    return binary(m, "add", new, binary(m, "multiply", update, binary(m, "subtract", hx, new)))


def softmax_(m: Mapper, module: Any, input: Value) -> Value:
    """nn.Softmax."""
    return softmax(m, input, module.dim)


def flatten_(m: Mapper, module: Any, input: Value) -> Value:
    """nn.Flatten."""
    return flatten(m, input, module.start_dim, module.end_dim)


def embedding_(m: Mapper, module: Any, input: Value) -> Value:
    """nn.Embedding."""
    return embedding(m, input, module.weight, max_norm=module.max_norm)


def layer_norm_(m: Mapper, module: Any, input: Value) -> Value:
    """nn.LayerNorm."""
    return layer_norm(m, input, module.normalized_shape, module.weight, module.bias, module.eps)


def batch_norm_(m: Mapper, module: Any, input: Value) -> Value:
    """nn.BatchNorm1d."""
    return batch_norm(m, input, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps)


def pyg_batch_norm(m: Mapper, module: Any, x: Value) -> Value:
    """torch_geometric.nn.BatchNorm."""
    return batch_norm_(m, module.module, x)


def _by_graph(m: Mapper, module: Any, x: Value, batch: Value) -> Rows:
    """Check what a norm over the nodes of a graph is called with."""
    name = type(module).__name__
    batch = batch_of(batch)
    if isinstance(x, Rows) and x.kind == "graph":
        raise m.error(
            f"{name} of {whole(x)} normalises over the graphs of a batch; use nn.LayerNorm or a BatchNorm there"
        )
    if not isinstance(x, Rows) or len(x.trail) != 1:
        raise m.error(
            f"{name} is called with {whole(x) if isinstance(x, Rows) else type(x).__name__}, not [nodes, columns]"
        )
    if batch is not None and not (isinstance(batch, GraphOf) and batch.kind == x.kind):
        raise m.error(f"{name} is called with a batch that is not the graph of each {x.kind}")
    return x


def pyg_layer_norm(m: Mapper, module: Any, x: Value, batch: Value = None, batch_size: Value = None) -> Value:
    """torch_geometric.nn.LayerNorm."""
    names = vector_names(m, [("weight", module.weight), ("bias", module.bias)])
    if module.mode == "node":
        return m.rows("layer_norm", x, x.trail, mode="node", eps=module.eps, **names)
    rows = _by_graph(m, module, x, batch)
    given = None if batch is not None else False
    return m.rows("layer_norm", rows, rows.trail, mode="graph", eps=module.eps, batch=given, **names)


def graph_norm(m: Mapper, module: Any, x: Value, batch: Value = None, batch_size: Value = None) -> Value:
    """torch_geometric.nn.GraphNorm."""
    rows = _by_graph(m, module, x, batch)
    tensors = [("weight", module.weight), ("bias", module.bias), ("mean_scale", module.mean_scale)]
    return m.rows("graph_norm", rows, rows.trail, eps=module.eps, **vector_names(m, tensors))


def instance_norm(m: Mapper, module: Any, x: Value, batch: Value = None, batch_size: Value = None) -> Value:
    """torch_geometric.nn.InstanceNorm."""
    rows = _by_graph(m, module, x, batch)
    tensors = [("weight", module.weight), ("bias", module.bias)]
    if module.track_running_stats:
        tensors += [("running_mean", module.running_mean), ("running_var", module.running_var)]
    return m.rows("instance_norm", rows, rows.trail, eps=module.eps, **vector_names(m, tensors))


def pair_norm(m: Mapper, module: Any, x: Value, batch: Value = None, batch_size: Value = None) -> Value:
    """torch_geometric.nn.PairNorm."""
    rows = _by_graph(m, module, x, batch)
    individually = True if module.scale_individually else None
    return m.rows(
        "pair_norm", rows, rows.trail, scale=float(module.scale), scale_individually=individually, eps=module.eps
    )


def mean_subtraction(m: Mapper, module: Any, x: Value, batch: Value = None, dim_size: Value = None) -> Value:
    """torch_geometric.nn.MeanSubtractionNorm."""
    rows = _by_graph(m, module, x, batch)
    return binary(m, "subtract", rows, spread(m, pool(m, "mean", rows), rows.kind))


def jumping_knowledge(m: Mapper, module: Any, xs: Sequence[Value]) -> Value:
    """JumpingKnowledge."""
    if module.mode == "cat":
        return cat(m, xs, -1)
    if module.mode == "max":
        return m.rows("maximum", xs[0], xs[0].trail, xs) if len(xs) > 1 else xs[0]
    raise m.error(
        f"JumpingKnowledge({module.mode!r}) has no equal among the steps of a model folder; 'cat' and 'max' have"
    )


def _readout(how: str) -> Handler:
    def handler(
        m: Mapper, module: Any, x: Value, index: Value = None, ptr: Value = None, dim_size: Value = None, dim: int = -2
    ) -> Value:
        return readout(m, how, x, index, dim)

    return handler


def softmax_aggregation(
    m: Mapper, module: Any, x: Value, index: Value = None, ptr: Value = None, dim_size: Value = None, dim: int = -2
) -> Value:
    """SoftmaxAggregation: attention whose gate is t x."""
    readout(m, "sum", x, index, dim)
    return segment_softmax_product(m, binary(m, "multiply", x, module.t), x)


HANDLERS: Final[dict[type, Handler]] = {
    nn.AlphaDropout: _same,
    nn.BatchNorm1d: batch_norm_,
    nn.Bilinear: bilinear_,
    nn.CELU: _calls(celu, "alpha"),
    nn.Dropout: _same,
    nn.Dropout1d: _same,
    nn.ELU: _calls(elu, "alpha"),
    nn.Embedding: embedding_,
    nn.FeatureAlphaDropout: _same,
    nn.Flatten: flatten_,
    nn.GLU: _calls(glu, "dim"),
    nn.GELU: _calls(gelu, "approximate"),
    nn.GRUCell: gru_cell,
    nn.Hardshrink: _calls(hardshrink, "lambd"),
    nn.Hardsigmoid: _named("hardsigmoid"),
    nn.Hardswish: _named("hardswish"),
    nn.Hardtanh: _calls(hardtanh, "min_val", "max_val"),
    nn.Identity: _same,
    nn.LayerNorm: layer_norm_,
    nn.LeakyReLU: _calls(leaky_relu, "negative_slope"),
    nn.Linear: linear_,
    nn.LogSigmoid: _named("logsigmoid"),
    nn.LogSoftmax: _calls(log_softmax, "dim"),
    nn.Mish: _named("mish"),
    nn.PReLU: _calls(prelu, "weight"),
    nn.RReLU: _calls(rrelu, "lower", "upper"),
    nn.ReLU: _named("relu"),
    nn.ReLU6: _named("relu6"),
    nn.SELU: _named("selu"),
    nn.SiLU: _named("silu"),
    nn.Sigmoid: _named("sigmoid"),
    nn.Softmax: softmax_,
    nn.Softmin: _calls(softmin, "dim"),
    nn.Softplus: _calls(softplus, "beta", "threshold"),
    nn.Softshrink: _calls(softshrink, "lambd"),
    nn.Softsign: _named("softsign"),
    nn.SyncBatchNorm: batch_norm_,
    nn.Tanh: _named("tanh"),
    nn.Tanhshrink: _named("tanhshrink"),
    nn.Threshold: _calls(threshold, "threshold", "value"),
    pyg.BatchNorm: pyg_batch_norm,
    pyg.GraphNorm: graph_norm,
    pyg.InstanceNorm: instance_norm,
    pyg.JumpingKnowledge: jumping_knowledge,
    pyg.LayerNorm: pyg_layer_norm,
    pyg.Linear: linear_,
    pyg.MeanSubtractionNorm: mean_subtraction,
    pyg.PairNorm: pair_norm,
    pyg.aggr.MaxAggregation: _readout("max"),
    pyg.aggr.MeanAggregation: _readout("mean"),
    pyg.aggr.MinAggregation: _readout("min"),
    pyg.aggr.SoftmaxAggregation: softmax_aggregation,
    pyg.aggr.SumAggregation: _readout("sum"),
}
"""By class; what is not here is traced through or refused."""

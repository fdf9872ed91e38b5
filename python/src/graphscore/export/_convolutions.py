"""Layers of torch_geometric.nn.conv as steps. Each handler takes the layer and the arguments of its forward."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn
from torch_geometric.nn import aggr as pyg_aggr
from torch_geometric.nn import conv as pyg_conv
from torch_geometric.nn.dense import linear as pyg_linear

from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._products import vector_names
from graphscore.export._shapes import made
from graphscore.export._values import EdgeIndex, Rows, Unknown, Value

_AGGREGATIONS: Final = {
    pyg_aggr.SumAggregation: "sum",
    pyg_aggr.MeanAggregation: "mean",
    pyg_aggr.MaxAggregation: "max",
}
_PNA_AGGREGATIONS: Final = {
    **_AGGREGATIONS,
    pyg_aggr.MinAggregation: "min",
    pyg_aggr.StdAggregation: "std",
    pyg_aggr.VarAggregation: "var",
}
_LINEARS: Final = (nn.Linear, pyg_linear.Linear)
_ACTS: Final[dict[type, str]] = {
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.LeakyReLU: "leaky_relu",
    nn.ReLU: "relu",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.Tanh: "tanh",
}
_FILLS: Final = ("mean", "add", "max", "min")
_SCALERS: Final = ("identity", "amplification", "attenuation", "linear", "inverse_linear")
_NODE_DIMS: Final = (0, -2)
_HOOKS: Final = (
    "_propagate_forward_pre_hooks",
    "_propagate_forward_hooks",
    "_message_forward_pre_hooks",
    "_message_forward_hooks",
    "_aggregate_forward_pre_hooks",
    "_aggregate_forward_hooks",
    "_edge_update_forward_pre_hooks",
    "_edge_update_forward_hooks",
)


def _nodes(m: Mapper, conv: Any, x: Value, edge_index: Value, size: Value = None) -> Rows:
    """Check what every layer is called with; return the rows of the nodes."""
    name = type(conv).__name__
    if conv.flow != "source_to_target":
        raise m.error(f"{name} with flow={conv.flow!r} sends messages against the edges; swap the rows of edge_index")
    if conv.node_dim not in _NODE_DIMS:
        raise m.error(f"{name} with node_dim={conv.node_dim} has no equal; nodes are the first dimension")
    if any(getattr(conv, hooks, None) for hooks in _HOOKS):
        raise m.error(f"{name} has hooks on its messages; remove them")
    if isinstance(x, (tuple, list)):
        if len(x) != 2 or x[0] != x[1]:  # noqa: PLR2004
            raise m.error(f"{name} is called with different rows for sources and targets; call it with x, or (x, x)")
        x = x[0]
    if not isinstance(edge_index, EdgeIndex):
        raise m.error(f"{name} is called with something else than the edge_index of the graph; pass it on as it is")
    if size is not None and not isinstance(size, (tuple, list)):
        raise m.error(f"{name} is called with a size that is not the number of nodes")
    x = made(m, x)
    if not isinstance(x, Rows) or x.kind != "node" or len(x.trail) != 1:
        raise m.error(
            f"{name} is called with {whole(x) if isinstance(x, Rows) else type(x).__name__}, not [nodes, columns]"
        )
    return x


def _aggregation(m: Mapper, conv: Any, known: tuple[str, ...] = ("sum",)) -> str:
    name = _AGGREGATIONS.get(type(conv.aggr_module))
    if name not in known:
        raise m.error(f"{type(conv).__name__} with aggr={conv.aggr!r} has no equal; {', '.join(known)} have")
    return name


def _edges(m: Mapper, conv: Any, key: str, value: Value) -> Rows | None:
    """Check rows of edges that a layer is called with."""
    if value is None:
        return None
    value = made(m, value)
    if not isinstance(value, Rows) or value.kind != "edge" or not value.lead:
        raise m.error(f"{type(conv).__name__} is called with an {key} that is not one row an edge")
    if key == "edge_weight" and value.width != 1:
        raise m.error(f"{type(conv).__name__} is called with an edge_weight of {value.width} values an edge, not one")
    return value


def _emit(m: Mapper, op: str, x: Rows, width: int, edges: dict[str, Rows | None], **keys: object) -> Rows:
    named = {key: m.column(rows) for key, rows in edges.items() if rows is not None}
    step = m.emit(op, width, [x], **keys, **named)
    return Rows(step, "node", (width,))


def _weight(linear: Any) -> Any:
    return None if linear is None else linear.weight


def _bias(linear: Any) -> Any:
    return None if linear is None else linear.bias


def gcn(m: Mapper, conv: Any, x: Value, edge_index: Value, edge_weight: Value = None) -> Value:
    """GCNConv."""
    rows, weight = _nodes(m, conv, x, edge_index), _edges(m, conv, "edge_weight", edge_weight)
    _aggregation(m, conv)
    tensors = vector_names(m, [("weight", conv.lin.weight), ("bias", conv.bias)])
    options = {
        "improved": True if conv.improved else None,
        "add_self_loops": None if conv.add_self_loops else False,
        "normalize": None if conv.normalize else False,
    }
    return _emit(m, "gcn", rows, conv.out_channels, {"edge_weight": weight}, **tensors, **options)


def sage(m: Mapper, conv: Any, x: Value, edge_index: Value, size: Value = None) -> Value:
    """SAGEConv."""
    rows, aggr = _nodes(m, conv, x, edge_index, size), _aggregation(m, conv, ("mean", "max", "sum"))
    project = conv.lin if conv.project else None
    tensors = vector_names(
        m,
        [
            ("neighbor", conv.lin_l.weight),
            ("bias", conv.lin_l.bias),
            ("root", conv.lin_r.weight if conv.root_weight else None),
            ("project_weight", _weight(project)),
            ("project_bias", _bias(project)),
        ],
    )
    return _emit(
        m, "sage", rows, conv.out_channels, {}, aggr=aggr, **tensors, normalize=True if conv.normalize else None
    )


def gin(m: Mapper, conv: Any, x: Value, edge_index: Value, size: Value = None) -> Value:
    """GINConv without its network, which the tracer calls on the result."""
    rows = _nodes(m, conv, x, edge_index, size)
    aggr = _aggregation(m, conv, ("sum", "mean", "max"))
    return _emit(m, "gin", rows, rows.width, {}, eps=float(conv.eps), aggr=aggr)


def gine(m: Mapper, conv: Any, x: Value, edge_index: Value, edge_attr: Value = None, size: Value = None) -> Value:
    """GINEConv without its network."""
    rows, edge = _nodes(m, conv, x, edge_index, size), _edges(m, conv, "edge_attr", edge_attr)
    if edge is None:
        raise m.error("GINEConv is called without edge_attr")
    aggr = _aggregation(m, conv, ("sum", "mean", "max"))
    tensors = vector_names(m, [("weight", _weight(conv.lin)), ("bias", _bias(conv.lin))])
    return _emit(m, "gine", rows, rows.width, {"edge_attr": edge}, eps=float(conv.eps), aggr=aggr, **tensors)


def graph_conv(
    m: Mapper, conv: Any, x: Value, edge_index: Value, edge_weight: Value = None, size: Value = None
) -> Value:
    """GraphConv."""
    rows, weight = _nodes(m, conv, x, edge_index, size), _edges(m, conv, "edge_weight", edge_weight)
    aggr = _aggregation(m, conv, ("sum", "mean", "max"))
    tensors = vector_names(
        m,
        [
            ("weight_rel", conv.lin_rel.weight),
            ("bias_rel", conv.lin_rel.bias),
            ("weight_root", conv.lin_root.weight),
        ],
    )
    return _emit(m, "graph_conv", rows, conv.out_channels, {"edge_weight": weight}, aggr=aggr, **tensors)


def _heads(m: Mapper, conv: Any, tensor: torch.Tensor, key: str) -> str:
    """Keep attention weights, [1, heads, out] in PyG, as [heads, out]."""
    return m.tensor(tensor.reshape(conv.heads, conv.out_channels), key, of=tensor)


def _attention(m: Mapper, conv: Any, edge: Rows | None) -> dict[str, object]:
    """Return what GATConv and GATv2Conv share."""
    fill: object = conv.fill_value
    if isinstance(fill, torch.Tensor):
        if fill.numel() != 1:
            raise m.error(
                f"{type(conv).__name__} with a tensor as fill_value has no equal; mean, add, max, min or a number have"
            )
        fill = float(fill)
    fill = {"sum": "add", None: 1.0}.get(fill, fill) if fill is None or isinstance(fill, str) else fill
    used = edge is not None and conv.add_self_loops
    if used and isinstance(fill, str) and fill not in _FILLS:
        raise m.error(
            f"{type(conv).__name__} with fill_value={fill!r} has no equal; mean, add, max, min or a number have"
        )
    _aggregation(m, conv)
    keys: dict[str, object] = {
        "heads": conv.heads,
        "concat": None if conv.concat else False,
        "negative_slope": float(conv.negative_slope),
        "add_self_loops": None if conv.add_self_loops else False,
        "fill_value": fill if used else None,
    }
    tensors = [("bias", conv.bias), ("residual", _weight(conv.res))]
    if edge is not None:
        tensors.append(("lin_edge", conv.lin_edge.weight))
    return keys | vector_names(m, tensors)


def _out(conv: Any) -> int:
    return int(conv.out_channels * (conv.heads if conv.concat else 1))


def _with_attention(m: Mapper, value: Value, asked: Value) -> Value:
    """Return what a layer returns where attention weights are asked for: only the rows have an equal."""
    if not isinstance(asked, bool):
        return value
    reason = Unknown("attention weights have no equal among the steps of a model folder; use the first value only")
    return value, (reason, reason)


def gat(
    m: Mapper,
    conv: Any,
    x: Value,
    edge_index: Value,
    edge_attr: Value = None,
    size: Value = None,
    return_attention_weights: Value = None,
) -> Value:
    """GATConv."""
    rows, edge = _nodes(m, conv, x, edge_index, size), _edges(m, conv, "edge_attr", edge_attr)
    if conv.lin is None:
        raise m.error("GATConv with two in_channels has no equal; make it with one number")
    edge = None if conv.lin_edge is None else edge
    keys = _attention(m, conv, edge)
    keys["weight"] = m.tensor(conv.lin.weight, "weight", of=conv.lin.weight)
    keys["att_src"], keys["att_dst"] = (
        _heads(m, conv, conv.att_src, "att_src"),
        _heads(m, conv, conv.att_dst, "att_dst"),
    )
    if edge is not None:
        keys["att_edge"] = _heads(m, conv, conv.att_edge, "att_edge")
    value = _emit(m, "gat", rows, _out(conv), {"edge_attr": edge}, **keys)
    return _with_attention(m, value, return_attention_weights or None)


def gatv2(
    m: Mapper,
    conv: Any,
    x: Value,
    edge_index: Value,
    edge_attr: Value = None,
    return_attention_weights: Value = None,
) -> Value:
    """GATv2Conv."""
    rows, edge = _nodes(m, conv, x, edge_index), _edges(m, conv, "edge_attr", edge_attr)
    if edge is not None and conv.lin_edge is None:
        raise m.error("GATv2Conv without edge_dim is called with edge_attr")
    keys = _attention(m, conv, edge)
    right = None if conv.lin_r is conv.lin_l else conv.lin_r
    keys |= vector_names(
        m,
        [
            ("weight_l", conv.lin_l.weight),
            ("bias_l", conv.lin_l.bias),
            ("weight_r", _weight(right)),
            ("bias_r", _bias(right)),
        ],
    )
    keys["att"] = _heads(m, conv, conv.att, "att")
    value = _emit(m, "gatv2", rows, _out(conv), {"edge_attr": edge}, **keys)
    return _with_attention(m, value, return_attention_weights or None)


def transformer(
    m: Mapper,
    conv: Any,
    x: Value,
    edge_index: Value,
    edge_attr: Value = None,
    return_attention_weights: Value = None,
) -> Value:
    """TransformerConv."""
    rows, edge = _nodes(m, conv, x, edge_index), _edges(m, conv, "edge_attr", edge_attr)
    _aggregation(m, conv)
    if (edge is None) != (conv.lin_edge is None):
        raise m.error("TransformerConv is called with edge_attr exactly where it has edge_dim")
    skip = conv.lin_skip if conv.root_weight else None
    tensors = vector_names(
        m,
        [
            *[(f"weight_{name}", getattr(conv, f"lin_{name}").weight) for name in ("query", "key", "value")],
            *[(f"bias_{name}", getattr(conv, f"lin_{name}").bias) for name in ("query", "key", "value")],
            ("weight_edge", _weight(conv.lin_edge)),
            ("weight_skip", _weight(skip)),
            ("bias_skip", _bias(skip)),
            ("weight_beta", _weight(conv.lin_beta) if conv.beta else None),
        ],
    )
    options = {
        "heads": conv.heads,
        "concat": None if conv.concat else False,
        "beta": True if conv.beta else None,
        "root_weight": None if conv.root_weight else False,
    }
    value = _emit(m, "transformer", rows, _out(conv), {"edge_attr": edge}, **options, **tensors)
    return _with_attention(m, value, return_attention_weights)


def pna(m: Mapper, conv: Any, x: Value, edge_index: Value, edge_attr: Value = None) -> Value:
    """PNAConv."""
    rows, edge = _nodes(m, conv, x, edge_index), _edges(m, conv, "edge_attr", edge_attr)
    if (edge is None) != (conv.edge_dim is None):
        raise m.error("PNAConv must be called with edge_attr where it has edge_dim, and only there")
    scaled = conv.aggr_module
    many = scaled.aggr.aggrs if isinstance(scaled.aggr, pyg_aggr.MultiAggregation) else [scaled.aggr]
    unknown = [type(one).__name__ for one in many if type(one) not in _PNA_AGGREGATIONS]
    if unknown:
        raise m.error(f"PNAConv with {unknown[0]} has no equal; {', '.join(_PNA_AGGREGATIONS.values())} have")
    unscaled = [one for one in scaled.scaler if one not in _SCALERS]
    if unscaled:
        raise m.error(f"PNAConv with the scaler {unscaled[0]!r} has no equal; {', '.join(_SCALERS)} have")
    pre, post = ([_linears(m, network) for network in networks] for networks in (conv.pre_nns, conv.post_nns))
    keys: dict[str, object] = {
        "aggregators": [_PNA_AGGREGATIONS[type(one)] for one in many],
        "scalers": list(scaled.scaler),
        "towers": conv.towers,
        "divide_input": True if conv.divide_input else None,
        "act": _act(m, [*conv.pre_nns, *conv.post_nns]),
        "avg_deg_lin": float(scaled.avg_deg_lin),
        "avg_deg_log": float(scaled.avg_deg_log),
    }
    for name, towers in (("pre", pre), ("post", post)):
        keys[f"{name}_layers"] = len(towers[0])
        for key, kept in (("weights", "weight"), ("biases", "bias")):
            tensors = [getattr(one, kept) for tower in towers for one in tower]
            keys[f"{name}_{key}"] = [
                m.tensor(one, f"{name}.{place}.{kept}", of=one) for place, one in enumerate(tensors)
            ]
    tensors = [("weight", conv.lin.weight), ("bias", conv.lin.bias)]
    if edge is not None:
        tensors += [("edge_weight_in", conv.edge_encoder.weight), ("edge_bias_in", conv.edge_encoder.bias)]
    return _emit(m, "pna", rows, conv.out_channels, {"edge_attr": edge}, **keys, **vector_names(m, tensors))


def _linears(m: Mapper, network: Any) -> list[Any]:
    """Return the linear maps of a tower's network, which alternate with one activation."""
    if any(not isinstance(one, _LINEARS) for one in network[::2]):
        raise m.error("PNAConv has other networks in its towers than it makes itself; leave them as they are")
    return list(network[::2])


def _act(m: Mapper, networks: list[Any]) -> str | None:
    """Return the function between the linear maps of towers; None where there is only one map."""
    acts = {repr(one): one for network in networks for one in network[1::2]}
    if not acts:
        return None
    name = _ACTS.get(type(next(iter(acts.values()))))
    if len(acts) > 1 or name is None or repr(_plain_act(name)) not in acts:
        raise m.error(f"PNAConv with the activation {', '.join(acts)} has no equal; {', '.join(_ACTS.values())} have")
    return name


def _plain_act(name: str) -> Any:
    return next(kind for kind, known in _ACTS.items() if known == name)()


HANDLERS: Final[dict[type, Handler]] = {
    pyg_conv.GATConv: gat,
    pyg_conv.GATv2Conv: gatv2,
    pyg_conv.GCNConv: gcn,
    pyg_conv.GINConv: gin,
    pyg_conv.GINEConv: gine,
    pyg_conv.GraphConv: graph_conv,
    pyg_conv.PNAConv: pna,
    pyg_conv.SAGEConv: sage,
    pyg_conv.TransformerConv: transformer,
}
"""By class."""

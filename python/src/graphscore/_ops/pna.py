"""Principal neighbourhood aggregation: torch_geometric.nn.PNAConv.

    m[j, i] = pre([H[i], H[j], W_edge e[j, i] + b_edge])
    H'[i]   = W [post([H[i], s a(m[j, i] over the edges j -> i) for each scaler s and aggregator a])] + b

There is one pre and one post network a tower: linear maps with `act` between them. The towers take all columns of H,
or, with `divide_input`, an equal share each, and their results stand side by side before W. Aggregators are sum, mean,
min, max, var and std; each is 0 over no edges. Scalers, of the in-degree d: identity 1, amplification
log(d + 1) / avg_deg_log, attenuation avg_deg_log / log(max(d, 1) + 1), linear d / avg_deg_lin, inverse_linear
avg_deg_lin / max(d, 1). var is in two passes, in float64; std is 0 where it is at most sqrt(1e-5), as in PyG. Corso et
al., https://arxiv.org/abs/2004.05718.

[N, in] -> [N, out], F = in or in / towers. Lists of tensors have those of the first tower first: pre_weights [F, 2 F]
(or [F, 3 F] with edge_attr), then [F, F]; post_weights [out / towers, (scalers aggregators + 1) F], then
[out / towers, out / towers]; their biases; weight [out, out], bias [out], edge_weight_in [F, D], edge_bias_in [F].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from graphscore._activations import Activation
from graphscore._arrays import Floats
from graphscore._graphs import Graphs, targets
from graphscore._ops._aggregate import by_blocks, linear
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._ops.activation import FUNCTIONS, plain_function
from graphscore._segments import Segments

_Linear = tuple[Floats, Floats]
_LEAST: Final = 1e-5


def _std(runs: Segments, rows: Floats) -> npt.NDArray[np.float64]:
    deviation: npt.NDArray[np.float64] = np.sqrt(runs.variance(rows))
    deviation[deviation <= math.sqrt(_LEAST)] = 0
    return deviation


_AGGREGATORS: Final[Mapping[str, Callable[[Segments, Floats], npt.NDArray[np.floating]]]] = {
    "max": Segments.maximum,
    "mean": Segments.mean,
    "min": Segments.minimum,
    "std": _std,
    "sum": Segments.total,
    "var": Segments.variance,
}

_SCALERS: Final[Mapping[str, Callable[[int, float, float], float]]] = {
    "amplification": lambda degree, _, log: math.log(degree + 1) / log,
    "attenuation": lambda degree, _, log: log / math.log(max(degree, 1) + 1),
    "identity": lambda *_: 1.0,
    "inverse_linear": lambda degree, linear_, _: linear_ / max(degree, 1),
    "linear": lambda degree, linear_, _: degree / linear_,
}


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a step has read."""

    towers: int
    share: int  # F
    divided: bool
    edge: int | None  # the place of edge_attr among the values
    encoder: _Linear | None
    pre: tuple[tuple[_Linear, ...], ...]  # by tower, then by layer
    post: tuple[tuple[_Linear, ...], ...]
    last: _Linear
    act: str
    aggregators: tuple[str, ...]
    scalers: tuple[str, ...]
    average: tuple[float, float]  # of the in-degree and of its logarithm


def read(spec: StepSpec) -> Step:
    """Read the step."""
    value = spec.value(0, "node")
    towers, divided = spec.count("towers", default=1), spec.flag("divide_input", default=False)
    if divided and value.width % towers:
        raise spec.error(f"towers: {value.said}, which {towers} towers cannot share")
    share = value.width // towers if divided else value.width
    last = spec.weight("weight", "out", "out of the towers"), spec.weight("bias", "out")
    if len(last[0]) % towers or last[0].shape[0] != last[0].shape[1]:
        raise spec.error(f"weight has shape {list(last[0].shape)}; it must be square, with a multiple of {towers} rows")
    aggregators, scalers = _names(spec, "aggregators", _AGGREGATORS), _names(spec, "scalers", _SCALERS)
    edge = spec.optional_value("edge_attr", "edge", "edge_in")
    spec.bind("F", share, "towers and divide_input")
    encoder = None
    if edge is not None:
        encoder = spec.weight("edge_weight_in", "F", "edge_in"), spec.weight("edge_bias_in", "F")
    elif spec.get("edge_weight_in") is not None or spec.get("edge_bias_in") is not None:
        raise spec.error("edge_weight_in and edge_bias_in are there without edge_attr")
    inner, width = len(last[0]) // towers, (len(aggregators) * len(scalers) + 1) * share
    parts = _Parts(
        towers=towers,
        share=share,
        divided=divided,
        edge=None if edge is None else edge[0],
        encoder=encoder,
        pre=_networks(spec, "pre", towers, share, (2 if edge is None else 3) * share),
        post=_networks(spec, "post", towers, inner, width),
        last=last,
        act=spec.choice("act", FUNCTIONS, default="relu"),
        aggregators=aggregators,
        scalers=scalers,
        average=(_average(spec, "avg_deg_lin"), _average(spec, "avg_deg_log")),
    )
    if any(math.isnan(number) for number in FUNCTIONS[parts.act][1].values()):
        raise spec.error(f"act {parts.act!r} is not supported here, as it has parameters without defaults")
    return Step("node", len(last[0]), lambda compiler: _compile(parts, compiler), edge_width=2 * towers * share)


def _names(spec: StepSpec, key: str, known: Mapping[str, object]) -> tuple[str, ...]:
    names = spec.texts(key)
    for place, name in enumerate(names):
        if name not in known:
            raise spec.error(f"{key}[{place}] {name!r} is not supported; supported are {', '.join(sorted(known))}")
    return names


def _average(spec: StepSpec, key: str) -> float:
    number = spec.number(key, default=1.0)
    if number == 0:
        raise spec.error(f"{key}: expected a number other than 0, got 0")
    return number


def _networks(spec: StepSpec, name: str, towers: int, rows: int, columns: int) -> tuple[tuple[_Linear, ...], ...]:
    """Read the linear maps of the towers' networks: the first [rows, columns], the others square."""
    layers = spec.count(f"{name}_layers", default=1)
    dimensions = f"{name} rows#", f"{name} columns#"
    weights, biases = spec.weights(f"{name}_weights", *dimensions), spec.weights(f"{name}_biases", dimensions[0])
    for key, tensors in (("weights", weights), ("biases", biases)):
        if len(tensors) != towers * layers:
            raise spec.error(
                f"{name}_{key} names {len(tensors)} tensors, expected {layers} for each of {towers} towers"
            )
    for place, weight in enumerate(weights):
        wanted = (rows, rows if place % layers else columns)
        if weight.shape != wanted:
            raise spec.error(f"{name}_weights[{place}] has shape {list(weight.shape)}, expected {list(wanted)}")
    pairs = list(zip(weights, biases, strict=True))
    return tuple(tuple(pairs[tower * layers : (tower + 1) * layers]) for tower in range(towers))


def _compile(parts: _Parts, compiler: Compiler) -> Function:
    messages = _messages(parts, compiler)
    towers = [_tower(parts, tower, compiler) for tower in range(parts.towers)]
    last = linear(compiler, *parts.last)
    share, width = parts.share, parts.towers * parts.share

    def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
        rows = values[0]
        of_edges = messages(values, graphs)

        def aggregate(part: slice, runs: Segments) -> Floats:
            sent = of_edges(part)
            found = np.empty((len(runs.counts), len(parts.aggregators), width), np.float32)
            for place, name in enumerate(parts.aggregators):
                found[:, place] = _AGGREGATORS[name](runs, sent)
            return found.reshape(len(found), -1)

        found = by_blocks(graphs, width, aggregate).reshape(len(rows), len(parts.aggregators), width)
        scales = graphs.derive(_scales, parts.scalers, parts.average)
        results = []
        for place, tower in enumerate(towers):
            columns = slice(place * share, (place + 1) * share)
            own = rows[:, columns].copy() if parts.divided else rows
            results.append(tower(own, found[:, :, columns].reshape(len(rows), -1), scales))
        return last(results[0] if len(results) == 1 else np.concatenate(results, axis=1))

    return run


def _messages(parts: _Parts, compiler: Compiler) -> Callable[[Sequence[Floats], Graphs], Callable[[slice], Floats]]:
    """Return a function of values and graphs that returns one of edges: their messages, the towers side by side.

    The first map is applied to nodes and edge features apart: [H[i], H[j], e] W^T = H[i] W_1^T + H[j] W_2^T + e W_3^T.
    """
    share = parts.share
    first = [network[0] for network in parts.pre]
    of_targets = linear(compiler, _stacked([w[:, :share] for w, _ in first], parts), _bias(first, parts.encoder))
    of_sources = linear(compiler, _stacked([w[:, share : 2 * share] for w, _ in first], parts), None)
    of_edges = None
    if parts.encoder is not None:
        encoder = parts.encoder[0].astype(np.float64)
        of_edges = linear(
            compiler, np.concatenate([w[:, 2 * share :] @ encoder for w, _ in first]).astype(np.float32), None
        )
    act = _act(parts.act, compiler)
    after = [
        linear(compiler, _diagonal([n[layer][0] for n in parts.pre]), np.concatenate([n[layer][1] for n in parts.pre]))
        for layer in range(1, len(parts.pre[0]))
    ]

    def prepare(values: Sequence[Floats], graphs: Graphs) -> Callable[[slice], Floats]:
        sources, at = of_sources(values[0]), of_targets(values[0])
        target = graphs.derive(targets)

        def run(part: slice) -> Floats:
            rows = np.take(sources, graphs.sources[part], axis=0)
            rows += np.take(at, target[part], axis=0)
            if of_edges is not None and parts.edge is not None:
                rows += of_edges(values[parts.edge][part])
            for map_ in after:
                rows = map_(act(rows))
            return rows

        return run

    return prepare


def _tower(
    parts: _Parts, tower: int, compiler: Compiler
) -> Callable[[Floats, Floats, Sequence[Floats | None]], Floats]:
    """Return the post network of a tower: a function of H, the aggregates [N, aggregators F] and the scales.

    Scaling a row commutes with a linear map, so aggregates are multiplied with the weights of all scalers at once.
    """
    share, (weight, bias) = parts.share, parts.post[tower][0]
    own, each = linear(compiler, weight[:, :share], bias), len(parts.aggregators) * share
    by_scaler = [weight[:, share + each * place : share + each * (place + 1)] for place in range(len(parts.scalers))]
    product = compiler.product(np.concatenate(by_scaler).T)
    act, after = _act(parts.act, compiler), [linear(compiler, *pair) for pair in parts.post[tower][1:]]
    out = len(weight)

    def run(rows: Floats, found: Floats, scales: Sequence[Floats | None]) -> Floats:
        result, products = own(rows), product(found)
        for place, scale in enumerate(scales):
            scaled = products[:, out * place : out * (place + 1)]
            result += scaled if scale is None else scaled * scale
        for map_ in after:
            result = map_(act(result))
        return result

    return run


def _scales(graphs: Graphs, scalers: tuple[str, ...], average: tuple[float, float]) -> tuple[Floats | None, ...]:
    """Return the factor of each scaler for each node, [N, 1]; None: 1.

    Logarithms are those of math, one by one: numpy's depend on a value's place.
    """
    degrees, inverse = np.unique(np.diff(graphs.indptr), return_inverse=True)
    return tuple(
        None
        if name == "identity"
        else np.array([_SCALERS[name](int(d), *average) for d in degrees], np.float64)[inverse].astype(np.float32)[
            :, None
        ]
        for name in scalers
    )


def _stacked(weights: Sequence[Floats], parts: _Parts) -> Floats:
    """Return one matrix for all towers: below each other where they take all columns, else along the diagonal."""
    return _diagonal(weights) if parts.divided else np.concatenate(weights)


def _diagonal(weights: Sequence[Floats]) -> Floats:
    rows, columns = weights[0].shape
    result = np.zeros((len(weights) * rows, len(weights) * columns), np.float32)
    for place, weight in enumerate(weights):
        result[place * rows : (place + 1) * rows, place * columns : (place + 1) * columns] = weight
    return result


def _bias(first: Sequence[_Linear], encoder: _Linear | None) -> Floats:
    """Return the bias of the first maps, with that of the encoder of edge features."""
    if encoder is None:
        return np.concatenate([bias for _, bias in first])
    share = len(encoder[1])
    moved = [bias + weight[:, 2 * share :].astype(np.float64) @ encoder[1] for weight, bias in first]
    return np.concatenate(moved).astype(np.float32)


def _act(name: str, compiler: Compiler) -> Activation:
    return compiler.tested(*plain_function(name))


OPERATION: Final = Operation(
    read,
    frozenset({"aggregators", "scalers", "towers", "divide_input", "avg_deg_lin", "avg_deg_log", "act", "edge_attr"})
    | {"edge_weight_in", "edge_bias_in", "weight", "bias"}
    | {f"{name}_{key}" for name in ("pre", "post") for key in ("layers", "weights", "biases")},
)

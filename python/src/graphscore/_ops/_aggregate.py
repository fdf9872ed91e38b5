"""What several convolutions share: aggregation over the edges that point to a node, and linear maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from graphscore._arrays import Doubles, Floats
from graphscore._graphs import Adjacency, Graphs, edges_of_nodes, unweighted
from graphscore._ops._step import Compiler
from graphscore._products import Finish, Product
from graphscore._rows import Row, row_sums, scale
from graphscore._segments import Segments

Aggregation: TypeAlias = Literal["sum", "mean", "max"]

_BLOCK: Final = 1 << 19
"""Values of an edge and column that are computed at once, about: 2 MiB."""

AGGREGATIONS: Final[dict[str, Aggregation]] = {"sum": "sum", "add": "sum", "mean": "mean", "max": "max"}
"""What `aggr` may be; `add` is PyTorch Geometric's other name for `sum`."""


def aggregate(aggr: Aggregation, rows: Floats, graphs: Graphs, weights: Floats | None = None) -> Floats:
    """Aggregate weight * rows[source] over the edges of each target: [N, C] -> [N, C], a new array; 0 over none.

    The sum is in the order of the edges; weights, [E], may be those of the request or of a step.
    """
    if aggr == "max":
        return by_blocks(graphs, rows.shape[1], lambda part, runs: runs.maximum(_sent(rows, graphs, weights, part)))
    result = _adjacency(graphs, weights) @ rows
    if aggr == "mean":
        result /= graphs.derive(edges_of_nodes).floats
    return result


def _adjacency(graphs: Graphs, weights: Floats | None) -> Adjacency:
    return graphs.derive(unweighted) if weights is None else Adjacency(weights, graphs.sources, graphs.indptr)


def aggregation(
    compiler: Compiler, aggr: Aggregation, weight: Floats
) -> Callable[[Floats, Graphs, Floats | None], Floats]:
    """Return W aggr(w H[source]), for W [out, in]: a function of rows [N, in], graphs, weights [E] -> [N, out].

    The map comes where there are fewer columns. At nodes of many edges it is computed in float64 too, as the rounding
    of a large sum may be more than what the map leaves of it.
    """
    product, doubles = compiler.product(weight.T), weight.astype(np.float64)
    if aggr == "max":
        return lambda rows, graphs, weights: product(aggregate("max", rows, graphs, weights))
    weight_first = len(weight) <= weight.shape[1]

    def run(rows: Floats, graphs: Graphs, weights: Floats | None) -> Floats:
        adjacency, edges = _adjacency(graphs, weights), graphs.derive(edges_of_nodes)
        result = adjacency.singles(product(rows) if weight_first else rows)
        if aggr == "mean":
            result /= edges.floats
        if not weight_first:
            result = product(result)
        if len(adjacency.long):
            sums = adjacency.doubles(rows)
            if aggr == "mean":
                sums /= edges.divisors[adjacency.long]
            result[adjacency.long] = times(sums, doubles)
        return result

    return run


def times(rows: Doubles, weight: Doubles) -> Doubles:
    """Return x W^T in float64, row by row: [N, in], [out, in] -> [N, out]. For few rows."""
    result = np.empty((len(rows), len(weight)))
    for row, target in zip(rows, result, strict=True):
        target[:] = row_sums(weight * row)[:, 0]
    return result


def _sent(rows: Floats, graphs: Graphs, weights: Floats | None, part: slice) -> Floats:
    messages = np.take(rows, graphs.sources[part], axis=0)
    if weights is not None:
        scale(messages, weights[part])
    return messages


def reduce(aggr: Aggregation, messages: Floats, edges: Segments) -> Floats:
    """Aggregate a message an edge over the edges of each node: [E, C] -> [N, C], a new array; 0 over none."""
    if aggr == "max":
        return edges.maximum(messages)
    result = edges.sum(messages)
    if aggr == "mean":
        result /= edges.floats
    return result


def by_blocks(graphs: Graphs, width: int, function: Callable[[slice, Segments], Floats]) -> Floats:
    """Compute a row a node from its edges: [N, C].

    `function` is given edges and how they belong to nodes one after the other; it returns the rows of those nodes. The
    edges of one node are never parted; otherwise there are about as many as fit the caches, with `width` values each.
    """
    blocks = graphs.derive(_blocks, max(1, _BLOCK // width))
    if len(blocks) == 1:
        return function(slice(0, graphs.edges), graphs.derive(edges_of_nodes))
    parts = []
    for first, last in blocks:
        starts = graphs.indptr[first : last + 1]
        parts.append(function(slice(int(starts[0]), int(starts[-1])), Segments(starts - starts[0])))
    return np.concatenate(parts)


def _blocks(graphs: Graphs, edges: int) -> list[tuple[int, int]]:
    """Cut the nodes into runs [first, last) with about `edges` edges, at least one node each."""
    blocks, first = [], 0
    while first < graphs.nodes:
        last = int(np.searchsorted(graphs.indptr, graphs.indptr[first] + edges, side="right")) - 1
        blocks.append((first, max(first + 1, last)))
        first = blocks[-1][1]
    return blocks or [(0, 0)]


def propagation(aggr: Aggregation, width: int) -> int:
    """Return how many values an edge `aggregate` needs room for, for rows of a width."""
    return width if aggr == "max" else 0


def linear(compiler: Compiler, weight: Floats, bias: Floats | None) -> Product:
    """Return x W^T + b for a weight [out, in] and a bias [out]: a function [N, in] -> [N, out], a new array."""
    product = compiler.product(weight.T)
    if bias is None:
        return product
    row = Row(bias)
    return lambda rows, finish=None: product(rows, with_row(row, finish))


def with_row(row: Row | None, finish: Finish | None) -> Finish | None:
    """Return what adds a row, if any, to each of the rows before they are finished."""
    if row is None:
        return finish

    def add(rows: Floats, where: slice) -> None:
        row.apply(np.add, rows)
        if finish is not None:
            finish(rows, where)

    return add


def linears(compiler: Compiler, maps: Sequence[tuple[Floats, Floats | None]]) -> Callable[[Floats], tuple[Floats, ...]]:
    """Return several linear maps of the same rows, each as `linear` returns it, at the cost of one product."""
    products = compiler.products([weight.T for weight, _ in maps])
    rows_of = [None if bias is None else Row(bias) for _, bias in maps]

    def run(rows: Floats) -> tuple[Floats, ...]:
        results = products(rows)
        for row, result in zip(rows_of, results, strict=True):
            if row is not None:
                row.apply(np.add, result)
        return results

    return run

"""The engine: a model that computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from graphscore import _activations, _products
from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS, Activation
from graphscore._arrays import Floats, Indices
from graphscore._batch import EDGE_OUT_OF_RANGE, BatchError, Failure, GraphBatch, Scores, indices, offsets
from graphscore._edges import Edges
from graphscore._layers import Forward
from graphscore._model import Model
from graphscore._products import STRATEGIES, Strategy

NAME: Final = "scipy"
"""What computes, as GetModel tells it."""

_CHUNK_FLOATS: Final = 1 << 19
_CHUNK_NODES: Final = 1024


class EngineError(RuntimeError):
    """This machine's arithmetic cannot keep the promise that a graph's scores do not depend on its place."""


@dataclass(frozen=True)
class _Step:
    forward: Forward
    activation: Activation


class Engine:
    """Scores batches with one model. Safe for use from several threads.

    A graph's scores depend on that graph alone, to the bit: not on its neighbours in the batch, its place or
    the size of the batch. To that end the constructor tries every dense product of the model at every place
    (see `_products`); it raises EngineError where no way to multiply passes.

    Args:
        model: what to compute.
        strategies: ways to multiply, fastest first.
        chunk_nodes: about how many nodes are computed at once; None: what fits the caches. No score depends
            on it.
    """

    def __init__(
        self, model: Model, *, strategies: Sequence[Strategy] = STRATEGIES, chunk_nodes: int | None = None
    ) -> None:
        self.model = model
        # 2 MiB for the widest array, so that what a layer reads and writes stays near the processor.
        widest = max(model.in_features, *(layer.out_width for layer in model.layers))
        self._chunk_nodes = chunk_nodes or max(_CHUNK_NODES, _CHUNK_FLOATS // widest)
        make_product = _products.Chooser(strategies)
        try:
            self._steps = tuple(
                _Step(
                    layer.parameters.compile(make_product),
                    _tested(layer.activation, ACTIVATIONS[layer.activation]),
                )
                for layer in model.layers
            )
        except _products.ProductError as error:
            raise EngineError(str(error)) from None
        self._output = _tested(model.output_activation, OUTPUT_ACTIVATIONS[model.output_activation])

    def score(self, batch: GraphBatch) -> Scores:
        """Score every node of every graph: [N, K], where K is the number of the model's outputs.

        A graph with an edge that leaves it is listed in `failed` and disturbs no other. Scores may be NaN or
        infinite where the model gives that. Raises BatchError if the width is not the model's (unless there
        are no nodes). Memory beyond the batch and its scores is that of one chunk of whole graphs.
        """
        if batch.nodes and batch.width != self.model.in_features:
            raise BatchError(f"feature_width: {batch.width}, but the model takes {self.model.in_features}")
        values = np.zeros((batch.nodes, len(self.model.outputs)), np.float32)
        node_offsets, indptr = offsets(batch.node_counts), offsets(batch.in_degrees)
        sources = indices(batch.sources)
        graph_edges = indptr[node_offsets]
        failed = _leaving(sources, node_offsets, graph_edges)
        broken = {failure.graph for failure in failed}
        with np.errstate(all="ignore"):
            for first, last in _runs(node_offsets, self._chunk_nodes, broken):
                nodes = slice(int(node_offsets[first]), int(node_offsets[last]))
                edges = slice(int(graph_edges[first]), int(graph_edges[last]))
                chunk = Edges(
                    indptr=indptr[nodes.start : nodes.stop + 1] - indptr[nodes.start],
                    sources=sources[edges] - node_offsets[first],
                    weights=None if batch.edge_weights is None else batch.edge_weights[edges].copy(),
                )
                values[nodes] = self._forward(np.array(batch.features[nodes], np.float32, order="C"), chunk)
        return Scores(values, failed)

    def _forward(self, rows: Floats, edges: Edges) -> Floats:
        for step in self._steps:
            rows = step.activation(step.forward(rows, edges))
        return self._output(rows)


def _tested(name: str, activation: Activation) -> Activation:
    if not _activations.place_invariant(activation):
        raise EngineError(f"activation {name} does not give the same result at every place with this numpy build")
    return activation


def _leaving(sources: Indices, node_offsets: Indices, graph_edges: Indices) -> tuple[Failure, ...]:
    """Find the graphs with an edge whose source is in another graph."""
    edges, nodes = np.diff(graph_edges), np.diff(node_offsets)
    # Unsigned, so that a source before its graph is far beyond the graph's end.
    inner = (sources - np.repeat(node_offsets[:-1], edges)).view(np.uint32)
    leaves = inner >= np.repeat(nodes.view(np.uint32), edges)
    if not leaves.any():
        return ()
    edge = np.flatnonzero(leaves)
    graph = np.searchsorted(graph_edges, edge, side="right") - 1
    graphs, first = np.unique(graph, return_index=True)
    return tuple(
        Failure(
            int(g),
            EDGE_OUT_OF_RANGE,
            f"edge {int(edge[i] - graph_edges[g])} comes from node {int(sources[edge[i]]) - int(node_offsets[g])},"
            f" which is not in the graph of {int(nodes[g])} nodes",
        )
        for g, i in zip(graphs, first, strict=True)
    )


def _runs(node_offsets: Indices, chunk_nodes: int, broken: set[int]) -> Iterator[tuple[int, int]]:
    """Cut the graphs into runs [first, last) of about chunk_nodes nodes, without the broken and empty ones."""
    graphs = len(node_offsets) - 1
    stops = [*sorted(broken), graphs]
    first = 0
    for stop in stops:
        while first < stop:
            limit = int(node_offsets[first]) + chunk_nodes
            last = max(first + 1, min(int(np.searchsorted(node_offsets, limit, side="right")) - 1, stop))
            if node_offsets[last] > node_offsets[first]:
                yield first, last
            first = last
        first = stop + 1

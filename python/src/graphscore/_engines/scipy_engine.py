"""The engine on numpy and SciPy: `config.json` with layers, `model.safetensors` with their weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import scipy
from threadpoolctl import threadpool_info

from graphscore import _activations, _products
from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS, Activation
from graphscore._arrays import Floats, Indices
from graphscore._batch import BatchError, GraphBatch, Scores, indices, offsets, out_of_range
from graphscore._edges import Edges
from graphscore._engines._engine import EngineError, EngineInfo
from graphscore._layers import Forward
from graphscore._model import Model, load_model
from graphscore._products import STRATEGIES, Strategy

_CHUNK_FLOATS: Final = 1 << 19
_CHUNK_NODES: Final = 1024


@dataclass(frozen=True)
class _Step:
    forward: Forward
    activation: Activation


class ScipyEngine:
    """Scores batches with one model; see the protocol Engine. Safe for use from several threads.

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

    def info(self) -> EngineInfo:
        """Return the versions of numpy and SciPy, and the BLAS that numpy uses."""
        return EngineInfo("scipy", {"numpy": np.__version__, "scipy": scipy.__version__}, _blas())

    def score(self, batch: GraphBatch) -> Scores:
        """Score every node of every graph: [N, K], where K is the number of the model's outputs.

        Memory beyond the batch and its scores is that of one chunk of whole graphs.
        """
        if batch.nodes and batch.width != self.model.in_features:
            raise BatchError(f"feature_width: {batch.width}, but the model takes {self.model.in_features}")
        values = np.zeros((batch.nodes, len(self.model.outputs)), np.float32)
        node_offsets, indptr = offsets(batch.node_counts), offsets(batch.in_degrees)
        sources = indices(batch.sources)
        graph_edges = indptr[node_offsets]
        failed = out_of_range(sources, node_offsets, graph_edges)
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


def load(folder: Path) -> ScipyEngine:
    """Load a model folder. Raises ModelError and EngineError."""
    return ScipyEngine(load_model(folder))


def _blas() -> str:
    """Return the BLAS that numpy uses, its version and its kernel, e.g. 'openblas 0.3.31 Haswell'."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # SciPy may bring a second one, which nothing here calls.
    libraries.sort(key=lambda library: "numpy" not in library["filepath"])
    for library in libraries:
        parts = (library["internal_api"], library["version"], library.get("architecture"))
        return " ".join(str(part) for part in parts if part)
    return "unknown"


def _tested(name: str, activation: Activation) -> Activation:
    if not _activations.place_invariant(activation):
        raise EngineError(
            f"activation {name} returns other bits at other places of an array with this numpy build; use another one"
        )
    return activation


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

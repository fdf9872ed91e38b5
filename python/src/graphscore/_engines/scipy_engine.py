"""The engine on numpy and SciPy: `config.json` with layers, `model.safetensors` with their weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy
from threadpoolctl import threadpool_info

from graphscore import _activations, _products
from graphscore._activations import Activation
from graphscore._arrays import Floats
from graphscore._batch import BatchError, Failure, GraphBatch, Level, Scores, indices, offsets, out_of_range
from graphscore._categories import Places, merge, out_of_categories
from graphscore._config import printable, show
from graphscore._engines._engine import EngineError, EngineInfo
from graphscore._graphs import Graphs
from graphscore._model import Model, load_model
from graphscore._network import COLUMNS, Category, Network
from graphscore._ops import EDGE_WEIGHT
from graphscore._products import STRATEGIES, Product, Strategy
from graphscore._program import Ensemble
from graphscore._reverse import without_reverse

_CHUNK_FLOATS: Final = 1 << 19
_CHUNK_NODES: Final = 1024
_JOINED: Final = 512
"""Columns up to which several products of the same rows are computed as one."""


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
        node_width, edge_width = _widths(model.in_features, model.members[0])
        # 2 MiB for the widest array, so that what a step reads and writes stays near the processor.
        self._chunk_nodes = chunk_nodes or max(_CHUNK_NODES, _CHUNK_FLOATS // node_width)
        self._edge_nodes = edge_width / node_width
        types = model.inputs.get("edge_type", 0)
        self._categories = model.members[0].categories | ({Category("edge_type", 0, types)} if types else set())
        self._paired = model.members[0].paired
        compiler = _Compiler(strategies)
        try:
            self._ensemble = Ensemble(model.members, compiler)
        except _products.ProductError as error:
            raise EngineError(str(error)) from None

    def info(self) -> EngineInfo:
        """Return the versions of numpy and SciPy, and the BLAS that numpy uses."""
        return EngineInfo("scipy", {"numpy": np.__version__, "scipy": scipy.__version__}, _blas())

    def score(self, batch: GraphBatch, embed: str = "") -> Scores:
        """Score a batch: [rows, K], where K is the number of the model's outputs.

        Memory beyond the batch and its scores is that of one chunk of whole graphs, and of `without_reverse` for models
        that read the reverses of edges.

        Args:
            batch: the graphs.
            embed: the step whose values are wanted too, empty for none.
        """
        place, width = self._embedded(embed) if embed else (-1, 0)
        columns = self._columns(batch)
        node_offsets, indptr = offsets(batch.node_counts), offsets(batch.in_degrees)
        sources = indices(batch.sources)
        graph_edges = indptr[node_offsets]
        failed = self._refused(columns, Places(node_offsets, graph_edges, indptr, sources))
        places: dict[Level, npt.NDArray[Any]] = {
            "node": node_offsets,
            "edge": graph_edges,
            "graph": np.arange(batch.graphs + 1),
        }
        values = np.zeros((batch.rows(self.model.level), len(self.model.outputs)), np.float32)
        embedding = np.zeros((len(values), width), np.float32) if embed else None
        rows = places[self.model.level]
        with np.errstate(all="ignore"):
            for first, last in self._runs(node_offsets, graph_edges, {failure.graph for failure in failed}):
                graphs = Graphs(
                    node_offsets[first : last + 1] - node_offsets[first],
                    indptr[node_offsets[first] : node_offsets[last] + 1] - graph_edges[first],
                    sources[graph_edges[first] : graph_edges[last]] - node_offsets[first],
                    _part(batch.edge_weights, graph_edges, first, last),
                )
                parts = {
                    name: column[places[COLUMNS[name]][first] : places[COLUMNS[name]][last]]
                    for name, column in columns.items()
                }
                here = slice(rows[first], rows[last])
                if embedding is None:
                    values[here] = self._compute(parts, graphs)
                else:
                    read = partial(_inputs, parts=parts, graphs=graphs)
                    values[here], embedding[here] = self._ensemble.run_keeping(place, read, graphs)
        if self.model.level == "graph":
            for table in (values, embedding):
                if table is not None:
                    table[np.asarray(batch.node_counts) == 0] = 0
        return Scores(values, failed, self.model.level, embedding)

    def _embedded(self, name: str) -> tuple[int, int]:
        """Return the place and the width of a step of the level of the model. Raises BatchError."""
        for place, step in enumerate(self.model.steps):
            if step.name == name and step.level == self.model.level:
                return place, step.width
        known = ", ".join(printable(step.name) for step in self.model.steps if step.level == self.model.level)
        raise BatchError(
            f"embed: the model has no step {show(name)} of level {self.model.level};"
            f" {self.model.no_steps or f'those are {known}'}"
        )

    def _refused(self, columns: Mapping[str, npt.NDArray[Any]], places: Places) -> tuple[Failure, ...]:
        """Return the graphs that are not scored, each with the first reason of those that apply."""
        failed = out_of_range(places.sources, places.node_offsets, places.graph_edges)
        left = frozenset(failure.graph for failure in failed)
        failed = merge(failed, out_of_categories(columns, self._categories, places))
        return merge(failed, without_reverse(columns, places, left)) if self._paired else failed

    def _compute(self, parts: Mapping[str, npt.NDArray[Any]], graphs: Graphs) -> Floats:
        """Compute the scores of a chunk: the mean of the members, and their standard deviations where asked."""
        results = self._ensemble.run(partial(_inputs, parts=parts, graphs=graphs), graphs)
        if len(results) == 1:
            return results[0]
        mean = _mean([result.astype(np.float64) for result in results])
        if not self.model.std:
            return mean.astype(np.float32)
        deviation = np.sqrt(_mean([np.square(result - mean) for result in results]))
        return np.concatenate([mean, deviation], axis=1).astype(np.float32)

    def _runs(
        self, node_offsets: npt.NDArray[Any], graph_edges: npt.NDArray[Any], broken: set[int]
    ) -> Iterator[tuple[int, int]]:
        """Cut the graphs into runs [first, last) of about equal size, without the broken and empty ones."""
        graphs = len(node_offsets) - 1
        ends = node_offsets + graph_edges * self._edge_nodes if self._edge_nodes else node_offsets
        first = 0
        for stop in [*sorted(broken), graphs]:
            while first < stop:
                limit = ends[first] + self._chunk_nodes
                last = max(first + 1, min(int(np.searchsorted(ends, limit, side="right")) - 1, stop))
                if node_offsets[last] > node_offsets[first]:
                    yield first, last
                first = last
            first = stop + 1

    def _columns(self, batch: GraphBatch) -> dict[str, npt.NDArray[Any]]:
        """Return the columns that the model reads, other than edge weights. Raises BatchError."""
        wanted = self.model.inputs
        if batch.nodes and batch.width != wanted["x"]:
            raise BatchError(f"feature_width: {batch.width}, but the model takes {wanted['x']}")
        x = batch.features if batch.nodes else np.zeros((0, wanted["x"]), np.float32)
        columns: dict[str, npt.NDArray[Any]] = {"x": x}
        for name, field, column, rows in (
            ("edge_attr", "edge_features", batch.edge_features, batch.edges),
            ("graph_attr", "graph_features", batch.graph_features, batch.graphs),
        ):
            if name not in wanted:
                continue
            if rows and (column is None or column.shape[1] != wanted[name]):
                found = "absent" if column is None else column.shape[1]
                raise BatchError(f"{field}: {found}, but the model takes {wanted[name]}")
            columns[name] = np.zeros((rows, wanted[name]), np.float32) if column is None or not rows else column
        if "edge_type" in wanted:
            if batch.edges and batch.edge_types is None:
                raise BatchError("edge_types: absent, but the model takes them")
            types = np.zeros(0, np.int32) if batch.edge_types is None else batch.edge_types
            columns["edge_type"] = types[:, None]
        return columns


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


class _Compiler:
    """Makes products and tests functions, each shape and each name once; see `graphscore._ops.Compiler`."""

    def __init__(self, strategies: Sequence[Strategy]) -> None:
        self._choose = _products.Chooser(strategies)
        self._tested: set[str] = set()

    def product(self, matrix: Floats, /) -> Product:
        return self._choose(matrix)

    def products(self, matrices: Sequence[Floats], /) -> Callable[[Floats], tuple[Floats, ...]]:
        widths = [matrix.shape[1] for matrix in matrices]
        if sum(widths) > _JOINED:  # what is saved is little then, and the self-test of a large product long
            apart = [self._choose(matrix) for matrix in matrices]
            return lambda rows: tuple(product(rows) for product in apart)
        return _products.parted(self._choose(np.concatenate(matrices, axis=1)), widths)

    def tested(self, name: str, function: Activation, /) -> Activation:
        if name not in self._tested and not _activations.place_invariant(function):
            raise EngineError(
                f"activation {name} returns other bits at other places of an array with this numpy build;"
                " use another one"
            )
        self._tested.add(name)
        return function


def _widths(in_features: int, network: Network) -> tuple[int, int]:
    """Return the values of a node and of an edge in the widest arrays of a network."""
    steps = [placed.step for placed in network.steps]
    edge = max(step.width if step.kind == "edge" else step.edge_width for step in steps)
    return max(in_features, *(step.width for step in steps if step.kind != "edge"), 1), edge


def _part(column: Floats | None, offsets: npt.NDArray[Any], first: int, last: int) -> Floats | None:
    """Return the rows of graphs first to before last; a copy, as those of a request may lie at any address."""
    return None if column is None else column[offsets[first] : offsets[last]].copy()


def _inputs(names: Collection[str], parts: Mapping[str, npt.NDArray[Any]], graphs: Graphs) -> dict[str, Floats]:
    """Return the columns that a program uses, as it wants them; x may be used up."""
    result = {name: np.array(parts[name], np.float32, order="C") for name in names if name in parts}
    if EDGE_WEIGHT in names:
        weights = np.ones(graphs.edges, np.float32) if graphs.weights is None else graphs.weights
        result[EDGE_WEIGHT] = weights[:, None]
    return result


def _mean(results: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Average arrays, added in their order."""
    total = results[0].copy()
    for result in results[1:]:
        total += result
    return total / len(results)

"""Random graphs with the columns of an example, for a module and for graphscore's own engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from graphscore._batch import GraphBatch
from graphscore.export._inputs import COLUMNS, Arguments, Column

_SEED: Final = 20261127
_EXAMPLE_NODES: Final = 20_000
_EXAMPLE_EDGES: Final = 200_000


@dataclass(frozen=True)
class Graph:
    """One graph: its edges, and its columns by the names of COLUMNS."""

    what: str
    """For messages, e.g. '7 nodes and 12 edges'."""
    nodes: int
    edges: torch.Tensor
    """[2, E]."""
    columns: Mapping[str, torch.Tensor]
    kind: str = ""
    """What kind of small graph it is, for which a module may raise where it scores others; empty for others."""
    members: tuple[int, ...] = ()
    """Nodes of each graph, where it is a batch of several."""

    def rows(self, level: str) -> int:
        """Return how many rows of scores the graph has at a level."""
        return {"node": self.nodes, "edge": int(self.edges.shape[1]), "graph": len(self.members) or 1}[level]

    def given(self, types: Mapping[str, torch.dtype], dtype: torch.dtype) -> dict[str, Any]:
        """Return what forward is called with, by our names; floating point columns are `dtype`.

        The tensors are copies: forward may write into them.
        """
        members = self.members or (self.nodes,)
        graph_of = torch.arange(len(members)).repeat_interleave(torch.tensor(members))
        found: dict[str, Any] = {"edge_index": self.edges.clone(), "batch": graph_of}
        found |= {name: value.to(types.get(name, dtype), copy=True) for name, value in self.columns.items()}
        return found | {"num_nodes": self.nodes, "batch_size": len(members), "num_graphs": len(members)}


def graphs(arguments: Arguments, categories: Mapping[tuple[str, int], int]) -> list[Graph]:
    """Return graphs of many shapes, the example's first one among them.

    Args:
        arguments: the columns and the example's values.
        categories: how many values an embedding has for a column of a column.
    """
    random = np.random.default_rng(_SEED)
    found = [*_example(arguments)]
    sizes = ((3, 3), (7, 12), (17, 40), (33, 70), (60, 300))
    shapes: Sequence[tuple[int, Sequence[tuple[int, int]], str]] = (
        (1, [], "a graph of one node and no edges"),
        (1, [(0, 0)], "a graph of one node"),
        (2, [], "a graph without edges"),
        (4, [(0, 1), (1, 0), (1, 2), (2, 1)], ""),
        (5, [(0, 1), (0, 1), (1, 2), (0, 1), (4, 2), (4, 2)], ""),
        (4, [(0, 0), (0, 1), (1, 1), (1, 1), (2, 3)], ""),
        (9, [(3, 4), (4, 3)], ""),
        *((nodes, _edges(random, nodes, count), "") for nodes, count in sizes),
        (3, [(0, 1)], "a graph of one edge"),
    )
    for nodes, edges, kind in shapes:
        index = torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T
        columns = {
            name: _column(random, column, {"node": nodes, "edge": len(edges), "graph": 1}[COLUMNS[name]], categories)
            for name, column in arguments.columns.items()
        }
        found.append(Graph(f"{nodes} nodes and {len(edges)} edges", nodes, index, columns, kind))
    return found


def _edges(random: np.random.Generator, nodes: int, count: int) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in random.integers(0, nodes, (count, 2))]


def _column(
    random: np.random.Generator, column: Column, rows: int, categories: Mapping[tuple[str, int], int]
) -> torch.Tensor:
    """Return random values as the example has them: categories, whole numbers, or floats of the same size."""
    low, high, middle, spread = column.statistics
    if column.integer:
        made = random.integers(low, high + 2, (rows, column.width)).astype(np.float64)
    elif column.ours == "edge_weight":
        made = random.uniform(0.1, 2.0, (rows, column.width))
    else:
        made = middle + spread * random.standard_normal((rows, column.width))
    for place in range(column.width):
        known = categories.get((column.ours, place))
        if known is not None:
            made[:, place] = random.integers(0, known, rows)
    values = torch.from_numpy(made.astype(np.float32).astype(np.float64))
    return values.reshape(*([rows] if column.lead else []), *column.trail)


def _example(arguments: Arguments) -> list[Graph]:
    """Return the example where it is one graph of a size that is quickly computed; else nothing."""
    edges = arguments.edge_index.shape[1]
    if arguments.nodes > _EXAMPLE_NODES or edges > _EXAMPLE_EDGES or not arguments.nodes:
        return []
    columns = {}
    for name, column in arguments.columns.items():
        if COLUMNS[name] == "graph" and column.lead and len(column.values) != 1:
            return []  # of several graphs
        columns[name] = column.values.to(torch.float32).double()
    return [
        Graph(f"the example, {arguments.nodes} nodes and {edges} edges", arguments.nodes, arguments.edge_index, columns)
    ]


def beside(graph: Graph, other: Graph, arguments: Arguments) -> Graph | None:
    """Return a batch of two graphs, as a DataLoader makes it; None where features of graphs cannot be in one."""
    if any(COLUMNS[name] == "graph" and not column.lead for name, column in arguments.columns.items()):
        return None
    return Graph(
        f"{graph.what} in a batch",
        graph.nodes + other.nodes,
        torch.cat([graph.edges, other.edges + graph.nodes], dim=1),
        {name: torch.cat([values, other.columns[name]]) for name, values in graph.columns.items()},
        members=(graph.nodes, other.nodes),
    )


def order(graph: Graph) -> torch.Tensor:
    """Return the edges of a graph in the order of the wire: by target, else as they are."""
    return torch.argsort(graph.edges[1], stable=True)


def batch(found: Sequence[Graph], inputs: Mapping[str, int | bool]) -> GraphBatch:
    """Return graphs for the engine, with the columns that the model reads."""
    sources, degrees, first = [], [], 0
    columns: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name, width in inputs.items() if width}
    for graph in found:
        places = order(graph)
        sources.append((graph.edges[0][places] + first).numpy())
        degrees.append(np.bincount(graph.edges[1].numpy(), minlength=graph.nodes))
        first += graph.nodes
        for name, values in columns.items():
            rows = graph.columns[name].reshape(-1, _width(graph, name))
            values.append((rows[places] if COLUMNS[name] == "edge" else rows).numpy())
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    floats = {name: np.ascontiguousarray(values, np.float32) for name, values in joined.items()}
    return GraphBatch(
        node_counts=np.array([graph.nodes for graph in found]),
        features=floats["x"],
        in_degrees=np.concatenate(degrees),
        sources=np.concatenate(sources),
        edge_weights=floats["edge_weight"].reshape(-1) if "edge_weight" in floats else None,
        edge_features=floats.get("edge_attr"),
        edge_types=joined["edge_type"].reshape(-1).astype(np.uint32) if "edge_type" in joined else None,
        graph_features=floats.get("graph_attr"),
    )


def _width(graph: Graph, name: str) -> int:
    value = graph.columns[name]
    rows = graph.rows(COLUMNS[name])
    if name == "graph_attr":
        return int(value.numel())
    return int(value.numel() // rows) if rows else (int(value.shape[1]) if value.dim() > 1 else 1)

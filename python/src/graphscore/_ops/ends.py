"""From graphs to their nodes and edges, from nodes to edges, and products of pairs of rows.

spread: [G, C] -> [N, C] or [E, C], the row of its graph for each; x[batch]. `kind` is node or edge
gather: [N, C] -> [E, C], the row of the source or target of each edge; x[edge_index[0]]. `end` is source or target
dot:    [., C], [., C] -> [., 1], the sum of a * b over the columns, in float64, for values of any kind
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._batch import Level
from graphscore._graphs import Graphs, edges_of_graphs, nodes_of_graphs, targets
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Operation, Step
from graphscore._rows import dots

_KINDS: Final[dict[str, Level]] = {"node": "node", "edge": "edge"}


def _read_spread(spec: StepSpec) -> Step:
    width = spec.value(0, "graph").width
    kind = _KINDS[spec.choice("kind", _KINDS)]
    segments = nodes_of_graphs if kind == "node" else edges_of_graphs

    def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
        return graphs.derive(segments).spread(values[0])

    return Step(kind, width, lambda _: run)


def _read_gather(spec: StepSpec) -> Step:
    width = spec.value(0, "node").width
    source = spec.choice("end", ("source", "target")) == "source"

    def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
        return np.take(values[0], graphs.sources if source else graphs.derive(targets), axis=0)

    return Step("edge", width, lambda _: run)


def _read_dot(spec: StepSpec) -> Step:
    kind = spec.same().kind

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        return dots(values[0], values[1]).astype(np.float32)

    return Step(kind, 1, lambda _: run)


SPREAD: Final = Operation(_read_spread, frozenset({"kind"}))
GATHER: Final = Operation(_read_gather, frozenset({"end"}))
DOT: Final = Operation(_read_dot, inputs=(2, 2))

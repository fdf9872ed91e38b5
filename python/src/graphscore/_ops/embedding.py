"""Tables of rows for categories: torch.nn.Embedding, and sums of several, as OGB's AtomEncoder and BondEncoder.

    y = sum over i of tables[i][x[:, columns[i]]], in that order

The input is a column of the request itself: x, edge_attr, edge_type or graph_attr. A graph with a value that is no
whole number from 0 to the table's last row is not scored (category_out_of_range).

[., D] -> [., out]; tables [rows, out], one for each of `columns` (0 to D - 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Operation, Step


def read(spec: StepSpec) -> Step:
    """Read the step."""
    value = spec.value(0)
    if not value.column:
        raise spec.error(f"inputs[0]: {value.said}; categories are columns of an input of the model, as it is given")
    columns = spec.counts("columns", value.width)
    tables = spec.weights("tables", "rows#", "out")
    if len(columns) != len(tables):
        raise spec.error(f"columns has {len(columns)} numbers, but tables {len(tables)} names; each column needs one")
    pairs = tuple(zip(columns, tables, strict=True))

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        numbers = values[0].astype(np.int32)
        result = np.take(tables[0], numbers[:, columns[0]], axis=0)
        for column, table in pairs[1:]:
            result += np.take(table, numbers[:, column], axis=0)
        return result

    categories = tuple((column, len(table)) for column, table in pairs)
    return Step(value.kind, tables[0].shape[1], lambda _: run, categories=categories)


OPERATION: Final = Operation(read, frozenset({"columns", "tables"}))

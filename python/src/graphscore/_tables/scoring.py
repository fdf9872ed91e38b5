"""Scores the rows of a table, a block at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from graphscore._batch import Scores
from graphscore._engines import Engine
from graphscore._tables.binding import bind
from graphscore._tables.checking import graphs_of
from graphscore._tables.column import decode
from graphscore._tables.faults import Faults
from graphscore._tables.fields import Field
from graphscore._tables.found import Found
from graphscore._tables.ids import id_type, ids_of, made_ids
from graphscore._tables.reading import read
from graphscore._tables.writing import REJECTED, Rows, rejected, schema_of

_BLOCK_ROWS: Final = 8192
_BLOCK_BYTES: Final = 32 << 20

_log = logging.getLogger(__name__)


def score(
    engine: Engine,
    table: pa.Table | pa.RecordBatch,
    columns: Mapping[str, str] | None,
    *,
    name: str,
    first_row: int,
    width: int,
) -> tuple[pa.Table, pa.Table]:
    """Return the scores of a table and the rows that have none; see `graphscore.TableScorer.score`.

    Args:
        engine: what scores.
        table: one graph a row.
        columns: names of columns by what they are read for.
        name: what ids of graphs begin with where the table has none.
        first_row: the number of the first row.
        width: values of a row where they are an embedding, 0 where they are outputs.
    """
    if not isinstance(table, pa.Table | pa.RecordBatch):
        raise TypeError(f"table is a {type(table).__name__}; give a pyarrow.Table or a pyarrow.RecordBatch")
    model = engine.model
    bound = bind(table.schema, columns, model)
    graph_id, node_id = id_type(bound.get("graph_id"), pa.string()), id_type(bound.get("node_ids"), pa.int64())
    schema = schema_of(model.level, graph_id, node_id, model.outputs, width)
    chosen = table.select(sorted({table.schema.get_field_index(field.name) for field in bound.values()}))
    scored, refused = [], []
    forms: set[str] = set()
    at = first_row
    for block in _blocks(chosen):
        found = _read(block, bound, model.inputs, at)
        rows = _score(engine, found, width)
        scored.append(rows.table(schema, _graph_ids(found, name)))
        if found.faults.found:
            refused.append(rejected(found.faults.found, at))
        forms |= found.forms
        at += len(block)
    if forms == {"two edges"}:
        _log.warning(
            "every graph with edges has two lists of two values in %s, read as sources and targets; if they are pairs,"
            " write the type fixed_size_list<integer>[2]",
            bound["edges"].name,
        )
    return (
        pa.concat_tables(scored) if scored else schema.empty_table(),
        pa.concat_tables(refused) if refused else REJECTED.empty_table(),
    )


def _blocks(table: pa.Table | pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a table into blocks of about so many rows and bytes, which share its memory."""
    batches = table.to_batches() if isinstance(table, pa.Table) else [table]
    for batch in batches:
        if not len(batch):
            continue
        rows = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES * len(batch) // max(1, batch.nbytes)))
        for at in range(0, len(batch), rows):
            yield batch.slice(at, rows)


def _read(block: pa.RecordBatch, bound: Mapping[str, Field], inputs: Mapping[str, int], at: int) -> Found:
    by = {
        key: decode(block.column(block.schema.get_field_index(field.name)), field, key) for key, field in bound.items()
    }
    rows = len(block)
    found = Found(by, inputs, at, rows, Faults(rows), Faults(rows))
    read(found)
    return found


def _score(engine: Engine, found: Found, width: int) -> Rows:
    """Score the rows that are graphs, and add to the faults of `found` those that have no scores."""
    graphs = graphs_of(found)
    batch = graphs.batch
    if batch.graphs:
        scores = engine.score(batch)
    else:
        empty = np.zeros((0, len(engine.model.outputs)), np.float32)
        scores = Scores(empty, level=engine.model.level)
    rows = Rows(graphs, scores, width)
    for graph, fault in rows.failed.items():
        found.faults.found[int(graphs.rows[graph])] = fault
    return rows


def _graph_ids(found: Found, name: str) -> pa.Array:
    if "graph_id" not in found.by:
        return made_ids(name, found.first_row, found.rows)
    column = found.by["graph_id"]
    null = column.null
    return ids_of(column, np.ones(found.rows, np.bool_) if null is None else ~null)

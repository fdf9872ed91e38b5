"""Rows that are no graphs: the code and the message of each, as the pipeline has them in quarantine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import graphscore
from tables.arrow_graphs import FURTHER, GOOD, TYPES, Row, X, table_of

NAN = float("nan")


def reason(scorer: graphscore.TableScorer, row: Row, types: dict[str, Any] | None = None) -> tuple[str, str]:
    """The fault of a row between two good ones."""
    good = {name: GOOD[name] for name in GOOD if name in (types or TYPES)}
    result = scorer.score(table_of([good, {**good, **row}, good], types))
    assert result.rejected["row"].to_pylist() == [1]
    assert result.scores.num_rows == 6
    return result.rejected["code"][0].as_py(), result.rejected["message"][0].as_py()


FAULTS: list[tuple[Row, str, str]] = [
    ({"node_feat": None}, "null_value", "node_feat is null"),
    ({"node_feat": [X[0], None, X[1]]}, "null_value", "node_feat holds a null"),
    ({"node_feat": [[1.0, 2.0]] * 3}, "feature_width", "its nodes have 2 features, the model wants 3"),
    ({"node_feat": [X[0], [1.0], X[1]]}, "feature_width", "its nodes have different numbers of features"),
    ({"node_feat": [X[0], [1.0, NAN, 1.0], X[1]]}, "non_finite_feature", "feature 1 of node 1 is NaN"),
    ({"node_feat": [X[0], [1.0, 1.0, 1e300], X[1]]}, "non_finite_feature", "feature 2 of node 1 is +Inf"),
    ({"edge_index": None}, "null_value", "edge_index is null"),
    ({"edge_index": [[0, None], [1, 1]]}, "null_value", "edge_index holds a null"),
    ({"edge_index": [[0, 1], [1]]}, "malformed_edges", "it has 2 sources and 1 targets"),
    ({"edge_index": [[0], [1], [2]]}, "malformed_edges", "edge_index has 3 lists, not 2 (sources and targets)"),
    ({"edge_index": [[0, 1, 2], [1, 3, 0]]}, "edge_out_of_range", "edge 1 goes from node 1 to node 3 of 3 nodes"),
    ({"edge_index": [[0, 1, -2], [1, 1, 0]]}, "edge_out_of_range", "edge 2 goes from node -2 to node 0 of 3 nodes"),
    ({"edge_weight": [1.0, 2.0]}, "malformed_edges", "it has 3 edges and 2 weights"),
    ({"edge_weight": [1.0, None, 2.0]}, "null_value", "edge_weight holds a null"),
    ({"edge_weight": [1.0, 1.0, -np.inf]}, "non_finite_weight", "the weight of edge 2 is -Inf"),
    ({"node_feat": [[3e38] * 3] * 3}, "non_finite_score", "output 0 of node 0 is "),
]


@pytest.mark.parametrize(("row", "code", "message"), FAULTS)
def test_faults(scorer: graphscore.TableScorer, row: Row, code: str, message: str) -> None:
    got = reason(scorer, row)
    assert got[0] == code
    assert got[1].startswith(message)


@pytest.mark.parametrize(
    ("column", "kind", "value", "fault"),
    [
        ("num_nodes", pa.int64(), 4, ("node_count", "num_nodes is 4, but there are features of 3 nodes")),
        ("num_nodes", pa.int8(), -1, ("node_count", "num_nodes is -1")),
        ("num_nodes", pa.float64(), 2.5, ("node_count", "num_nodes is 2.5, not a number of nodes")),
        ("num_nodes", pa.float64(), 1234567.5, ("node_count", "num_nodes is 1.2345675e+06, not a number of nodes")),
        ("num_nodes", pa.float64(), NAN, ("node_count", "num_nodes is NaN, not a number of nodes")),
        ("num_nodes", pa.uint64(), 2**64 - 1, ("node_count", f"num_nodes is {2**64 - 1}, not a number of nodes")),
        (
            "node_ids",
            pa.list_(pa.string()),
            ["a", "b"],
            (("node_count", "there are 2 node ids, but features of 3 nodes")),
        ),
        (
            "node_ids",
            pa.list_(pa.string()),
            ["a", "\n", "\n"],
            ("duplicate_node_id", 'node id "\\n" occurs more than once'),
        ),
        ("node_ids", pa.list_(pa.int16()), [7, 8, 7], ("duplicate_node_id", "node id 7 occurs more than once")),
        ("graph_id", pa.string(), None, ("null_value", "graph_id is null")),
    ],
)
def test_faults_of_counts_and_ids(
    scorer: graphscore.TableScorer, column: str, kind: pa.DataType, value: Any, fault: tuple[str, str]
) -> None:
    fine = {"num_nodes": 3, "graph_id": "g", "node_ids": [1, 2, 3] if kind == pa.list_(pa.int16()) else ["x", "y", "z"]}
    rows: list[Row] = [{**GOOD, column: fine[column]}, {**GOOD, column: value}]
    result = scorer.score(table_of(rows, TYPES | {column: kind}))
    assert result.rejected.to_pylist() == [{"row": 1, "code": fault[0], "message": fault[1]}]


WHOLE = "not a whole number from 0 to 4294967295"
KNOWN = "but the model knows the categories 0 to 4 there"
WHAT = "float32, as which features are scored, holds every integer from -16777216 to 16777216 only"
LISTS = pa.list_(pa.list_(pa.int64()))


@pytest.mark.parametrize(
    ("row", "types", "code", "message"),
    [
        ({"edge_attr": None}, {}, "null_value", "edge_attr is null"),
        ({"edge_attr": [[1.0, 2.0]] * 2}, {}, "malformed_edges", "it has 3 edges, but edge_attr has features of 2"),
        (
            {"edge_attr": [[1.0]] * 3},
            {},
            "edge_feature_width",
            "its edges have 1 features in edge_attr, the model wants 2",
        ),
        (
            {"edge_attr": [[1.0], [1.0, 2.0], []]},
            {},
            "edge_feature_width",
            "its edges have different numbers of features in edge_attr",
        ),
        (
            {"edge_attr": [[1.0, 2.0], [1.0, NAN], [0.0, 0.0]]},
            {},
            "non_finite_feature",
            "feature 1 of edge 1 is NaN in edge_attr",
        ),
        (
            {"edge_attr": [[0, 0], [0, 2**24 + 1], [0, 0]]},
            {"edge_attr": LISTS},
            "category_out_of_range",
            f"feature 1 of edge 1 is 16777217 in edge_attr: {WHAT}",
        ),
        (
            {"node_feat": [[0, 0, 0], [0, -(2**30), 0], [0, 0, 0]]},
            {"node_feat": LISTS},
            "category_out_of_range",
            f"feature 1 of node 1 is -1073741824 in node_feat: {WHAT}",
        ),
        ({"edge_type": [0, 1]}, {}, "malformed_edges", "it has 3 edges, but edge_type has types of 2"),
        ({"edge_type": [0, 1, -1]}, {}, "category_out_of_range", f"edge_type of edge 2 is -1, {WHOLE}"),
        (
            {"edge_type": [0, 1, NAN]},
            {"edge_type": pa.list_(pa.float32())},
            "non_finite_feature",
            f"edge_type of edge 2 is NaN, {WHOLE}",
        ),
        (
            {"edge_type": [0, 1, 2.0**32]},
            {"edge_type": pa.list_(pa.float64())},
            "category_out_of_range",
            f"edge_type of edge 2 is 4294967296, {WHOLE}",
        ),
        (
            {"edge_type": [0, 1.5, NAN]},
            {"edge_type": pa.list_(pa.float32())},
            "category_out_of_range",
            f"edge_type of edge 1 is 1.5, {WHOLE}",
        ),
        (
            {"edge_type": [0, 5, 1]},
            {},
            "category_out_of_range",
            f"edge_type of the edge from node 1 to node 2 is 5, {KNOWN}",
        ),
        ({"graph_attr": [1.0]}, {}, "graph_feature_width", "it has 1 features in graph_attr, the model wants 4"),
        ({"graph_attr": [1.0, 2.0, NAN, 4.0]}, {}, "non_finite_feature", "feature 2 of the graph is NaN in graph_attr"),
        (
            {"edge_type": [0, 1, -1], "graph_attr": [1.0]},
            {},
            "graph_feature_width",
            "it has 1 features in graph_attr, the model wants 4",
        ),
        (
            {"edge_attr": b"\0" * 12},
            {"edge_attr": pa.binary()},
            "edge_feature_width",
            "edge_attr has 12 bytes, which are not 2 float32 for each of 3 edges: are they float16?",
        ),
        (
            {"graph_attr": b"\0" * 32},
            {"graph_attr": pa.binary()},
            "graph_feature_width",
            "graph_attr has 32 bytes, which are not 4 float32: are they float64?",
        ),
    ],
)
def test_faults_of_further_columns(
    steps: dict[str, graphscore.TableScorer], row: Row, types: dict[str, Any], code: str, message: str
) -> None:
    good = dict(FURTHER)
    if "edge_attr" in types and types["edge_attr"] == pa.binary():
        good["edge_attr"] = np.ones(6, "<f4").tobytes()
    if "graph_attr" in types:
        good["graph_attr"] = np.ones(4, "<f4").tobytes()
    if "node_feat" in types or "edge_attr" in types:
        good = {k: ([[int(x) for x in r] for r in v] if types.get(k) == LISTS else v) for k, v in good.items()}
    result = steps["edge"].score(table_of([good, {**good, **row}], TYPES | types))
    assert result.rejected.to_pylist() == [{"row": 1, "code": code, "message": message}]
    assert result.scores.num_rows == 3


def test_blocks_do_not_change_anything(scorer: graphscore.TableScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of([{**GOOD, **row} for row, _, _ in FAULTS] + [GOOD] * 30)
    expected = scorer.score(table)
    for rows in (1, 7, 40):
        monkeypatch.setattr("graphscore._tables.scoring._BLOCK_ROWS", rows)
        result = scorer.score(table)
        assert result.scores.equals(expected.scores)
        assert result.rejected.equals(expected.rejected)

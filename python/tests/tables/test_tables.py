"""graphscore.load: tables in, scores and rejected rows out, as the pipeline writes them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import graphscore
from graphs import batch, random_graph, write_model
from tables.arrow_graphs import TYPES, Row, row_of, table_of, write_steps

NAN = float("nan")
X = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
EDGES = [[0, 1, 2], [1, 2, 0]]
GOOD: Row = {"node_feat": X, "edge_index": EDGES, "edge_weight": [1.0, 2.0, 3.0]}


@pytest.fixture(scope="module")
def scorer(model_folder: Path) -> graphscore.TableScorer:
    """gcn 3-8-1."""
    return graphscore.load(model_folder)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, graphscore.TableScorer]:
    """A model of each level that reads every column: x 3, edge_attr 2, edge_type 5, graph_attr 4."""
    folder = tmp_path_factory.mktemp("steps")
    return {level: graphscore.load(write_steps(folder / level, level)) for level in ("node", "edge", "graph")}


def scores_of(result: graphscore.TableScores, name: str = "score") -> bytes:
    return result.scores[name].combine_chunks().to_numpy().tobytes()  # type: ignore[no-any-return]


def reason(scorer: graphscore.TableScorer, row: Row, types: dict[str, Any] | None = None) -> tuple[str, str]:
    """The fault of a row between two good ones."""
    good = {name: GOOD[name] for name in GOOD if name in (types or TYPES)}
    result = scorer.score(table_of([good, {**good, **row}, good], types))
    assert result.rejected["row"].to_pylist() == [1]
    assert result.scores.num_rows == 6
    return result.rejected["code"][0].as_py(), result.rejected["message"][0].as_py()


def test_scores_are_those_of_the_engine(scorer: graphscore.TableScorer, engine: graphscore.Engine) -> None:
    random = np.random.default_rng(3)
    graphs = [random_graph(random, nodes=int(n), edges=40, weighted=True) for n in random.integers(0, 30, 50)]
    expected = engine.score(batch(graphs)).values
    result = scorer.score(table_of([row_of(graph) for graph in graphs]))
    assert result.rejected.num_rows == 0
    assert scores_of(result) == expected[:, 0].tobytes()
    assert result.scores.column_names == ["graph_id", "node_id", "score"]
    assert [str(field.type) for field in result.scores.schema] == ["string", "int64", "float"]
    assert not any(field.nullable for field in result.scores.schema)
    assert result.scores["node_id"].to_pylist() == [node for graph in graphs for node in range(graph.nodes)]
    assert result.scores["graph_id"].to_pylist() == [
        f"#{i}" for i, graph in enumerate(graphs) for _ in range(graph.nodes)
    ]


@pytest.mark.parametrize("level", ["node", "edge", "graph"])
def test_levels(steps: dict[str, graphscore.TableScorer], level: str) -> None:
    random = np.random.default_rng(5)
    rows, ids = [], []
    for number, nodes in enumerate([4, 0, 7, 1, 12]):
        row = row_of(random_graph(random, nodes=nodes, edges=20 if nodes > 1 else 0, weighted=True))
        count = len(row["edge_index"][0])
        row |= {
            "edge_attr": random.standard_normal((count, 2)).astype(np.float32).tolist(),
            "edge_type": random.integers(0, 5, count).tolist(),
            "graph_attr": random.standard_normal(4).astype(np.float32).tolist(),
            "graph_id": 10 + number,
            "node_ids": [f"n{i}" for i in range(nodes)],
        }
        rows.append(row)
        ids.append([f"n{i}" for i in range(nodes)])
    result = steps[level].score(table_of(rows))
    assert result.rejected.num_rows == 0
    alone = [steps[level].score(table_of([row])) for row in rows]
    assert result.scores.equals(pa.concat_tables([one.scores for one in alone]).combine_chunks())
    names = list(zip(*(result.scores[name].to_pylist() for name in result.scores.column_names[:-2]), strict=True))
    expected: list[tuple[Any, ...]] = []
    for number, (row, own) in enumerate(zip(rows, ids, strict=True)):
        ends = zip(*row["edge_index"], strict=True)
        own_rows: dict[str, list[tuple[Any, ...]]] = {
            "node": [(10 + number, node) for node in own],
            "edge": [(10 + number, own[s], own[t]) for s, t in ends],
            "graph": [(10 + number,)] if own else [],
        }
        expected += own_rows[level]
    assert names == expected


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


FURTHER: Row = {
    "node_feat": X,
    "edge_index": EDGES,
    "edge_attr": [[1.0, 2.0]] * 3,
    "edge_type": [0, 4, 2],
    "graph_attr": [1.0, 2.0, 3.0, 4.0],
}
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


def forms() -> dict[str, pa.Table]:
    """One table in many types."""
    table = table_of([GOOD, {**GOOD, "node_feat": X[:2], "edge_index": [[0], [1]], "edge_weight": [0.5]}, GOOD])
    numbers = table.set_column(0, "node_feat", table["node_feat"].cast(pa.large_list(pa.large_list(pa.float16()))))
    views = pa.table(
        {
            "node_feat": pa.chunked_array(
                [pa.array(table["node_feat"].to_pylist(), pa.list_view(pa.list_view(pa.float32())))]
            ),
            "edge_index": pa.chunked_array(
                [pa.array(table["edge_index"].to_pylist(), pa.large_list_view(pa.large_list(pa.int8())))]
            ),
            "edge_weight": table["edge_weight"],
        }
    )
    stored = pa.array([np.array(rows, "<f4").tobytes() for rows in table["node_feat"].to_pylist()], pa.binary())
    counted = table.set_column(0, "node_feat", stored).append_column("num_nodes", pa.array([3.0, 2.0, 3.0]))
    ends = pa.table(
        {
            "node_feat": table["node_feat"],
            "source": pa.array([edges[0] for edges in table["edge_index"].to_pylist()], pa.large_list(pa.uint64())),
            "target": pa.array([edges[1] for edges in table["edge_index"].to_pylist()], pa.list_(pa.int16())),
            "edge_weight": pa.array([[[w] for w in row] for row in table["edge_weight"].to_pylist()]),
        }
    )
    pairs = [[list(pair) for pair in zip(*edges, strict=True)] for edges in table["edge_index"].to_pylist()]
    places = pa.array([0, 1, 0], pa.int8())
    coded = pa.DictionaryArray.from_arrays(places, table["edge_index"].combine_chunks().slice(0, 2))
    return {
        "plain": table,
        "half floats in large lists": numbers,
        "views": views,
        "bytes": counted,
        "views of bytes": counted.set_column(0, "node_feat", stored.cast(pa.binary_view())),
        "source and target": ends,
        "pairs by their type": table.set_column(1, "edge_index", pa.array(pairs, pa.list_(pa.list_(pa.int64(), 2)))),
        "two lists by their type": table.set_column(
            1, "edge_index", table["edge_index"].cast(pa.list_(TYPES["source"], 2))
        ),
        "rows of a fixed size": table.set_column(
            0, "node_feat", table["node_feat"].cast(pa.list_(pa.list_(pa.float64(), 3)))
        ),
        "a dictionary": table.set_column(1, "edge_index", coded),
        "a slice": pa.concat_tables([table.slice(1, 1), table, table.slice(0, 2)]).combine_chunks().slice(1, 3),
        "chunks": pa.concat_tables([table.slice(0, 1), table.slice(1, 2)]),
        "decimals": table.set_column(
            1, "edge_index", table["edge_index"].cast(pa.list_(pa.list_(pa.decimal128(20, 0))))
        ),
    }


@pytest.mark.parametrize("form", sorted(forms()))
def test_forms_of_columns(scorer: graphscore.TableScorer, form: str) -> None:
    tables = forms()
    expected, got = scorer.score(tables["plain"]), scorer.score(tables[form])
    assert got.rejected.num_rows == 0
    assert got.scores.equals(expected.scores)
    pieces = [scorer.score(piece, first_row=at) for at, piece in enumerate(tables[form].to_batches(max_chunksize=1))]
    assert pa.concat_tables([piece.scores for piece in pieces]).equals(expected.scores)


@pytest.mark.parametrize(
    ("kind", "ids", "expected"),
    [
        (pa.string(), ["a", "b"], ["a", "b"]),
        (pa.string_view(), ["a", "b"], ["a", "b"]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "a"], ["a", "a"]),
        (pa.binary(), [b"a", b"\xffb"], ["a", "\\xffb"]),
        (pa.uint64(), [1, 2**64 - 1], ["1", str(2**64 - 1)]),
        (pa.int8(), [1, -2], [1, -2]),
        (pa.binary(3), [b"abc", b"xyz"], ["abc", "xyz"]),
        (
            pa.uuid(),
            [b"\0" * 15 + b"\1", b"\xab" * 16],
            ["00000000-0000-0000-0000-000000000001", "abababab-abab-abab-abab-abababababab"],
        ),
    ],
)
def test_ids(scorer: graphscore.TableScorer, kind: pa.DataType, ids: list[Any], expected: list[Any]) -> None:
    if kind == pa.uuid():
        column = pa.ExtensionArray.from_storage(kind, pa.array(ids, pa.binary(16)))
    else:
        column = pa.array(ids, kind)
    one = {"node_feat": X[:1], "edge_index": [[], []], "edge_weight": []}
    result = scorer.score(table_of([one, one]).append_column("graph_id", column))
    assert result.scores["graph_id"].to_pylist() == expected


def test_columns_are_mapped_and_turned_off(scorer: graphscore.TableScorer) -> None:
    table = table_of([GOOD]).rename_columns(["h", "none", "edge_weight"])
    result = scorer.score(table, {"features": "h", "edges": "\\none", "weights": "none"}, name="a.parquet", first_row=7)
    unweighted = scorer.score(table_of([GOOD]).drop_columns(["edge_weight"]))
    assert scores_of(result) == scores_of(unweighted) != scores_of(scorer.score(table_of([GOOD])))
    assert result.scores["graph_id"].to_pylist() == ["a.parquet#7"] * 3


@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        (
            lambda t: t.drop_columns(["node_feat"]),
            {},
            "there is no column node_feat or x for features, it has edge_index",
        ),
        (
            lambda t: t.drop_columns(["edge_index"]),
            {},
            "there is no column edge_index (nor source and target) for edges",
        ),
        (
            lambda t: t,
            {"features": "h"},
            'there is no column "h" for features, it has node_feat, edge_index, edge_weight',
        ),
        (lambda t: t, {"nodes": "h"}, "columns has the key 'nodes'; use graph_id, features, edges"),
        (lambda t: t, {"edges": "none"}, "edges cannot be none, as every graph needs it"),
        (lambda t: t, {"edges": ""}, "columns['edges'] is empty; give the name of a column"),
        (lambda t: t.append_column("node_feat", t["edge_weight"]), {}, 'there are two columns "node_feat"; rename one'),
        (
            lambda t: t,
            {"edges": "node_feat"},
            'column "node_feat" for edges has type list<list<double>>, not list<list<integer>>',
        ),
        (
            lambda t: t.set_column(0, "x", pa.array([b"", b""])),
            {},
            "no column num_nodes or node_ids says of how many nodes",
        ),
        (
            lambda t: t.set_column(1, "edge_index", pa.array([[[0, 1]] * 3] * 2)),
            {},
            "column edge_index has edges as pairs (row 0 has 3",
        ),
    ],
)
def test_tables_that_cannot_be_scored(
    scorer: graphscore.TableScorer, change: Any, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(graphscore.TableError) as caught:
        scorer.score(change(table_of([GOOD, GOOD])), columns)
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_column_that_only_this_model_needs(steps: dict[str, graphscore.TableScorer]) -> None:
    with pytest.raises(graphscore.TableError, match="there is no column edge_attr for edge_attr, it has node_feat"):
        steps["node"].score(table_of([GOOD]))
    with pytest.raises(graphscore.TableError, match="edge_type is none, and the model reads it"):
        steps["node"].score(table_of([FURTHER]), {"edge_type": "none"})


def test_other_objects(scorer: graphscore.TableScorer) -> None:
    with pytest.raises(TypeError, match=r"table is a list; give a pyarrow\.Table"):
        scorer.score([GOOD])


def test_nothing_to_score(scorer: graphscore.TableScorer) -> None:
    empty = scorer.score(table_of([]))
    assert (empty.scores.num_rows, empty.rejected.num_rows) == (0, 0)
    rejected = scorer.score(table_of([{**GOOD, "edge_index": None}]))
    assert rejected.scores.schema.equals(empty.scores.schema)
    assert (rejected.scores.num_rows, rejected.rejected.num_rows) == (0, 1)


def test_embeddings(tmp_path: Path, steps: dict[str, graphscore.TableScorer]) -> None:
    table = table_of([FURTHER, {**FURTHER, "edge_type": [9, 9, 9]}, FURTHER])
    for step, width, rows in (("h", 3, 6), ("c", 9, 6), ("ea", 4, 6), ("p", 9, 2), ("out", 2, 2)):
        folder = write_steps(tmp_path / step, "graph")
        result = graphscore.load(folder, embed=step).score(table)
        assert result.scores.schema.field("embedding").type == pa.list_(pa.float32(), width)
        assert result.scores.num_rows == rows
        assert result.rejected["code"].to_pylist() == ["category_out_of_range"]
        ids = {"h": ["graph_id", "node_id"], "c": ["graph_id", "node_id"], "ea": ["graph_id", "source", "target"]}
        assert result.scores.column_names == [*ids.get(step, ["graph_id"]), "embedding"]
    scores = steps["graph"].score(table).scores
    assert result.scores["embedding"].to_pylist() == [
        list(row) for row in zip(scores["a"].to_pylist(), scores["b"].to_pylist(), strict=True)
    ]


def test_embeddings_that_are_none(tmp_path: Path, model_folder: Path) -> None:
    folder = write_steps(tmp_path, "graph")
    with pytest.raises(graphscore.ModelError, match="has no step 'pool'; its steps are t, ea, h"):
        graphscore.load(folder, embed="pool")
    with pytest.raises(graphscore.ModelError, match="layers of graphscore/1 have no names"):
        graphscore.load(model_folder, embed="h")


def test_without_pyarrow(model_folder: Path) -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import graphscore\n"
        "try: graphscore.load(sys.argv[1])\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(model_folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "graphscore.load needs pyarrow: pip install 'graphscore[arrow]'\n"


def test_threads_and_pickles(scorer: graphscore.TableScorer) -> None:
    table = table_of([GOOD, {**GOOD, "edge_index": None}] * 20)
    expected = scorer.score(table)
    other: graphscore.TableScorer = pickle.loads(pickle.dumps(scorer))
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(other.score, [table] * 12):
            assert result.scores.equals(expected.scores)
            assert result.rejected.equals(expected.rejected)


def test_blocks_do_not_change_anything(scorer: graphscore.TableScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of([{**GOOD, **row} for row, _, _ in FAULTS] + [GOOD] * 30)
    expected = scorer.score(table)
    for rows in (1, 7, 40):
        monkeypatch.setattr("graphscore._tables.scoring._BLOCK_ROWS", rows)
        result = scorer.score(table)
        assert result.scores.equals(expected.scores)
        assert result.rejected.equals(expected.rejected)


def test_long_ids_are_cut_into_chunks(scorer: graphscore.TableScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphscore._tables.ids._PIECE_BYTES", 10)
    table = table_of([GOOD, GOOD]).append_column("graph_id", pa.array(["four", "fifty"]))
    assert scorer.score(table).scores["graph_id"].to_pylist() == ["four"] * 3 + ["fifty"] * 3


def test_bytes_that_look_like_a_file(scorer: graphscore.TableScorer) -> None:
    for head, what in (
        (b"\x93NUMPY", "a .npy file"),
        (b"PK\x03\x04", "a zip archive"),
        (b"[" + b" " * 22 + b"]", "text"),
    ):
        column = pa.array([np.ones(6, "<f4").tobytes(), head + b"\n" * (24 - len(head))])
        table = table_of([GOOD, GOOD]).set_column(0, "node_feat", column).append_column("num_nodes", pa.array([2, 2]))
        with pytest.raises(graphscore.TableError, match=f"node_feat has {what}.* in row 1, not float32 alone"):
            scorer.score(table)


def test_record_batch_iterators(model_folder: Path) -> None:
    """As Spark's mapInArrow calls it."""

    def scored(batches: Any) -> Any:
        scorer = graphscore.load(model_folder)
        for piece in batches:
            yield from scorer.score(piece).scores.to_batches()

    table = table_of([GOOD] * 10).append_column("graph_id", pa.array(range(10)))
    pieces = list(scored(iter(table.to_batches(max_chunksize=3))))
    assert all(isinstance(piece, pa.RecordBatch) for piece in pieces)
    assert pa.Table.from_batches(pieces).equals(graphscore.load(model_folder).score(table).scores)


def test_models_of_several_files_have_no_embeddings(tmp_path: Path) -> None:
    folder = write_steps(tmp_path / "two", "node", files=2)
    assert graphscore.load(folder).score(table_of([FURTHER])).scores.num_rows == 3
    with pytest.raises(graphscore.ModelError, match="has 2 files of weights"):
        graphscore.load(folder, embed="h")


def test_threads_of_blas_change_nothing(tmp_path: Path) -> None:
    """More of them would change the last bits: there is one during a call, whatever the process has."""
    folder = write_model(tmp_path / "model")
    script = (
        "import sys, hashlib, numpy as np, pyarrow as pa, graphscore\n"
        "x = np.random.default_rng(1).standard_normal((20000, 3), np.float32)\n"
        "x = pa.FixedSizeListArray.from_arrays(x.reshape(-1), 3)\n"
        "x = pa.ListArray.from_arrays(pa.array(range(0, 20001, 400), pa.int32()), x)\n"
        "edges = pa.array([[list(range(399)), list(range(1, 400))]] * 50)\n"
        "result = graphscore.load(sys.argv[1]).score(pa.table({'x': x, 'edge_index': edges}))\n"
        "print(hashlib.sha256(result.scores['score'].combine_chunks().to_numpy().tobytes()).hexdigest())\n"
    )
    said = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", script, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        said.add(done.stdout)
    assert len(said) == 1

"""graphscore.load: tables in, scores and rejected rows out, as the pipeline writes them."""

from __future__ import annotations

import decimal
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
from tables.arrow_graphs import FURTHER, GOOD, TYPES, X, row_of, table_of, write_steps


def scores_of(result: graphscore.TableScores, name: str = "score") -> bytes:
    return result.scores[name].combine_chunks().to_numpy().tobytes()  # type: ignore[no-any-return]


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
    small = [[[decimal.Decimal(v) for v in ends] for ends in edges] for edges in table["edge_index"].to_pylist()]
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
        "decimals of 32 bits": table.set_column(
            1, "edge_index", pa.array(small, pa.list_(pa.list_(pa.decimal32(9, 0))))
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


def test_weights_that_the_model_needs(scorer: graphscore.TableScorer, steps: dict[str, graphscore.TableScorer]) -> None:
    weighed = table_of([FURTHER, FURTHER])
    bare = weighed.drop_columns(["edge_weight"])
    with pytest.raises(graphscore.TableError) as caught:
        steps["node"].score(bare)
    assert str(caught.value) == (
        f"there is no column edge_weight for weights, it has {', '.join(bare.column_names)};"
        " `columns` maps other names, and {'weights': 'none'} in it makes every weight 1"
    )
    with pytest.raises(graphscore.TableError, match='there is no column "w" for weights'):
        steps["node"].score(weighed, {"weights": "w"})
    model, off = steps["node"], {"weights": "none"}
    ones = scores_of(model.score(table_of([{**FURTHER, "edge_weight": [1.0] * 3}] * 2)), "a")
    assert scores_of(model.score(bare, off), "a") == scores_of(model.score(weighed, off), "a") == ones
    renamed = weighed.rename_columns(["w" if name == "edge_weight" else name for name in weighed.column_names])
    scored = scores_of(model.score(weighed), "a")
    assert scores_of(model.score(renamed, {"weights": "w"}), "a") == scored != ones
    assert scorer.score(table_of([GOOD]).drop_columns(["edge_weight"])).rejected.num_rows == 0  # graphscore/1


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


def test_floats_that_are_letters(scorer: graphscore.TableScorer) -> None:
    """The bytes of 0.7 are the text "333?". Texts of words of four bytes have no such values."""
    features = np.full((4, 3), 0.7, "<f4")
    features[1, 1] = 2.8
    lists, stored = pa.array([features.tolist()], TYPES["node_feat"]), pa.array([features.tobytes()])
    assert stored[0].as_py().isascii()
    edges = table_of([GOOD]).set_column(0, "num_nodes", pa.array([4]))
    scores = [scorer.score(edges.append_column("node_feat", column)) for column in (lists, stored)]
    assert scores[0].scores.num_rows == 4
    assert scores[1].scores.equals(scores[0].scores)
    for text in (b"AAAA", b"1.0\n", b"0.0,", b"0,1,", b"0 1 "):
        with pytest.raises(graphscore.TableError, match="node_feat has text"):
            scorer.score(edges.append_column("node_feat", pa.array([text * features.size])))


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

"""Make the data of the citations example from the files of Cora that Kipf and Welling published.

The files are `gcn/data/ind.cora.*` of https://github.com/tkipf/gcn; the folder that has them is the one argument:

    make_data.py planetoid

Cora becomes one row of a Parquet file in the ``rows`` layout:

==============  ===================  =========================================================
column          type                 meaning
==============  ===================  =========================================================
``graph_id``    string               ``cora``
``node_feat``   list<list<float>>    ``[papers x 1,433]``, the words of a paper; a row adds up to 1
``edge_index``  list<list<int64>>    ``[2 x edges]``; every citation is two edges, one each way
``num_nodes``   int64                papers
``topic``       list<string>         ``[papers]``, one of ``TOPICS``: what the model learns
``split``       list<string>         ``[papers]``: ``train``, ``validation``, ``test``, or ``none``
==============  ===================  =========================================================

The first four are what graphscore reads. Papers are in the order of Planetoid's numbers, edges by source, then target.

The files are pickles of Python 2, and a pickle can run any code: they are checked by their sha256, and read by an
unpickler that makes nothing but arrays, sparse matrices and a dictionary of lists.

The same version of pyarrow writes the same bytes; ``--check`` shows it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

SHA256: Final = {
    "ind.cora.allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
    "ind.cora.ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
    "ind.cora.graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
    "ind.cora.test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
    "ind.cora.tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
    "ind.cora.ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
}
TOPICS: Final = (
    "theory",
    "reinforcement_learning",
    "genetic_algorithms",
    "neural_networks",
    "probabilistic_methods",
    "case_based",
    "rule_learning",
)
"""Columns of the labels. The files have no names; no two topics of Cora have as many papers."""
TOPIC_SIZES: Final = (351, 217, 418, 818, 426, 298, 180)
TRAIN, VALIDATION = 140, 500
"""Papers of the standard split, from paper 0 on; those of test are in `ind.cora.test.index`."""

ALLOWED: Final = {
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
    ("scipy.sparse.csr", "csr_matrix"): ("scipy.sparse", "csr_matrix"),
    ("collections", "defaultdict"): ("collections", "defaultdict"),
    ("__builtin__", "list"): ("builtins", "list"),
}
"""What a pickle may name, and where it is today."""

SCHEMA: Final = pa.schema(
    [
        ("graph_id", pa.string()),
        ("node_feat", pa.list_(pa.list_(pa.float32()))),
        ("edge_index", pa.list_(pa.list_(pa.int64()))),
        ("num_nodes", pa.int64()),
        ("topic", pa.list_(pa.string())),
        ("split", pa.list_(pa.string())),
    ]
)

REPOSITORY: Final = Path(__file__).resolve().parents[3]
DEFAULT_OUT: Final = REPOSITORY / "jobs" / "examples" / "citations" / "data" / "cora.parquet"


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of Python 2 that have arrays, sparse matrices and dictionaries of lists, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, of `ALLOWED`.

        Raises:
            pickle.UnpicklingError: for anything else.
        """
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not read from a pickle")
        return super().find_class(*ALLOWED[module, name])


def read_file(folder: Path, name: str) -> bytes:
    """Return a file of the published ones.

    Raises:
        ValueError: when it is another file.
    """
    content = (folder / name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise ValueError(f"{folder / name} has sha256 {found}, expected {SHA256[name]}: it is another file")
    return content


def read_pickle(folder: Path, name: str) -> Any:
    """Return what one of the pickles holds."""
    return ArrayUnpickler(io.BytesIO(read_file(folder, name)), encoding="latin1").load()


def dense(matrix: sp.csr_matrix) -> np.ndarray:
    """Return an unpickled matrix of an older SciPy as an array."""
    rows, columns = matrix._shape  # noqa: SLF001 - SciPy 0.x pickled no other name for it
    return sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr), (rows, columns)).toarray()


def in_order(known: np.ndarray, tested: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the rows of all papers: the known ones, then those of test, each at its number."""
    rows = np.concatenate([known, tested])
    rows[test] = tested
    return rows


def undirected(neighbours: dict[int, list[int]]) -> np.ndarray:
    """Return ``[2 x edges]``: each pair of neighbours once in each direction, ascending."""
    pairs = {(a, b) for a, others in neighbours.items() for b in others}
    return np.array(sorted(pairs | {(b, a) for a, b in pairs})).T


def normalised(words: np.ndarray) -> np.ndarray:
    """Return rows that add up to 1; a row without words stays zero."""
    return (words / np.maximum(words.sum(1, keepdims=True), 1)).astype(np.float32)


def split_names(papers: int, test: np.ndarray) -> np.ndarray:
    """Return the side of each paper in the standard split."""
    names = np.full(papers, "none", object)
    names[:TRAIN] = "train"
    names[TRAIN : TRAIN + VALIDATION] = "validation"
    names[test] = "test"
    return names


def build_table(folder: Path) -> pa.Table:
    """Return Cora as a table of one row.

    Raises:
        ValueError: when a file is not the published one.
    """
    test = np.array(read_file(folder, "ind.cora.test.index").split(), np.int64)
    words = in_order(dense(read_pickle(folder, "ind.cora.allx")), dense(read_pickle(folder, "ind.cora.tx")), test)
    labels = in_order(read_pickle(folder, "ind.cora.ally"), read_pickle(folder, "ind.cora.ty"), test)
    sizes = tuple(labels.sum(0).tolist())
    if sizes != TOPIC_SIZES:
        raise ValueError(f"{folder}: topics have {sizes} papers, expected {TOPIC_SIZES}")
    values = {
        "graph_id": "cora",
        "node_feat": list(normalised(words)),
        "edge_index": list(undirected(read_pickle(folder, "ind.cora.graph"))),
        "num_nodes": len(words),
        "topic": np.array(TOPICS, object)[labels.argmax(1)],
        "split": split_names(len(words), test),
    }
    return pa.Table.from_arrays([pa.array([values[f.name]], f.type) for f in SCHEMA], schema=SCHEMA)


def encoded(table: pa.Table) -> bytes:
    """Return the Parquet file of a table."""
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd", compression_level=19)
    return out.getvalue().to_pybytes()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with ``--check`` compare it; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the data of the citations example.")
    parser.add_argument("planetoid", type=Path, help="the folder with the files ind.cora.*")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="the Parquet file")
    parser.add_argument("--check", action="store_true", help="compare with --out, write nothing")
    options = parser.parse_args(arguments)

    table = build_table(options.planetoid)
    content = encoded(table)
    if options.check:
        if options.out.read_bytes() == content:
            print(f"{options.out}: the same bytes")
            return 0
        same_rows = pq.read_table(options.out).equals(table)
        print(f"{options.out}: other {'bytes, same rows' if same_rows else 'rows'}")
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(content)
    edges = len(table["edge_index"][0][0])
    print(f"{options.out}: {table['num_nodes'][0]} papers, {edges} edges, {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

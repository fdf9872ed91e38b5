"""Arithmetic on rows: the same bits as numpy's broadcasting and SciPy's own products."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from graphscore._arrays import Floats
from graphscore._graphs import Adjacency, Graphs, targets
from graphscore._rows import Row, scale

SHAPES = [(0, 3), (1, 1), (7, 5), (8192, 1), (8193, 1), (511, 16), (513, 16), (40, 300), (3, 9000), (20_000, 2)]
SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 3e38], np.float32)


def rows_of(nodes: int, columns: int) -> Floats:
    random = np.random.default_rng(nodes + columns)
    rows = random.standard_normal((nodes, columns), np.float32)
    odd = random.random(rows.shape) < 0.1
    rows[odd] = random.choice(SPECIAL, int(odd.sum()))
    return rows


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", [np.add, np.maximum])
def test_row(shape: tuple[int, int], function: np.ufunc) -> None:
    rows, row = rows_of(*shape), rows_of(1, shape[1])[0]
    with np.errstate(all="ignore"):
        wanted = function(rows, row)
        Row(row).apply(function, rows)
    assert rows.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_scale(shape: tuple[int, int]) -> None:
    rows, factors = rows_of(*shape), rows_of(shape[0], 1)[:, 0].copy()
    with np.errstate(all="ignore"):
        wanted = rows * factors[:, None]
        scale(rows, factors)
    nan = np.isnan(wanted)  # which NaN it is depends on the order of the factors
    assert (np.isnan(rows) == nan).all()
    assert rows[~nan].tobytes() == wanted[~nan].tobytes()


def test_rows_that_are_not_row_major_are_not_passed_over() -> None:
    rows = np.ones((20_000, 4), np.float32)[:, :2]
    with pytest.raises(ValueError, match="copy"):
        scale(rows, np.ones(20_000, np.float32))
    with pytest.raises(ValueError, match="copy"):
        Row(np.ones(2, np.float32)).apply(np.add, rows)


@pytest.mark.parametrize("columns", [1, 2, 16, 33])
def test_adjacency(columns: int) -> None:
    random = np.random.default_rng(columns)
    degrees = random.integers(0, 5, 300)
    indptr = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int32)
    sources = random.integers(0, 300, indptr[-1]).astype(np.int32)
    weights = random.standard_normal(len(sources), np.float32)
    rows = random.standard_normal((300, columns), np.float32)
    wanted = csr_array((weights, sources, indptr), shape=(300, 300)) @ rows
    assert (Adjacency(weights, sources, indptr) @ rows).tobytes() == wanted.tobytes()
    graphs = Graphs(np.array([0, 300], np.int32), indptr, sources)
    assert targets(graphs).tolist() == np.repeat(np.arange(300), degrees).tolist()


def test_the_rest_of_scipy_is_not_imported_and_still_works() -> None:
    code = """
import sys
import graphscore._engines.scipy_engine, graphscore._serving.server
assert not {"scipy.sparse", "numpy.f2py"} & set(sys.modules)
import numpy, scipy.sparse
print(scipy.sparse.eye_array(3) @ numpy.arange(3), scipy.sparse.csr_array(numpy.eye(3)) @ numpy.arange(3))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[0. 1. 2.] [0. 1. 2.]\n"), done.stderr

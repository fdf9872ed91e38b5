"""The limit: how fast a model scores graphs that lie in memory, with nothing read, sent or written.

Run as a script, once a core: ``limit.py engine|plain IN WIDTHS MODEL SHARE OF``. It takes every file k with
k % OF == SHARE, says "ready", waits for a line, scores again and again for a second, and prints the seconds of one
pass. "engine" is graphscore's own, "plain" what SciPy and BLAS do from the same columns without its promises
(whole-width products, no tiles): the limit is the faster of the two.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from rival import batches, files, unpack, weights

import graphscore
from graphscore import _malloc

AT_LEAST_SECONDS = 1
GRAPHS = 700  # about a request of 1 MiB, of molecules


def load(source: Path, width: int, share: int, of: int, graphs: int = GRAPHS) -> list[graphscore.GraphBatch]:
    """Columns as they come over the wire, edges grouped by target, so many graphs a batch."""
    loaded = []
    for f in files(source)[share::of]:
        for b in batches(f, graphs):
            nptr, x, src, dst = unpack(b, width)
            order = np.argsort(dst, kind="stable")
            loaded.append(
                graphscore.GraphBatch(
                    node_counts=np.diff(nptr).astype(np.uint32),
                    features=np.array(x),
                    in_degrees=np.bincount(dst, minlength=len(x)).astype(np.uint32),
                    sources=src[order].astype(np.uint32),
                )
            )
    return loaded


def plain(widths: Sequence[int]) -> Callable[[graphscore.GraphBatch], np.ndarray]:
    """A forward pass as `rivals/inproc2.py` has it, from CSR with D^-1/2 folded into row scalings."""
    layers = weights(widths)

    def score(batch: graphscore.GraphBatch) -> np.ndarray:
        n = batch.nodes
        indptr = np.zeros(n + 1, np.int32)
        np.cumsum(batch.in_degrees, out=indptr[1:])
        scale = (1 / np.sqrt(np.diff(indptr) + 1)).astype(np.float32)[:, None]
        ones = np.ones(batch.edges, np.float32)
        a = sp.csr_matrix((ones, batch.sources.astype(np.int32), indptr), shape=(n, n), copy=False)
        h = batch.features
        for i, (w, b) in enumerate(layers):
            if w.shape[1] <= w.shape[0]:
                h = scale * (h @ w)
                h = scale * (a @ h + h) + b
            else:
                g = scale * h
                h = (scale * (a @ g + g)) @ w + b
            if i + 1 < len(layers):
                h = np.maximum(h, 0)
        return np.asarray(h)

    return score


def engine(model: Path) -> Callable[[graphscore.GraphBatch], np.ndarray]:
    """Graphscore's engine, as the workers run it."""
    scorer = graphscore.Engine(graphscore.load_model(model))
    return lambda batch: scorer.score(batch).values


def main(kind: str, source: str, shape: str, model: str, *share: str) -> None:
    """Load, wait, score, print."""
    _malloc.keep_freed_memory()  # as the workers do
    widths = [int(width) for width in shape.split(",")]
    loaded = load(Path(source), widths[0], *map(int, share))
    score = engine(Path(model)) if kind == "engine" else plain(widths)
    score(loaded[0])
    print("ready", flush=True)
    sys.stdin.readline()
    passes, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < AT_LEAST_SECONDS:
        for batch in loaded:
            score(batch)
        passes += 1
    print((time.perf_counter() - begun) / passes, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The dense products of a model folder, alone: ``chemprop_products.py MODEL... GRAPHS ATOMS EDGES``.

ATOMS and EDGES are those of all GRAPHS molecules. Every `linear` and `edge_linear` step of every member is one product
of random rows for CHUNK molecules at once, whole and into an array that is there, with one thread; nothing else is
computed. Prints one line of JSON: the seconds that all molecules take, and the operations of one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

import graphscore
from graphscore._network import Network

CHUNK: Final = 128


def shapes(network: Network, features: int, rows: dict[str, int]) -> Iterator[tuple[int, int, int]]:
    """Yield rows, inner and outer width of each product; what depends on an atom alone is computed once an atom."""
    for placed in network.steps:
        if placed.op not in {"linear", "edge_linear"}:
            continue
        outer, inner = placed.tensors[0].shape
        if placed.op == "edge_linear":
            yield rows["node"], features, outer
            yield rows["edge"], inner - features, outer
        else:
            yield rows[placed.step.kind], inner, outer


def main(folders: Sequence[str], graphs: int, atoms: int, edges: int) -> None:
    """Multiply, and print how long it took."""
    random = np.random.default_rng(0)
    rows = {"graph": CHUNK, "node": round(CHUNK * atoms / graphs), "edge": round(CHUNK * edges / graphs)}
    products = []
    for folder in folders:
        model = graphscore.load_model(Path(folder))
        for network in model.members:
            for count, inner, outer in shapes(network, model.inputs["x"], rows):
                left, right = (random.standard_normal(s, np.float32) for s in ((count, inner), (inner, outer)))
                products.append((left, right, np.empty((count, outer), np.float32)))

    def multiply() -> None:
        for left, right, out in products:
            np.matmul(left, right, out=out)

    multiply()
    chunks = max(1, round(graphs / CHUNK))
    begun = time.perf_counter()
    for _ in range(chunks):
        multiply()
    seconds = (time.perf_counter() - begun) * graphs / (chunks * CHUNK)
    operations = sum(2 * len(left) * left.shape[1] * right.shape[1] for left, right, _ in products) / CHUNK
    print(json.dumps({"seconds": seconds, "operations": operations}))


if __name__ == "__main__":
    *folders, graphs, atoms, edges = sys.argv[1:]
    if not folders:
        sys.exit(__doc__)
    main(folders, int(graphs), int(atoms), int(edges))

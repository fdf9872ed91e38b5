"""The checkpoints of make_chemprop_vectors.py, and the molecules that chemprop predicted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

import graphscore
from graphs import Array

VECTORS: Final = Path(__file__).parent / "data" / "chemprop_vectors.zip"

with zipfile.ZipFile(VECTORS) as _archive:
    FILES: Final = {name: _archive.read(name) for name in _archive.namelist()}

CHECKPOINTS: Final = {Path(name).stem: name for name in FILES if not name.endswith(".npy") and "/" not in name}
"""The name of each case, and of its file."""

WIDTH: Final = 72


def array(name: str) -> Array:
    return np.asarray(np.load(io.BytesIO(FILES[f"{name}.npy"])))


def checkpoint(folder: Path, case: str) -> Path:
    """Write the checkpoint of a case."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHECKPOINTS[case]).write_bytes(FILES[CHECKPOINTS[case]])
    return folder / CHECKPOINTS[case]


def molecules(inputs: Any, graphs: slice = slice(None), *, backwards: bool = False) -> graphscore.GraphBatch:
    """Return the molecules with the columns that a model reads; backwards: edges in the reverse order."""
    counts = array("graphs/counts")
    owner = np.repeat(np.arange(len(counts)), counts)
    wanted = np.arange(len(counts))[graphs]
    nodes = np.isin(owner, wanted)
    source, target = array("graphs/edge_index")
    edges = np.flatnonzero(nodes[source])
    number = np.cumsum(nodes) - 1
    order = edges[np.argsort(target[edges], kind="stable")]
    if backwards:
        order = edges[::-1][np.argsort(target[edges][::-1], kind="stable")]
    v, e = array("graphs/V"), array("graphs/E")
    x = v[:, : WIDTH if inputs["x"] in (WIDTH, WIDTH + 3) else WIDTH + 2]
    if inputs["x"] > x.shape[1]:
        x = np.concatenate([x, array("graphs/V_d")], axis=1)
    return graphscore.GraphBatch(
        counts[wanted],
        np.ascontiguousarray(x[nodes]),
        np.bincount(number[target[edges]], minlength=int(nodes.sum())),
        number[source[order]],
        None,
        np.ascontiguousarray(e[order][:, : inputs["edge_attr"]]) if inputs.get("edge_attr") else None,
        None,
        array("graphs/X_d")[wanted] if inputs.get("graph_attr") else None,
    )

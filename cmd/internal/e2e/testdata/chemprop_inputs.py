"""Export an ensemble of chemprop's checkpoints, and write molecules, and graphs in which an edge has no reverse.

usage: chemprop_inputs.py FOLDER
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(sys.argv[1])
vectors = Path(__file__).parents[4] / "python" / "tests" / "data" / "chemprop_vectors.zip"
members = ["two_tasks_unscaled.pt", "member_1.pt", "member_2.pt"]
with zipfile.ZipFile(vectors) as archive:
    archive.extractall(folder / "vectors")
files = [str(folder / "vectors" / member) for member in members]
command = [sys.executable, "-m", "graphscore", "export", "chemprop", *files, "--out", str(folder / "model"), "--std"]
subprocess.run(command, check=True)

graphs = {name: np.load(folder / "vectors" / "graphs" / f"{name}.npy") for name in ("V", "E", "edge_index", "counts")}
stops = np.cumsum(graphs["counts"])
source, target = graphs["edge_index"]


def molecule(place: int, edges: slice = slice(None)) -> dict[str, object]:
    first, stop = stops[place] - graphs["counts"][place], stops[place]
    own = np.flatnonzero((source >= first) & (source < stop))[edges]
    return {
        "node_feat": graphs["V"][first:stop, :72].tolist(),
        "edge_index": [(source[own] - first).tolist(), (target[own] - first).tolist()],
        "edge_attr": graphs["E"][own, :14].tolist(),
    }


rows = [molecule(place) for place in range(len(stops))]
rows.insert(3, molecule(0, slice(1, None)))  # the second half of its first bond is alone
loop = molecule(4)
loop["edge_index"][0][0] = loop["edge_index"][1][0]
rows.insert(6, loop)
other = molecule(5)
other["edge_attr"][7] = (np.array(other["edge_attr"][7]) + 1).tolist()
rows.append(other)
floats, ints = pa.list_(pa.list_(pa.float32())), pa.list_(pa.list_(pa.int64()))
schema = pa.schema({"node_feat": floats, "edge_index": ints, "edge_attr": floats})
(folder / "in").mkdir()
pq.write_table(pa.Table.from_pylist(rows * 4, schema), folder / "in" / "molecules.parquet", row_group_size=7)

"""Write the first graphs of a file, some of them poisonous.

usage: write.py SOURCE TARGET GRAPHS [ROW=KIND...]    KIND: see kinds.py, or giant
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from kinds import marker

source, target, graphs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
table = pq.read_table(source, columns=["graph_id", "node_feat", "edge_index", "num_nodes"])[:graphs]
rows = table.to_pylist()
for argument in sys.argv[4:]:
    row, kind = argument.split("=")
    graph = rows[int(row)]
    if kind == "giant":  # fits into a message of 64 MiB
        nodes = 700_000
        graph["node_feat"] = graph["node_feat"][:1] * nodes
        graph["edge_index"] = [[0, 1], [1, 0]]
        graph["num_nodes"] = nodes
    else:
        graph["node_feat"][0][0] = marker(kind)
target.parent.mkdir(parents=True, exist_ok=True)
pq.write_table(pa.Table.from_pylist(rows, table.schema), target, compression="zstd")

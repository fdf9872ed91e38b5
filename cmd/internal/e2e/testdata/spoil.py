"""Copy a file of graphs, with some graphs made bad.

usage: spoil.py SOURCE TARGET ROW=WHAT...    WHAT: nan, edge, width, count, null or huge
"""

import sys

import pyarrow as pa
import pyarrow.parquet as pq

table = pq.read_table(sys.argv[1])
rows = table.to_pylist()
for argument in sys.argv[3:]:
    row, what = argument.split("=")
    graph = rows[int(row)]
    if what == "nan":
        graph["node_feat"][0][0] = float("nan")
    elif what == "huge":  # finite, but no score of it is
        graph["node_feat"][0] = [3e38] * len(graph["node_feat"][0])
    elif what == "edge":
        graph["edge_index"][0][0] = len(graph["node_feat"])
    elif what == "width":
        graph["node_feat"][0].append(1.0)
    elif what == "count":
        graph["num_nodes"] += 1
    elif what == "null":
        graph["graph_id"] = None
    else:
        sys.exit(f"cannot make a graph {what}")
pq.write_table(pa.Table.from_pylist(rows, table.schema), sys.argv[2], compression="zstd")

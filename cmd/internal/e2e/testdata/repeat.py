"""Write the molecules of the example many times over, with new ids.

usage: repeat.py SOURCE_FOLDER TARGET_FOLDER TIMES FILES
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

source, target, times, files = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
graphs = pa.concat_tables(
    pq.read_table(path, columns=["node_feat", "edge_index", "num_nodes"]) for path in sorted(source.glob("*.parquet"))
)
target.mkdir(parents=True)
whole = pa.concat_tables([graphs] * times)
whole = whole.append_column("graph_id", pa.array(range(len(whole)), pa.int64()))
size = -(-len(whole) // files)
for number in range(files):
    part = whole.slice(number * size, size)
    pq.write_table(part, target / f"part-{number:05d}.parquet", compression="zstd", row_group_size=2000)

"""Open the scores of the citations example, and say how often the most probable topic is right.

usage: read_topics.py OUTPUT INPUT
"""

import json
import sys

import numpy as np
import pyarrow.parquet as pq

scores, source = pq.read_table(sys.argv[1]), pq.read_table(sys.argv[2], columns=["topic", "split"])
topics = scores.column_names[2:]
values = np.stack([scores[name].to_numpy() for name in topics], axis=1)
truth, split = (np.array(source[name][0].as_py()) for name in ("topic", "split"))
found = np.array(topics)[values.argmax(axis=1)]
json.dump(
    {
        "schema": {field.name: str(field.type) for field in scores.schema},
        "nodes": scores["node_id"].to_pylist() == list(range(len(truth))),
        "furthest": float(np.abs(values.astype(np.float64).sum(axis=1) - 1).max()),
        "papers": int((split == "test").sum()),
        "right": int((found == truth)[split == "test"].sum()),
    },
    sys.stdout,
)

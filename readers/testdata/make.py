"""Writes the files that the tests read: the same graphs in every form that a user may bring.

    python3 -m venv /tmp/readers-venv && /tmp/readers-venv/bin/pip install pyarrow duckdb polars
    /tmp/readers-venv/bin/python make.py [SEED COUNT]

Files below good/ hold the graphs of graphs.json, in one form each. Files below bad/ must be refused.
bad.json beside them says which words each message must have. rows.parquet has rows that are no graphs.
"""

import json
import shutil
import sys

from makers.arrow import make_arrow, make_layouts
from makers.graphs import BAD, GOOD, HERE, TRUTHS, graphs
from makers.parquet import make_encodings, make_parquet
from makers.refused import make_bad
from makers.rows import make_counts, make_rows
from makers.types import make_beside, make_kinds, make_truths


def main():
    for folder in (GOOD, BAD, TRUTHS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    rows = graphs(*map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (7, 12))
    (HERE / "graphs.json").write_text(json.dumps(rows, separators=(",", ":")) + "\n")
    make_parquet(rows)
    make_encodings(rows)
    make_arrow(rows)
    make_layouts(rows)
    make_truths(rows)
    make_bad(rows)
    make_rows()
    make_counts()
    make_kinds()
    make_beside()


if __name__ == "__main__":
    main()

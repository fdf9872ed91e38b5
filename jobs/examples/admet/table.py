"""Print the predicted properties of a few molecules, from the scores of both jobs.

    python table.py OUT [MOLECULE...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq

SHOWN = ("aspirin", "caffeine", "diazepam", "imatinib", "terfenadine")


def main() -> None:
    """Print one line a property: the mean of the five models, and their standard deviation."""
    out, shown = Path(sys.argv[1]), sys.argv[2:] or list(SHOWN)
    print(f"{'property':30}" + "".join(f"{name:>18}" for name in shown))
    for job in ("classification", "regression"):
        rows = {row["graph_id"]: row for row in pq.read_table(out / job).to_pylist()}
        missing = [name for name in shown if name not in rows]
        if missing:
            sys.exit(f"table.py: no scores of {missing[0]} in {out / job}")
        first = rows[shown[0]]
        for name in first:
            if name == "graph_id" or name.endswith("_std"):
                continue
            cells = (f"{rows[one][name]:.2f} +- {rows[one][name + '_std']:.2f}" for one in shown)
            print(f"{name:30}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()

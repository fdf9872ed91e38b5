"""The plot of the page. Needs matplotlib, which only the benchmark does."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from suite.results import Row, Section

# Readable on a light page and on a dark one: text and bars change with it.
STYLE = """<style>
 .bar path { fill: #2f6f9f !important } .missed path { fill: #c0662f !important }
 .text * { fill: #24292f } .text path { fill: #24292f !important }
 @media (prefers-color-scheme: dark) {
  .bar path { fill: #6cb2e2 !important } .missed path { fill: #f0a36b !important }
  .text path { fill: #d0d7de !important }
 }
</style>"""


RIVALS = ("rival-", "layer-", "chem-")
"""What the names of sections that compare with a rival begin with."""


def shown(sections: Sequence[Section]) -> list[Row]:
    """The rows that say how many times faster graphscore is."""
    speeds = [row for s in sections if s.name.startswith(RIVALS) for row in s.rows]
    speeds += [
        row
        for s in sections
        if not s.name.startswith(RIVALS)
        for row in s.rows
        if row.what.endswith("script / graphscore, time")
    ]
    return [row for row in speeds if row.unit == "x" and row.values and row.at_most is None]


def draw(file: Path, sections: Sequence[Section]) -> None:
    """Draw graphscore's speed as a multiple of each rival, with the target as a mark."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = list(reversed(shown(sections)))
    if not rows:
        return
    with plt.rc_context({"svg.fonttype": "path", "svg.hashsalt": "graphscore", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(8, 0.6 + 0.3 * len(rows)))
        for y, row in enumerate(rows):
            middle = statistics.median(row.values)
            (bar,) = axes.barh(y, middle - 1, left=1, height=0.6)
            bar.set_gid(f"{'missed' if row.reached == 'no' else 'bar'}-{y}")
            tip = axes.text(1.08 * max(middle, row.at_least or 0, 1), y, f"{row.measured}", va="center")
            tip.set_gid(f"text-tip-{y}")
            if row.at_least:
                (mark,) = axes.plot([row.at_least] * 2, [y - 0.4, y + 0.4], color="#888", linewidth=2)
                mark.set_gid(f"target-{y}")
        axes.set_yticks(range(len(rows)), [label(row) for row in rows])
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g} x")
        axes.axvline(1, color="#888", linewidth=0.8).set_gid("one")
        axes.set_xlim(0.5, 6 * max(statistics.median(row.values) for row in rows))
        axes.set_xlabel("graphscore's speed as a multiple; grey marks are targets (logarithmic)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        out = io.StringIO()
        figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)
    file.write_text(themed(out.getvalue()))


def label(row: Row) -> str:
    """What a bar is against."""
    text = re.sub(r": (graphscore's speed / its|pyarrow \+ SciPy script / graphscore, time)$", "", row.what)
    return text.removesuffix(": the same")


def themed(svg: str) -> str:
    """Put classes where ids are, and the style in front: the colours follow the page."""
    svg = re.sub(r'<g id="(bar|missed)-\d+">', r'<g class="\1">', svg)
    svg = re.sub(r'<g id="(text[-_]|xtick|ytick|matplotlib\.axis)', r'<g class="text" id="\1', svg)
    svg = re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)
    return re.sub(r"(<svg [^>]*>)", lambda m: f"{m[1]}\n{STYLE}", svg, count=1)

"""`make bench-against`: what does not need two builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from suite import against, terminal
from suite.processes import Finished
from suite.results import Section


def finished(seconds: float, cpu_seconds: float) -> Finished:
    """Return a run that took so long."""
    return Finished([""], seconds, cpu_seconds, 0)


def test_each_side_is_first_in_every_other_round() -> None:
    order: list[str] = []

    def side(name: str) -> Callable[[], Finished]:
        def run() -> Finished:
            order.append(name)
            return finished(len(order), 0)

        return run

    mine, theirs = against.in_turns(3, side("mine"), side("theirs"))
    assert order == ["mine", "theirs", "theirs", "mine", "mine", "theirs"]
    assert [run.seconds for run in mine] == [1, 4, 5]
    assert [run.seconds for run in theirs] == [2, 3, 6]


def test_a_tree_that_is_slower_has_ratios_above_1() -> None:
    mine, theirs = [finished(2.2, 3.3), finished(2, 3.5)], [finished(2, 3), finished(2, 3)]
    found = against.rows("16-32-1", 1_000_000, "0123456789ab", [mine, theirs])
    assert [row.values for row in found] == [
        pytest.approx([1.1, 1]),
        pytest.approx([1.1, 3.5 / 3]),
        pytest.approx([0.3, 0.5]),
    ]
    text = terminal.show(Section("16-32-1", "title", found))
    assert "time, this tree / 0123456789ab" in text
    assert "1.05 x (1.00 to 1.10)" in text
    assert "0.40 us (0.30 to 0.50)" in text


def test_files_with_other_bytes_are_named(tmp_path: Path) -> None:
    contents = {"mine": {"a": b"1", "b": b"2", "_quarantine/c": b"3"}, "theirs": {"a": b"1", "b": b"0", "d": b""}}
    for side, files in contents.items():
        for name, content in files.items():
            file = tmp_path / side / f"{name}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (tmp_path / side / "_SUCCESS").write_text(side)
    differ = against.unequal(against.digests(tmp_path / "mine"), against.digests(tmp_path / "theirs"))
    assert differ == ["_quarantine/c.parquet", "b.parquet", "d.parquet"]


@pytest.mark.parametrize(
    ("names", "reached", "note"),
    [
        ([], "yes", ""),
        (["a"], "no", "NOT THE SAME BYTES: a"),
        (["a", "b", "c"], "no", "NOT THE SAME BYTES: a, b, c"),
        (["a", "b", "c", "d"], "no", "NOT THE SAME BYTES: a, b, c, ..."),
    ],
)
def test_the_verdict_on_bytes(names: list[str], reached: str, note: str) -> None:
    row = against.verdict("16-32-1", names)
    assert (row.values, row.reached, row.note) == ([len(names)], reached, note)


def test_versions_that_differ_are_named() -> None:
    mine = {"Python": "3.11.9", "numpy": "2.4.0", "duckdb": "2.0.0", "Go": "go1.26.8"}
    theirs = {"Python": "3.11.9", "numpy": "2.3.1", "Go": "go1.26.7"}
    assert against.differing(mine, theirs) == ["Go go1.26.7, here go1.26.8", "numpy 2.3.1, here 2.4.0"]

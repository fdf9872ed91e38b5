"""The command: bad input, resuming, any number of processes, exit codes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphscore import _cli
from graphscore.convert._run import interrupts_later

NAMES = "CCO,ethanol\nC1CC,ring\n[Na+].[Cl-],salt\n,none\nCC,ethanol\n"


def run(*arguments: object) -> int:
    try:
        return _cli.main(["convert", "smiles", *map(str, arguments)])
    except SystemExit as end:
        return int(str(end.code))


def chemprop(*arguments: object) -> int:
    return run(*arguments, "--features", "chemprop-v2", "--processes", 1)


def ids(out: Path) -> list[str]:
    names: list[str] = pq.read_table(out, columns=["graph_id"]).column(0).to_pylist()
    return names


def rejects(out: Path) -> list[tuple[int, str]]:
    lines = [line for path in sorted((out / "_rejects").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [(row["line"], row["code"]) for row in map(json.loads, lines)]


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("name", "text", "kept", "lost"),
    [
        ("a.csv", "smiles,id\n" + NAMES, ["ethanol", "salt", "ethanol"], [(3, "unparsable"), (5, "empty_smiles")]),
        ("a.csv", "\ufeffSmiles,Name\r\nCCO,a\r\nCC,b\r\n", ["a", "b"], []),
        ("a.csv", 'id,smiles\n"a, b",CCO\n"two\nlines",CC\n', ["a, b", "two\nlines"], []),
        ("a.csv", "structure,y\nCCO,1.5\nCC,\n", ["a.csv#2", "a.csv#3"], []),
        ("a.csv", "smiles\nCCO\n\nCC\n", ["a.csv#2", "a.csv#4"], []),
        ("a.csv", 'smiles,id\n"CCO,a\nCC,b\n', ["b"], [(2, "unreadable_row")]),
        ("a.csv", "smiles,id\nCCO,a,c\nCC\nC,d\n", ["d"], [(2, "unreadable_row"), (3, "unreadable_row")]),
        ("a.tsv", "id\tsmiles\na\tCCO\n", ["a"], []),
        ("a.smi", "CCO ethyl alcohol\nCC\nC1CC ring\n\nC\ta b\n", ["ethyl", "a.smi#2", "a b"], [(3, "unparsable")]),
        ("a.smi", "SMILES\tID\nCCO\ta\n", ["a"], []),
        ("a.smi", "CCO\ta\n\tCO\n \tN b\n \t \nCC b\t\n", ["a", "b"], [(2, "empty_smiles"), (3, "empty_smiles")]),
        ("a.smi", "CC |$R1;R2$| b\nCCO\n", ["b", "a.smi#2"], []),
        ("a.csv", "smiles,id\n" + "C" * 10_000 + ",long\nCC,b\n", ["b"], [(2, "too_many_atoms")]),
        ("a.csv", "smiles,id\n" + "C" * 3_000_000 + ",long\nCC,b\n", ["b"], [(2, "unreadable_row")]),
        ("a.csv", "smiles,id\n" + "C" * 10_001 + ",long\nCC,b\n", ["b"], [(2, "too_long")]),
        ("a.csv", "smiles,id\n" + "C" * 200_000 + ",long\nCC,b\n", ["b"], [(2, "too_long")]),
        ("a.csv", "smiles,id\nC\x01C,x\n[13CH4],iso\n[Fe],metal\n", ["iso", "metal"], [(2, "unparsable")]),
        ("a.csv", "smiles,id\n", [], []),
    ],
)  # fmt: skip
def test_rows_are_converted_or_rejected(
    name: str, text: str, kept: list[str], lost: list[tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    out = tmp_path / "out"
    assert chemprop(tmp_path / name, "--out", out) == (3 if lost else 0)
    assert ids(out) == kept
    assert rejects(out) == lost


def test_a_quote_in_every_line_loses_none(tmp_path: Path) -> None:
    lines = [f'"CC,{number}' if number % 10 == 0 else f"CC,{number}" for number in range(200)]
    (tmp_path / "a.csv").write_text("smiles,id\n" + "\n".join(lines) + "\n")
    out = tmp_path / "out"
    assert chemprop(tmp_path / "a.csv", "--out", out) == 3
    assert len(ids(out)) == 180
    assert len(rejects(out)) == 20


def test_parquet_has_ids_of_its_types_and_carries_columns(tmp_path: Path) -> None:
    table = pa.table(
        {"smiles": ["CCO", None, "C1", "CC"], "id": [7, 8, 9, None], "graph_attr": [[1.0], [2.0], [3.0], [4.0]]}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3)
    out = tmp_path / "out"
    assert chemprop(tmp_path / "a.parquet", "--out", out, "--carry", "graph_attr", "--part-rows", 2) == 3
    assert ids(out) == ["7", "a.parquet#3"]
    assert pq.read_table(out, columns=["graph_attr"]).column(0).to_pylist() == [[1.0], [4.0]]
    assert rejects(out) == [(1, "empty_smiles"), (2, "unparsable")]


def test_bytes_are_those_of_one_process_and_of_an_interrupted_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.csv"
    source.write_text("smiles,id\n" + NAMES * 30)
    settings = [source, "--features", "chemprop-v2", "--part-rows", 20, "--carry", "id"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(*settings, "--out", one, "--processes", 1) == 3
    assert run(*settings, "--out", two, "--processes", 2) == 3
    assert files(one) == files(two)
    wanted = files(one)
    (one / "a.csv.000003.parquet").unlink()
    (one / "_SUCCESS").unlink()
    (one / "_temporary").mkdir()
    (one / "_temporary" / "a.csv.000003.parquet.1.tmp").write_text("half")
    capsys.readouterr()
    assert run(*settings, "--out", one, "--processes", 1) == 3
    assert files(one) == wanted
    assert capsys.readouterr().out.splitlines()[:2] == [
        "150 rows: 90 converted, 60 rejected",
        "7 parts were there already",
    ]


def test_parts_of_another_conversion_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, other, out = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "out"
    source.write_text("smiles\nCCO\nCC\nC\n")
    other.write_text("smiles\nCCO\n")
    assert chemprop(source, "--out", out, "--part-rows", 2) == 0
    for arguments, said in (
        ([source, "--max-atoms", 5, "--part-rows", 2], "made with max_atoms 1000, and this conversion has 5"),
        ([other, "--part-rows", 2], "a part of a.csv, which is not among the inputs"),
    ):
        assert chemprop(*arguments, "--out", out) == 78
        assert said in capsys.readouterr().err
    source.write_text("smiles\nCCO\nN\nC\n")
    assert chemprop(source, "--out", out, "--part-rows", 2) == 78
    assert "these rows of a.csv have changed" in capsys.readouterr().err
    assert chemprop(source, "--out", out, "--part-rows", 2, "--redo") == 0
    source.write_text("smiles\nCCO\nN\n")
    assert chemprop(source, "--out", out, "--part-rows", 2) == 78
    assert "has no such rows any more" in capsys.readouterr().err
    assert chemprop(source, "--out", out, "--part-rows", 2, "--redo") == 0
    assert ids(out) == ["a.csv#2", "a.csv#3"]
    (out / "mine.parquet").write_bytes(b"PAR1")
    assert chemprop(source, "--out", out, "--part-rows", 2) == 78


@pytest.mark.parametrize(
    ("name", "content", "arguments", "code", "said"),
    [
        ("a.csv", b"a,b\nx,y\n", [], 65, "2 columns of text; name the one with --smiles-column"),
        ("a.csv", b"CCO\nCC\n", [], 65, "line 1 reads like a molecule"),
        ("a.csv", b"smiles\nC\n", ["--smiles-column", "x"], 65, "no column 'x' (--smiles-column); there are 'smiles'"),
        ("a.csv", b"smiles\nC\n", ["--carry", "z"], 65, "no column 'z' (--carry)"),
        ("a.csv", b"smiles\nC\n", ["--carry", "edge_attr"], 64, "graphscore reads a column of this name"),
        ("a.csv", b"smiles,smiles\nC,C\n", [], 65, "occurs twice"),
        ("a.csv", b"smiles\nC\n", ["--max-atoms", "0"], 64, "--max-atoms 0: a number from 1"),
        ("a.csv", b"", [], 65, "is empty"),
        ("a.csv", b"smiles;id\nC;a\n", [], 65, "to be a semicolon, and is read as a comma; write it with"),
        ("a.csv", b"smiles\tid\nC\ta\n", [], 65, "to be a tab, and is read as a comma; name the file .tsv"),
        ("a.tsv", b"smiles,id\nC,a\n", [], 65, "to be a comma, and is read as a tab; write it with a tab"),
        ("a.csv", b"\xff\xfes\0", [], 65, "is UTF-16"),
        ("a.csv", b"smiles\rC\rCC\r", [], 65, "end in CR alone"),
        ("a.xlsx", b"PK\x03\x04", [], 65, "Excel workbook"),
        ("a.sdf", b"x", [], 65, "its name says no format"),
        ("a.parquet", b"x", [], 65, "is no Parquet file"),
        ("a.parquet", b"PAR1xxxx", [], 65, "cannot be read"),
        ("a.smi", b"C a\n", ["--id-column", "x"], 64, "a .smi file has no named columns"),
        ("a.csv.gz", b"\x1f\x8bxx", [], 74, "reading failed"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_has_its_sentence(
    name: str,
    content: bytes,
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    assert chemprop(tmp_path / name, "--out", tmp_path / "out", *arguments) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_there_or_have_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chemprop(tmp_path / "no.csv", "--out", tmp_path / "out") == 66
    assert "no.csv: No such file" in capsys.readouterr().err
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("smiles\nC\n")
    assert chemprop(tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv", "--out", tmp_path / "out") == 64
    (tmp_path / "_a.csv").write_text("smiles\nC\n")
    (tmp_path / "%5Fa.csv").write_text("smiles\nCC\n")
    capsys.readouterr()
    assert chemprop(tmp_path / "_a.csv", tmp_path / "%5Fa.csv", "--out", tmp_path / "out") == 64
    assert "_a.csv has the same parts (%5Fa.csv.000000.parquet)" in capsys.readouterr().err
    assert chemprop(tmp_path / "x", "--out", tmp_path / "out") == 64
    (tmp_path / "file").write_text("")
    assert chemprop(tmp_path / "x" / "a.csv", "--out", tmp_path / "file") == 73
    assert run(tmp_path / "x" / "a.csv", "--out", tmp_path / "out") == 64


@pytest.mark.parametrize("processes", [1, 2])
def test_a_part_that_cannot_be_written_is_named(
    processes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out"
    source.write_text("smiles\nC1CC\n")
    out.mkdir()
    (out / "_rejects").write_text("a file where the folder of the rejects would be")
    assert run(source, "--out", out, "--features", "molecules", "--processes", processes) == 73
    assert "a.csv.000000.parquet: File exists; the parts that exist stay" in capsys.readouterr().err


def test_a_chunk_that_does_not_fit_into_the_memory_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("graphscore.convert._work.Worker.convert", full)
    (tmp_path / "a.csv").write_text("smiles\nC\nCC\n")
    assert chemprop(tmp_path / "a.csv", "--out", tmp_path / "out") == 71
    assert "a.csv lines 2-3 do not fit into the memory" in capsys.readouterr().err


def test_long_text_ends_a_part_and_a_column_that_is_not_read_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphscore.convert._text.MOST_BYTES", 1000)
    source = tmp_path / "a.csv"
    source.write_text("smiles,note\n" + f"C,{'x' * 600}\n" * 5)
    assert chemprop(source, "--out", tmp_path / "one") == 0
    assert sorted(path.name for path in (tmp_path / "one").glob("*.parquet")) == ["a.csv.000000.parquet"]
    assert chemprop(source, "--out", tmp_path / "three", "--carry", "note") == 0
    rows = [pq.read_metadata(path).num_rows for path in sorted((tmp_path / "three").glob("*.parquet"))]
    assert rows == [2, 2, 1]
    assert chemprop(source, "--out", tmp_path / "three", "--carry", "note") == 0


def test_a_line_that_is_too_long_and_grows_is_another_row(tmp_path: Path) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out"
    source.write_text("smiles\n" + "C" * 2_000_000 + "\n")
    assert chemprop(source, "--out", out) == 3
    source.write_text("smiles\n" + "C" * 2_000_001 + "\n")
    assert chemprop(source, "--out", out) == 78


@pytest.mark.parametrize(("characters", "code"), [(1000, "too_many_atoms"), (1001, "too_long")])
def test_the_length_that_is_parsed_follows_from_max_atoms(characters: int, code: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("smiles\n" + "C" * characters + "\n")
    assert chemprop(tmp_path / "a.csv", "--out", tmp_path / "out", "--max-atoms", 1) == 3
    assert rejects(tmp_path / "out") == [(2, code)]


def test_parts_of_other_featurizers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("smiles\nC\n")
    assert chemprop(tmp_path / "a.csv", "--out", tmp_path / "out") == 0
    monkeypatch.setattr("graphscore.convert._run.VERSION", 3)
    assert chemprop(tmp_path / "a.csv", "--out", tmp_path / "out") == 78
    assert (
        "made with converter version 2, and this conversion has 3; name another --out, or add --redo"
        in capsys.readouterr().err
    )


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Commands can be interrupted, although a shell that starts the tests in the background has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_processes_begin_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("smiles\n" + "CCO\n" * 5000)
    arguments = ["a.csv", "--out", "out", "--features", "molecules", "--processes", "3", "--part-rows", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "graphscore", "convert", "smiles", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as command:
        while command.poll() is None and not (begun := spawned(command.pid)):
            time.sleep(0.001)
        assert all(map(blocks_interrupts, begun))
        os.killpg(command.pid, signal.SIGINT)
        said = command.communicate()[1]
    assert said == "graphscore: interrupted; the same command goes on from here\n"
    assert command.returncode == 130


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_waits_until_a_process_has_begun() -> None:
    """Also one that another thread receives, as pyarrow has them."""
    ended, done = threading.Event(), []
    other = threading.Thread(target=ended.wait)
    other.start()

    def interrupted() -> None:
        with interrupts_later():
            os.kill(os.getpid(), signal.SIGINT)
            ended.wait(0.2)
            done.append("the process has begun")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ended.set()
    other.join()
    assert done


def spawned(parent: int) -> list[str]:
    """Return the processes of the pool that have begun."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def blocks_interrupts(process: str) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked, 16) >> (signal.SIGINT - 1) & 1)


def test_compressed_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "_a.csv.gz").write_bytes(gzip.compress(b"smiles\nC\n"))
    assert chemprop(tmp_path / "_a.csv.gz", "--out", tmp_path / "out") == 0
    assert (tmp_path / "out" / "%5Fa.csv.gz.000000.parquet").exists()
    assert ids(tmp_path / "out" / "%5Fa.csv.gz.000000.parquet") == ["_a.csv.gz#2"]

"""Inputs as other programs write them: each row is converted, rejected with its reason, or its file is refused."""

from __future__ import annotations

import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphscore import convert
from graphscore.convert._part import read_ledger

TEXT = "smiles,id\nCCO,a\n"
TABLE = pa.table({"smiles": ["C", "CC", "N"], "id": pa.array([1, None, 2**62])})


def converted(path: Path) -> tuple[list[str], list[str]]:
    """Return the ids of a file's graphs, and the rejects as line, code and reason."""
    out = path.parent / "out"
    convert.smiles([path], out, convert.Settings(features="molecules"))
    lines = [line for file in sorted((out / "_rejects").glob("*")) for line in file.read_text().splitlines()]
    return pq.read_table(out, columns=["graph_id"]).column(0).to_pylist(), lines


def refused(path: Path) -> tuple[int, str]:
    """Return code and sentence of a file that is refused; no folder appears."""
    with pytest.raises(convert.ConvertError) as caught:
        convert.smiles([path], path.parent / "out", convert.Settings(features="molecules"))
    assert not (path.parent / "out").exists()
    said = str(caught.value)
    assert said.isprintable()
    return caught.value.code, said.replace(str(path), path.name)


@pytest.mark.parametrize(
    ("name", "content", "kept", "lost"),
    [
        ("a.smi", b"CCO a\nCC b\rC c\nN d\n", ["a", "d"], [(2, "a CR in the line")]),
        ("a.csv", b"smiles,id\nCCO,a\rCC,b\nC,c\n", ["c"], [(2, "a CR in the line")]),
        ("a.tsv", b"smiles\tid\nCCO\ta\rCC\tb\nC\tc\n", ["c"], [(2, "a CR in the line")]),
        ("a.smi", b"\xef\xbb\xbfCCO a\r\nCC b\r\n", ["a", "b"], []),
        ("a.tsv", b'\xef\xbb\xbf"smiles"\t"id"\r\nCCO\t"a\tb"\r\n', ["a\tb"], []),
        ("a.csv", b"smiles,id\nC\0C,a\nCC,b\0c\n\0\0\n", ["b\0c"], [(2, "a control character"), (4, "1 fields")]),
        ("a.smi", b"CCO a\nC\0C b\n", ["a"], [(2, "a control character")]),
        ("a.csv", b'smiles,id\n"C\nC",a\nN,"b\n\nc"\n', ["b\n\nc"], [(2, "a control character")]),
        ("a.csv", b'smiles,name\nCCO,"say ""x"", y"\nCC,a"b\n"C"C,c\n', ['say "x", y', 'a"b'], [(4, "not a row")]),
        ("a.smi", b"CCO\ta b\tc\nCC\t\tx\nN\t \nO  d  e\n", ["a b", "a.smi#2", "a.smi#3", "d"], []),
        ("a.CSV", b"ID , SmIlEs\na, CCO\n", ["a"], []),
        ("a.csv", b"smiles,name\nC\xe9,a\nC,\xe9\n", ["\\xe9"], [(2, "character 3")]),
        ("a.csv", b"smiles,id\n[238U],u\n[2H]C,d\n[Na+].[Cl-].O,s\n[Cu+2],cu\n", ["u", "d", "s", "cu"], []),
        ("a.tsv", b"smiles\tid", [], []),
        ("a.smi", b"SMILES Name\n", [], []),
        ("a.smi.gz", gzip.compress(b"CCO a\n") + gzip.compress(b"CC b\n"), ["a", "b"], []),
        ("a.tsv.bz2", bz2.compress(b"smiles\tid\nCCO\ta\n"), ["a"], []),
    ],
)  # fmt: skip
def test_text_is_converted_or_rejected(
    name: str, content: bytes, kept: list[str], lost: list[tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    ids, rejects = converted(tmp_path / name)
    assert ids == kept
    assert len(rejects) == len(lost)
    for line, (number, reason) in zip(rejects, lost, strict=True):
        assert f'"line": {number},' in line
        assert reason in line


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("a.csv", TEXT.encode("utf-16"), 65, "a.csv is UTF-16 or UTF-32; write it as UTF-8"),
        ("a.csv", TEXT.encode("utf-16-be"), 65, "a.csv is UTF-16 or UTF-32"),
        ("a.smi", b"CCO a\n".decode().encode("utf-16-le"), 65, "a.smi is UTF-16 or UTF-32"),
        ("a.csv", TEXT.encode("utf-32"), 65, "a.csv is UTF-16 or UTF-32"),
        ("a.csv.gz", gzip.compress(TEXT.encode("utf-16")), 65, "a.csv.gz is UTF-16 or UTF-32"),
        ("a.smi", b"CCO a\rCC b\r", 65, "a.smi: its lines end in CR alone, or in CR CR LF; write them with LF"),
        ("a.csv", b"smiles\r\r\nC\r\r\n", 65, "a.csv: its lines end in CR alone, or in CR CR LF"),
        ("a.csv", gzip.compress(TEXT.encode()), 65, "a.csv is compressed; decompress it, or have its name end in .gz"),
        ("a.smi", bz2.compress(b"C a\n"), 65, "a.smi is compressed; decompress it, or have its name end in .bz2"),
        ("a.csv.gz", TEXT.encode(), 74, "a.csv.gz: reading failed"),
        ("a.smi.gz", gzip.compress(b"CCO a\n" * 10_000)[:-20], 74, "a.smi.gz: reading failed"),
        ("a.csv.gz", b"", 65, "a.csv.gz is empty"),
        ("a.smi", b"\xef\xbb\xbf", 65, "a.smi is empty"),
        ("a.tsv", b"\n\r\n", 65, "a.tsv is empty"),
        ("a.csv", b"  \nsmiles,id\nC,a\n", 65, "a.csv: line 1, the header, has no names; remove the line"),
        ("a.csv", b"smiles,x,x\nC,1,2\n", 65, "a.csv: column 'x' occurs twice; rename one"),
        ("a.csv", b"smiles|id\nC|a\n", 65, "its separator seems to be a vertical bar, and is read as a comma"),
        ("a.csv", b"smiles," + b"x" * (1 << 20) + b"\n", 65, "line 1, the header: the line has 1,048,583 bytes"),
    ],
)  # fmt: skip
def test_text_that_is_no_table_is_refused(name: str, content: bytes, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert (code, True) == ((found := refused(tmp_path / name))[0], said in found[1]), found


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (os.mkfifo, 64, "a.csv is no regular file: write it to a file first"),
        (lambda path: path.symlink_to("/dev/zero"), 64, "a.csv is no regular file"),
        (lambda path: path.symlink_to(path), 66, "a.csv: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("none"), 66, "a.csv: No such file or directory"),
        (Path.mkdir, 64, "a.csv is a folder: name its files"),
    ],
)
def test_what_is_no_file_is_refused_at_once(make: Callable[[Path], Any], code: int, said: str, tmp_path: Path) -> None:
    make(tmp_path / "a.csv")
    found = refused(tmp_path / "a.csv")
    assert found[0] == code
    assert said in found[1]


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        (pa.array([1, None, 2**62]), ["1", "a.parquet#1", str(2**62)]),
        (pa.array([0, 2**64 - 1, None], pa.uint64()), ["0", str(2**64 - 1), "a.parquet#2"]),
        (pa.nulls(3), ["a.parquet#0", "a.parquet#1", "a.parquet#2"]),
        (pa.array(["a\tb", "", None]), ["a\tb", "a.parquet#1", "a.parquet#2"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_ids_of_parquet(ids: pa.Array, kept: list[str], tmp_path: Path) -> None:
    pq.write_table(TABLE.set_column(1, "id", ids), tmp_path / "a.parquet")
    assert converted(tmp_path / "a.parquet") == (kept, [])


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("id", pa.array([1.0, 2.0, None]), "column 'id' is double, not text or integers; write it as text, or name"),
        ("id", pa.array([True, False, None]), "column 'id' is bool, not text or integers; write it as text"),
        ("id", pa.array([b"a", b"b", b"c"]), "column 'id' is binary, not text or integers; write it as text"),
        ("smiles", pa.array([1, 2, 3]), "column 'smiles' is int64, not text; write it as text, or name another (--smi"),
        ("smiles", pa.array([["C"], [], None]), "column 'smiles' is list<element: string>, not text; write it as text"),
        ("smiles", pa.nulls(3), "column 'smiles' is null, not text; write it as text"),
    ],
)
def test_columns_of_parquet_of_other_types_are_refused(
    column: str, values: pa.Array, said: str, tmp_path: Path
) -> None:
    place = TABLE.column_names.index(column)
    pq.write_table(TABLE.set_column(place, column, values), tmp_path / "a.parquet")
    code, found = refused(tmp_path / "a.parquet")
    assert code == 65
    assert said in found


def test_damaged_parquet_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert refused(path)[1].endswith("is the file whole?")
    path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    with pytest.raises(convert.ConvertError, match=r"reading failed after row 0: .*; is the file whole\?$") as caught:
        converted(path)
    assert caught.value.code == 74
    assert str(caught.value).isprintable()
    pq.write_table(pa.table({}), path)
    with pytest.raises(convert.ConvertError, match=r"0 columns of text; .*; there are none$"):
        converted(path)


def test_the_bytes_of_a_part_are_those_of_its_version(tmp_path: Path) -> None:
    """Where this fails because parts are written in another way, VERSION of _features must be the next one."""
    (tmp_path / "a.csv").write_text("smiles,id,note\nCCO,a,x\nC,b,y\n")
    settings = convert.Settings(features="chemprop-v2", carry=("note",))
    convert.smiles([tmp_path / "a.csv"], tmp_path / "out", settings)
    part = tmp_path / "out" / "a.csv.000000.parquet"
    group = pq.read_metadata(part).row_group(0)
    found = [group.column(place) for place in range(group.num_columns)]
    ledger = read_ledger(part)
    assert ledger is not None
    assert ledger.settings["version"] == 2
    assert {column.compression for column in found} == {"ZSTD"}
    assert {column.path_in_schema.partition(".")[0]: column.has_dictionary_page for column in found} == {
        "graph_id": True,
        "node_feat": False,
        "edge_index": True,
        "edge_attr": False,
        "num_nodes": True,
        "note": True,
    }

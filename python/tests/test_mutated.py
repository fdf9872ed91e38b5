"""Files that disks, networks and attackers changed: each is read, or refused in a sentence that names it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import graphscore
import mutation
from chemprop_cases import CHECKPOINTS, FILES
from graphs import write_model
from graphscore import convert
from graphscore.convert import ConvertError
from graphscore.export import ExportError, from_chemprop

MEMORY = 64 << 20


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_model_folders(name: str, tmp_path: Path) -> None:
    folders = {kind: write_model(tmp_path / kind, (kind, "sage"), (3, 8, 2)) for kind in ("gcn", "sage")}
    folder = folders["gcn"]

    def read(content: bytes) -> str | None:
        (folder / name).write_bytes(content)
        said = None
        try:
            graphscore.load_model(folder)
        except graphscore.ModelError as error:
            said = str(error)
        assert str(folder) in (said or str(folder))
        return said

    mutation.run(name, {kind: (path / name).read_bytes() for kind, path in folders.items()}, read, memory=MEMORY)


def exported(folder: Path, data: bytes) -> str | None:
    """Export a checkpoint, and return why it was refused."""
    path, out = folder / "model.pt", folder / "model"
    path.write_bytes(data)
    said = None
    try:
        from_chemprop([path], out)
    except ExportError as error:
        said = str(error)
    assert out.exists() == (said is None)
    assert str(path) in (said or str(path))
    shutil.rmtree(out, ignore_errors=True)
    return said


def test_chemprop_checkpoints(tmp_path: Path) -> None:
    seeds = {case: FILES[name] for case, name in CHECKPOINTS.items()}
    mutation.run("checkpoint", seeds, lambda content: exported(tmp_path, content), memory=MEMORY, share=2)


def test_chemprop_pickles(tmp_path: Path) -> None:
    """The pickle alone, in an archive that is whole: the checksums of a zip file hide it from other mutations."""
    entries: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(FILES["plain.pt"])) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in entries if name.endswith("/data.pkl"))

    def read(content: bytes) -> str | None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as changed:
            for name, data in entries.items():
                changed.writestr(name, content if name == pickled else data)
        return exported(tmp_path, buffer.getvalue())

    mutation.run("pickle", {"plain": entries[pickled]}, read, memory=MEMORY, share=2)


def _smiles_parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"smiles": ["CCO", "C1CC", "c1ccccc1", None], "id": ["a", "b", "c", "d"]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "share"),
    [
        ("a.csv", b'smiles,id\nCCO,a\n"C1CC",b\n[Na+].[Cl-],salt\n,none\nc1ccccc1,"two\nlines"\n', 5),
        ("a.smi", b"CCO ethyl alcohol\nCC\nC1CC ring\n\nC\ta b\n", 5),
        ("a.parquet", _smiles_parquet(), 20),  # each begins a process
    ],
)
def test_smiles(name: str, content: bytes, share: int, tmp_path: Path) -> None:
    path, out = tmp_path / name, tmp_path / "out"

    def read(changed: bytes) -> str | None:
        path.write_bytes(changed)
        said = None
        try:
            convert.smiles([path], out, convert.Settings(features="chemprop-v2"))
        except ConvertError as error:
            said = str(error)
        assert str(path) in (said or str(path))
        for rejects in out.glob("_rejects/*.jsonl"):
            for row in rejects.read_bytes().splitlines():  # of text they are more, at U+2028 and others
                json.loads(row)
        shutil.rmtree(out, ignore_errors=True)
        return said

    mutation.run(name, {name: content}, read, memory=MEMORY, share=share, few=10)

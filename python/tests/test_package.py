"""The public surface, the layers of the package and its generated code."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import graphscore

PYTHON = Path(__file__).parent.parent
SOURCE = PYTHON / "src" / "graphscore"


def test_public_names() -> None:
    assert list(graphscore.__all__) == sorted(graphscore.__all__)
    for name in graphscore.__all__:
        assert getattr(graphscore, name) is not None
    assert dir(graphscore) == graphscore.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        graphscore.nothing  # noqa: B018


def test_import_loads_nothing_heavy() -> None:
    """numpy reads its settings when it is imported, and `serve` makes them after importing the package."""
    script = "import sys, graphscore, graphscore._cli; print({'numpy', 'scipy', 'grpc'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_only_the_codec_knows_protobuf() -> None:
    users = {
        path.name
        for path in SOURCE.rglob("*.py")
        if "_proto" not in path.parts and any("protobuf" in name or "_proto" in name for name in imports(path))
    }
    assert users == {"codec.py"}


def test_the_engine_knows_no_grpc() -> None:
    users = {path.name for path in SOURCE.rglob("*.py") if any(name.startswith("grpc") for name in imports(path))}
    assert users == {"health.py", "server.py", "servicers.py", "versions.py"}


def test_generated_code_is_current(tmp_path: Path) -> None:
    copy = tmp_path / "python"
    proto = copy / "src" / "graphscore" / "_proto"
    proto.mkdir(parents=True)
    (tmp_path / "proto").symlink_to(PYTHON.parent / "proto")
    shutil.copy(PYTHON / "generate_proto.sh", copy)
    subprocess.run(["/bin/sh", copy / "generate_proto.sh", sys.executable], check=True)
    made = {path.name: path.read_text() for path in proto.iterdir()}
    kept = {path.name: path.read_text() for path in (SOURCE / "_proto").glob("*_pb2.py*")}
    assert made == kept


def test_files_and_functions_are_short() -> None:
    for path in SOURCE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 500, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"

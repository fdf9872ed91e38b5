"""The public surface, the layers of the package and its generated code."""

from __future__ import annotations

import ast
import re
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


FLOORS = (
    ("_version", "_arrays", "_exit_codes", "_malloc", "_sparse", "_proto"),
    ("_sums", "_terminal"),
    ("_batch", "_config", "_products", "_rows", "_segments"),
    ("_activations", "_graphs", "_header"),
    ("_tensors",),
    ("_ops._spec",),
    ("_ops._step",),
    ("_ops._affine", "_ops._aggregate", "_ops._attention"),
    ("_ops.activation", "_ops.batch_norm"),
    ("_ops.*",),
    ("_ops",),
    ("_network",),
    ("_categories", "_model", "_program"),
    ("_reverse",),
    ("_engines._engine",),
    ("_engines.scipy_engine",),
    ("_engines",),
    ("_tables",),
    ("_tables.faults", "_tables.fields", "_tables.serialized"),
    ("_tables.binding", "_tables.column"),
    ("_tables.found", "_tables.ids"),
    ("_tables.further",),
    ("_tables.checking", "_tables.reading"),
    ("_tables.writing",),
    ("_tables.scoring",),
    ("_library",),
    ("_serving", "_serving.options"),
    ("_serving.arrivals", "_serving.memory", "_serving.turns", "_serving.wire"),
    (
        "_serving.access",
        "_serving.address",
        "_serving.codec",
        "_serving.lifeline",
        "_serving.logs",
        "_serving.versions",
    ),
    ("_serving.health", "_serving.traces"),
    ("_serving.servicers",),
    ("_serving.server",),
    ("convert._error",),
    ("convert._settings",),
    ("convert._binary",),
    (
        "convert._columns",
        "convert._features",
        "convert._ids",
        "convert._lines",
        "convert._molecules",
        "convert._sizes",
    ),
    ("convert._bytes",),
    ("convert._parquet", "convert._text"),
    ("convert._part", "convert._progress", "convert._reading", "convert._table"),
    ("convert._inputs",),
    ("convert._folder", "convert._work"),
    ("convert._run",),
    ("convert",),
    ("_converting",),
    ("export._error", "export._exported", "export._values"),
    ("export._folder", "export._states", "export._steps"),
    ("export._mapper", "export._patches"),
    ("export._shapes",),
    ("export._arithmetic",),
    ("export._reductions",),
    ("export._products",),
    ("export._convolutions", "export._elementwise"),
    ("export._functions",),
    ("export._modules", "export._trace"),
    ("export._inputs",),
    ("export._graphs",),
    ("export._compare",),
    ("export._pyg",),
    ("export.chemprop._records",),
    ("export.chemprop._archive", "export.chemprop._names"),
    ("export.chemprop._pickle",),
    ("export.chemprop._checkpoint",),
    ("export.chemprop._steps",),
    ("export.chemprop._activation",),
    ("export.chemprop._passing",),
    ("export.chemprop._network",),
    ("export.chemprop._same",),
    ("export.chemprop",),
    ("export",),
    ("_exporting",),
    ("_cli",),
    ("__main__", "__init__"),
)
"""The modules of the package: each imports from floors above its own in this list only.

`_ops.*` is every module of an operation that is not named."""


def modules() -> dict[str, Path]:
    """Every module that is written by hand, by its name below graphscore."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[0] != "_proto":
            found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def test_imports_go_one_way() -> None:
    """Servicer -> codec -> engine -> model -> operations, never back."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    operations = floor.pop("_ops.*")
    floor = {name: operations for name in modules() if re.match(r"_ops\.[a-z]", name)} | floor
    assert sorted(modules()) == sorted(floor.keys() - {"_proto"})
    for name, path in modules().items():
        used = {full.removeprefix("graphscore.") for full in imports(path) if full.startswith("graphscore.")}
        known = {other for other in used if other in floor and other != name}
        above = {other for other in known if floor[other] >= floor[name]}
        assert not above, f"{name} imports {sorted(above)}"


def test_only_the_codec_knows_protobuf() -> None:
    users = {
        name
        for name, path in modules().items()
        if any("protobuf" in used or "_proto" in used for used in imports(path))
    }
    assert users == {"_serving.codec"}


def test_only_serving_knows_grpc() -> None:
    users = {name for name, path in modules().items() if any(used.startswith("grpc") for used in imports(path))}
    assert users == {
        f"_serving.{name}" for name in ("access", "arrivals", "health", "server", "servicers", "traces", "versions")
    }


def test_only_export_knows_torch() -> None:
    users = {
        name
        for name, path in modules().items()
        if any(used.split(".")[0] in ("torch", "torch_geometric") for used in imports(path))
    }
    assert users
    assert all(name.startswith("export._") for name in users)


def test_only_tables_and_conversion_know_pyarrow() -> None:
    """The library names its types, for type checkers alone."""
    users = {name for name, path in modules().items() if any(used.startswith("pyarrow") for used in imports(path))}
    assert {name for name in users if not name.startswith(("_tables.", "convert._"))} == {"_library"}


def test_only_conversion_knows_rdkit() -> None:
    users = {name for name, path in modules().items() if any(used.startswith("rdkit") for used in imports(path))}
    assert users == {f"convert.{name}" for name in ("_binary", "_features", "_molecules", "_run")}


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

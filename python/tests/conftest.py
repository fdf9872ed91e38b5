"""Fixtures: model folders, servers in this process and as processes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before numpy: as the server itself does it.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import grpc
import hypothesis
import pytest

import graphscore
from graphs import write_model
from processes import Process

# The same examples in every run, however slow the machine is.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(case, how, outcome): a row of .github/RELIABILITY.md")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Write the rows of a test that passed, as pipeline/faulttest does it for Go."""
    report = yield
    folder = os.environ.get("FAULT_ROWS")
    if folder and report.when == "call" and report.passed:
        for marker in item.iter_markers("fault"):
            _write_row(Path(folder), item, *marker.args)
    return report


def _write_row(folder: Path, item: pytest.Item, case: str, how: str, outcome: str) -> None:
    top = Path(__file__).parents[2]
    row = {"case": case, "how": how, "outcome": outcome, "times": 1}
    row |= {"file": item.path.relative_to(top).as_posix(), "test": item.name}
    name = hashlib.sha256("\0".join(str(row[key]) for key in ("file", "test", "case", "how")).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(row) + "\n")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gcn 3-8-1."""
    return write_model(tmp_path_factory.mktemp("model") / "gcn")


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> graphscore.Engine:
    return graphscore.Engine(graphscore.load_model(model_folder))


@pytest.fixture(scope="session")
def server(engine: graphscore.Engine) -> Iterator[graphscore.Server]:
    """A server in this process on a free port."""
    server = graphscore.Server(engine, graphscore.ServerOptions(listen="127.0.0.1:0"))
    server.start()
    yield server
    server.stop(1)


@pytest.fixture(scope="session")
def channel(server: graphscore.Server) -> Iterator[grpc.Channel]:
    options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(str(server.address), options=options) as channel:
        yield channel


@pytest.fixture
def serve(model_folder: Path) -> Iterator[Callable[..., Process]]:
    """Start servers as processes; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(
        listen: str,
        *arguments: str,
        model: Path = model_folder,
        pass_fds: tuple[int, ...] = (),
        program: tuple[str, ...] = ("-m", "graphscore"),
    ) -> Process:
        command = [sys.executable, *program, "serve", "--model", str(model), "--listen", listen, *arguments]
        command += ["--log-format", "text"] if "--log-format" not in arguments else []
        popen = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, pass_fds=pass_fds)
        running.append(popen)
        assert popen.stderr is not None
        line = popen.stderr.readline()
        assert "serving " in line, line
        return Process(popen, line.split(" on ")[-1].strip(), line)

    yield start
    for popen in running:
        popen.kill()
        popen.wait()
        assert popen.stderr is not None
        popen.stderr.close()


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder for sockets: their paths are short, and that of pytest's own folders may be long, as TMPDIR may."""
    usual = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=usual if len(usual) <= len("/var/tmp") else "/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""The server as a process: start, signals, lifeline, sockets, exit codes, an unchanged client."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from calls import PROCESS_GRAPH, SCORE, call, get_model, method
from graphs import batch, random_graph, write_model
from graphscore import __version__
from graphscore._proto import gcn_pb2, scoring_pb2
from graphscore._serving import logs
from graphscore._serving.options import ServerOptions
from graphscore._serving.server import channel_options
from processes import Process

Serve = Callable[..., Process]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "graphscore", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )


def refused(code: int, message: str, *arguments: str) -> None:
    done = run(*arguments, *(("--log-format", "text") if "serve" in arguments else ()))
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("graphscore-server: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def rest(process: Process) -> str:
    assert process.popen.stderr is not None
    return process.popen.stderr.read()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [("MemoryError", 71, "not enough memory"), ("RuntimeError", 70, "RuntimeError")],
)
def test_a_server_ends_with_any_of_its_threads(error: str, code: int, said: str) -> None:
    program = (
        "import threading, time; from graphscore import _cli; from graphscore._serving import logs;"
        "logs.start('p', 'text'); threading.excepthook = _cli._end_with_thread;"
        f"threading.Thread(target=lambda: (_ for _ in ()).throw({error})).start(); time.sleep(30)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (code, f"p: error: a thread of the server ended: {said}\n")


def test_version() -> None:
    done = run("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"graphscore {__version__}\n", "")


def test_console_script(model_folder: Path) -> None:
    script = Path(sys.executable).parent / "graphscore-server"
    done = subprocess.run([script, "version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"graphscore {__version__}\n"


def test_unchanged_client(serve: Serve, tmp_path: Path) -> None:
    """A client made from a proto file of its own, by the usual generator, in a process of its own."""
    (tmp_path / "service.proto").write_text(
        """syntax = "proto3";
        option go_package = "example.com/gcn;proto";
        message Node { string id = 1; repeated float features = 2; }
        message Edge { string source_id = 1; string target_id = 2; }
        message GraphData { repeated Node nodes = 1; repeated Edge edges = 2; }
        message GCNResult { map<string, float> node_scores = 1; }
        service GCNService { rpc ProcessGraph(GraphData) returns (GCNResult); }
        """
    )
    generate = ["-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=.", "service.proto"]
    subprocess.run([sys.executable, *generate], cwd=tmp_path, check=True)
    (tmp_path / "client.py").write_text(
        """import sys, json, grpc, service_pb2 as pb, service_pb2_grpc as rpc
graph = pb.GraphData(
    nodes=[pb.Node(id="a", features=[1, 2, 3]), pb.Node(id="b", features=[4, 5, 6])],
    edges=[pb.Edge(source_id="a", target_id="b")])
with grpc.insecure_channel(sys.argv[1]) as channel:
    print(json.dumps(dict(rpc.GCNServiceStub(channel).ProcessGraph(graph, timeout=60).node_scores)))
"""
    )
    address = serve("127.0.0.1:0").address
    done = subprocess.run(
        [sys.executable, "client.py", address], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    scores = json.loads(done.stdout)
    assert sorted(scores) == ["a", "b"]
    with grpc.insecure_channel(address) as channel:
        data = gcn_pb2.GraphData(nodes=[gcn_pb2.Node(id="a", features=[1, 2, 3])]).SerializeToString()
        alone = gcn_pb2.GCNResult.FromString(call(channel, PROCESS_GRAPH, data))
    assert alone.node_scores["a"] == scores["a"]


def test_ready_line_names_model_and_address(serve: Serve, sockets: Path) -> None:
    process = serve(f"unix:{sockets}/s")
    answer = get_model(process.address)
    assert process.first_line == f"graphscore-server: serving test-model ({answer.digest}) on unix:{sockets}/s\n"


def test_one_blas_thread() -> None:
    script = """
from graphscore._cli import main
assert main(["serve", "--model", "/nowhere"]) == 65
import threadpoolctl
print([library["num_threads"] for library in threadpoolctl.threadpool_info()])
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert set(json.loads(done.stdout)) == {1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_with_0(serve: Serve, sockets: Path, number: signal.Signals) -> None:
    process = serve(f"unix:{sockets}/s")
    get_model(process.address)
    process.popen.send_signal(number)
    assert process.popen.wait(60) == 0
    assert rest(process) == ""
    assert not (sockets / "s").exists()


@pytest.fixture
def slow(serve: Serve, tmp_path: Path) -> tuple[Process, bytes]:
    """A server, and a request that it needs a second for, of its ten of grace on a busy machine."""
    process = serve("127.0.0.1:0", model=write_model(tmp_path / "wide", ("sage",) * 3, (3, 400, 400, 1)))
    many = batch([random_graph(np.random.default_rng(0), nodes=2000, edges=0) for _ in range(20)])
    request = scoring_pb2.ScoreRequest(
        graphs=many.graphs,
        nodes=many.nodes,
        feature_width=3,
        node_counts=many.node_counts.tobytes(),
        features=many.features.tobytes(),
        in_degrees=many.in_degrees.tobytes(),
    )
    return process, request.SerializeToString()


def begun(process: Process, channel: grpc.Channel, request: bytes) -> Any:
    """Send a request, and return the call once the server computes."""
    before = cpu_seconds(process)
    running = method(channel, SCORE).future(request, timeout=120)
    while cpu_seconds(process) < before + 0.1:
        time.sleep(0.01)
    return running


def cpu_seconds(process: Process) -> float:
    fields = Path(f"/proc/{process.popen.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def call_for_ever(channel: grpc.Channel) -> None:
    while True:
        call(channel, PROCESS_GRAPH, b"")


def test_signal_drains(slow: tuple[Process, bytes]) -> None:
    """A call that runs when the signal comes is answered; a later one is not accepted."""
    process, request = slow
    with grpc.insecure_channel(process.address) as channel:
        grpc.channel_ready_future(channel).result(60)
        running = begun(process, channel, request)
        process.popen.terminate()
        with pytest.raises(grpc.RpcError) as caught:
            call_for_ever(channel)  # until the server has seen the signal
        failure: Any = caught.value
        # CANCELLED: one that came in the moment of the signal.
        assert failure.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert scoring_pb2.ScoreResponse.FromString(running.result()).nodes == 40_000
    assert process.popen.wait(60) == 0


def test_second_signal_ends_at_once(slow: tuple[Process, bytes]) -> None:
    process, request = slow
    with grpc.insecure_channel(process.address) as channel:
        grpc.channel_ready_future(channel).result(60)
        running = begun(process, channel, request)
        while process.popen.poll() is None:  # two signals at once are one
            process.popen.terminate()
            time.sleep(0.1)
        assert process.popen.returncode == 128 + signal.SIGTERM
        assert running.code() == grpc.StatusCode.UNAVAILABLE


def on_lifeline(serve: Serve, folder: Path) -> tuple[Process, int]:
    """A server with a socket in a new folder, as a worker, and the end of its lifeline that the caller closes."""
    folder.mkdir()
    reader, writer = os.pipe()
    process = serve(f"unix:{folder}/s", "--lifeline-fd", str(reader), pass_fds=(reader,))
    os.close(reader)
    return process, writer


def test_lifeline(serve: Serve, sockets: Path) -> None:
    folder = sockets / "graphscore-123"
    process, writer = on_lifeline(serve, folder)
    get_model(process.address)
    assert process.popen.poll() is None
    os.close(writer)
    assert process.popen.wait(60) == 0
    assert not folder.exists()


def test_a_worker_that_ends_leaves_the_folder_to_its_successor(serve: Serve, sockets: Path) -> None:
    folder = sockets / "graphscore-123"
    process, writer = on_lifeline(serve, folder)
    process.popen.terminate()
    assert process.popen.wait(60) == 0
    assert list(folder.iterdir()) == []
    os.close(writer)


def test_lifeline_leaves_other_folders(serve: Serve, sockets: Path) -> None:
    folder = sockets / "mine"
    process, writer = on_lifeline(serve, folder)
    os.close(writer)
    assert process.popen.wait(60) == 0
    assert list(folder.iterdir()) == []


def test_dies_with_a_killed_parent(model_folder: Path, sockets: Path) -> None:
    """The whole way: a parent that is killed with -9, even while the server is still starting."""
    script = """
import os, subprocess, sys, time
reader, writer = os.pipe()
child = subprocess.Popen([sys.executable, "-m", "graphscore", "serve", "--model", sys.argv[1], "--listen", sys.argv[2],
    "--lifeline-fd", str(reader)], pass_fds=(reader,), stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""
    for delay in (0.05, 1.5):
        parent = subprocess.Popen(
            [sys.executable, "-c", script, str(model_folder), f"unix:{sockets}/s"], stdout=subprocess.PIPE, text=True
        )
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(delay)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + 60
        while is_running(child) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_running(child)
        assert not (sockets / "s").exists()


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # before, or while it is read
        return False


def test_lifeline_that_is_not_open(model_folder: Path) -> None:
    refused(64, "--lifeline-fd 77: Bad file descriptor", "serve", "--model", str(model_folder), "--lifeline-fd", "77")


def test_socket_is_private(serve: Serve, sockets: Path) -> None:
    serve(f"unix:{sockets}/s")
    assert stat.S_IMODE((sockets / "s").stat().st_mode) == 0o600


def test_socket_of_a_dead_server_is_replaced(serve: Serve, sockets: Path) -> None:
    first = serve(f"unix:{sockets}/s")
    first.popen.kill()
    first.popen.wait()
    assert (sockets / "s").exists()
    assert get_model(serve(f"unix:{sockets}/s").address).name == "test-model"


def test_socket_of_a_living_server_is_left_alone(serve: Serve, sockets: Path, model_folder: Path) -> None:
    first = serve(f"unix:{sockets}/s")
    refused(
        69, "another server is listening there", "serve", "--model", str(model_folder), "--listen", f"unix:{sockets}/s"
    )
    assert get_model(first.address).name == "test-model"


def test_sockets_that_cannot_be(model_folder: Path, sockets: Path) -> None:
    (sockets / "file").touch()
    listen = ["serve", "--model", str(model_folder), "--listen"]
    refused(69, "it exists and is not a socket", *listen, f"unix:{sockets}/file")
    refused(69, "folder /nowhere does not exist", *listen, "unix:/nowhere/s")
    refused(64, "at most 107 bytes", *listen, "unix:/tmp/" + "x" * 110)
    refused(64, "names no socket", *listen, "unix:")


def test_port_in_use(model_folder: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(
            69,
            f"cannot listen on {address}: the port is in use",
            "serve",
            "--model",
            str(model_folder),
            "--listen",
            address,
        )
    first = serve("127.0.0.1:0")
    refused(69, "the port is in use", "serve", "--model", str(model_folder), "--listen", first.address)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":9999", "192.0.2.1:80"])
def test_remote_addresses_need_a_flag(model_folder: Path, address: str) -> None:
    refused(
        64,
        "set --tls-cert and --tls-key, listen on 127.0.0.1 or a unix socket, or set --insecure",
        "serve",
        "--model",
        str(model_folder),
        "--listen",
        address,
    )


def test_tokens_of_the_environment_need_tls(model_folder: Path) -> None:
    done = run("serve", "--model", str(model_folder), GRAPHSCORE_SERVER_TOKENS="a-secret-of-32-characters-123456")
    assert done.returncode == 64
    assert "GRAPHSCORE_SERVER_TOKENS: tokens are taken over TLS only" in done.stderr
    assert "a-secret" not in done.stdout + done.stderr


def test_insecure(serve: Serve) -> None:
    address = serve("0.0.0.0:0", "--insecure").address
    assert get_model(address.replace("0.0.0.0", "127.0.0.1")).name == "test-model"


def test_localhost(serve: Serve) -> None:
    assert get_model(serve("localhost:0").address).name == "test-model"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("serve",), "required: --model"),
        (("serve", "--model", "m", "--port", "3"), "unrecognized arguments: --port 3"),
        (("score",), "invalid choice: 'score'"),
        (("serve", "--model", "MODEL", "--listen", "9999"), "'9999' is not an address; use HOST:PORT"),
        (("serve", "--model", "MODEL", "--listen", "127.0.0.1:99999"), "is not an address"),
        (("serve", "--model", "MODEL", "--listen", "127.0.0.1:x"), "is not an address"),
        (
            ("serve", "--model", "MODEL", "--max-message-bytes", "12"),
            "max_message_bytes: 12 is not between 65536 and 2147483647",
        ),
        (("serve", "--model", "MODEL", "--threads", "0"), "threads: 0 is not at least 1"),
        (("serve", "--model", "MODEL", "--tls-cert", "c"), "tls_cert, tls_key: a certificate needs its key"),
        (
            ("serve", "--model", "MODEL", "--tls-client-ca", "c"),
            "tls_client_ca: clients show certificates over TLS only",
        ),
        (("serve", "--model", "MODEL", "--token-file", "t"), "token_file: tokens are taken over TLS only"),
        (
            ("serve", "--model", "MODEL", "--tls-cert", "no", "--tls-key", "k"),
            "tls_cert: no: No such file or directory",
        ),
        (("serve", "--model", "MODEL", "--max-message-bytes", "64MiB"), "invalid int value: '64MiB'"),
    ],
)
def test_usage(arguments: tuple[str, ...], message: str, model_folder: Path) -> None:
    refused(64, message, *(str(model_folder) if word == "MODEL" else word for word in arguments))


def test_model_that_does_not_load(tmp_path: Path) -> None:
    refused(65, "does not exist; a model is a folder with", "serve", "--model", str(tmp_path / "absent"))
    folder = write_model(tmp_path / "bad", output_activation="gelu")
    refused(65, "output_activation 'gelu' is not supported", "serve", "--model", str(folder))
    folder = write_model(tmp_path / "cut")
    (folder / "model.safetensors").write_bytes(b"\0\0\0\0\x19\0\0\0")
    refused(65, "is not a whole safetensors file", "serve", "--model", str(folder))


def test_starts_fast(serve: Serve, sockets: Path) -> None:
    """Of CPU time, which does not depend on what else runs."""
    process = serve(f"unix:{sockets}/s")
    assert cpu_seconds(process) < 5


def test_a_traceback_is_one_line() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "a call\nfailed", (), None)
    try:
        int("of several\nlines")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = logs.TextFormatter("graphscore-server").format(record)
    assert "\n" not in line
    assert line.startswith("graphscore-server: error: a call | failed: Traceback")
    assert "ValueError: invalid literal" in line


def test_rules_of_the_connection() -> None:
    """What a test would need minutes to see: the rules for pings, and two servers on one port."""
    options = dict(channel_options(ServerOptions(max_message_bytes=1 << 20)))
    assert options["grpc.http2.min_ping_interval_without_data_ms"] == 5000
    assert options["grpc.keepalive_permit_without_calls"] == 1
    assert options["grpc.so_reuseport"] == 0
    assert options["grpc.max_receive_message_length"] == options["grpc.max_send_message_length"] == 1 << 20

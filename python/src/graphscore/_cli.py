"""The command line: `graphscore-server`, or `python -m graphscore`.

Imports numpy and grpc only once it is clear that they are needed, and after their settings are made.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

from graphscore import _converting, _exporting, _malloc
from graphscore._config import ModelError
from graphscore._exit_codes import BUG, MEMORY, NO_INPUT, UNAVAILABLE, USAGE
from graphscore._serving import lifeline, logs
from graphscore._serving.address import socket_path
from graphscore._serving.options import TOKENS_VARIABLE, OptionError, ServerOptions
from graphscore._terminal import answer, ensure, line, tell
from graphscore._version import __version__

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from graphscore._serving.server import Server
    from graphscore._serving.traces import Traces

_PROGRAM: Final = "graphscore-server"
_GRACE_SECONDS: Final = 10.0
_WORKER_GRACE_SECONDS: Final = 600.0
_STACK_BYTES: Final = 2 << 20
"""Of a thread: each open call has one, and the usual 8 MiB are what an address space may be short of."""
_ARENAS: Final = 8
"""Of the C library, for a server that others than its user can connect to."""
_LAST_SECONDS: Final = 4.0
"""After the grace: for calls that were ended, and for the spans that are not sent yet."""

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    ensure()
    options = _parser().parse_args(arguments)
    if options.command == "version":
        answer(f"graphscore {__version__}\n")
        return 0
    if options.command == "export":
        return _exporting.run(options)
    if options.command == "convert":
        return _converting.run(options)
    logs.start(_PROGRAM, options.log_format)
    return _serve(options)


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        (answer if file is sys.stdout else tell)(message)

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, line(f"{_PROGRAM}: error: {message} (see {_PROGRAM} --help)"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_PROGRAM,
        description="Scores graphs with a graph convolutional network, over gRPC, and exports models for it.",
        epilog="exit codes: 0 stopped by SIGTERM or SIGINT; 64 usage; 65 the model does not load;"
        " 69 cannot listen; 70 bug; 71 a request needs more memory than there is; 74 the output cannot be written",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve a model until SIGTERM or SIGINT")
    serve.add_argument(
        "--model",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder with config.json and model.safetensors",
    )
    serve.add_argument(
        "--listen",
        default=ServerOptions.listen,
        metavar="ADDR",
        help="HOST:PORT or unix:PATH (default: %(default)s)",
    )
    _add_access(serve)
    serve.add_argument(
        "--max-message-bytes",
        default=ServerOptions.max_message_bytes,
        type=int,
        metavar="N",
        help="largest message, both ways (default: 64 MiB)",
    )
    serve.add_argument(
        "--threads",
        default=min(ServerOptions.threads, _converting.cpus()),
        type=int,
        metavar="N",
        help="batches computed at the same time (default: one a CPU, up to 4; here %(default)s)",
    )
    serve.add_argument(
        "--lifeline-fd",
        type=int,
        metavar="FD",
        help="end when this file descriptor ends, that is, with its other holder",
    )
    serve.add_argument(
        "--log-format",
        default="auto",
        choices=logs.FORMATS,
        help="logs as text or json; auto is text on a terminal (default: %(default)s)",
    )
    _exporting.add_to(commands)
    _converting.add_to(commands)
    commands.add_parser("version", help="print the version")
    return parser


def _add_access(serve: argparse.ArgumentParser) -> None:
    """Add who may connect."""
    files = (
        ("--tls-cert", "certificate of the server in PEM, read anew when it changes; needs --tls-key"),
        ("--tls-key", "key of the certificate in PEM, without a password"),
        ("--tls-client-ca", "CAs in PEM: clients need a certificate of one of them"),
        (
            "--token-file",
            f"bearer tokens, one a line: calls need one of them (or in {TOKENS_VARIABLE})",
        ),
    )
    for flag, text in files:
        serve.add_argument(flag, type=Path, metavar="FILE", help=text)
    serve.add_argument(
        "--insecure", action="store_true", help="allow addresses that other machines can reach without TLS"
    )


def _serve(options: argparse.Namespace) -> int:
    stop = _stop_on_signals()
    threading.excepthook = _end_with_thread
    threading.stack_size(_STACK_BYTES)
    # One thread a process: the pool of processes is what uses the cores, and threads change bits.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    # grpc's own lines on stderr repeat what is logged here. A user may set it to see them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    private = options.lifeline_fd is not None or socket_path(options.listen) is not None
    _malloc.keep_freed_memory(1 if private else _ARENAS)
    _allow_connections()
    from graphscore._serving.traces import Traces  # noqa: PLC0415

    traces = Traces.from_environment()
    if options.lifeline_fd is not None:
        try:
            lifeline.watch(options.lifeline_fd, socket_path(options.listen), traces.stop)
        except OSError as error:
            return _fail(USAGE, f"--lifeline-fd {options.lifeline_fd}: {error.strerror}")
    from graphscore import _engines  # noqa: PLC0415
    from graphscore._serving import memory  # noqa: PLC0415
    from graphscore._serving.server import ServeError, Server  # noqa: PLC0415

    mapped = memory.inherited(os.environ)

    try:
        engine = _engines.load(options.model)
        server = Server(
            engine,
            ServerOptions(
                listen=options.listen,
                insecure=options.insecure,
                tls_cert=options.tls_cert,
                tls_key=options.tls_key,
                tls_client_ca=options.tls_client_ca,
                token_file=options.token_file,
                # Workers of a run inherit its environment; their sockets are private.
                token_environment=options.lifeline_fd is None and TOKENS_VARIABLE in os.environ,
                max_message_bytes=options.max_message_bytes,
                threads=options.threads,
                # A run has deadlines of its own, and takes health of its workers for a sign of life.
                stuck_seconds=ServerOptions.stuck_seconds if options.lifeline_fd is None else math.inf,
            ),
            traces,
            mapped,
        )
        server.start()
    except ModelError as error:
        return _fail(NO_INPUT, str(error))
    except OptionError as error:
        return _fail(USAGE, str(error))
    except ServeError as error:
        return _fail(UNAVAILABLE, str(error))
    except _engines.EngineError as error:
        return _fail(BUG, str(error))
    _log.info("serving %s (%s) on %s", engine.model.name, engine.model.digest, server.address)
    while not stop.wait(1):  # a signal that another thread receives, as after a stop and SIGCONT, does not end the wait
        pass
    return _end(server, traces, options.lifeline_fd, socket_path(options.listen))


def _end(server: Server, traces: Traces, lifeline_fd: int | None, socket: Path | None) -> int:
    """End the server and the process. The folder of `socket` is removed where the parent of a worker is gone."""
    # graphscore ends a worker of its own that takes too long; until then the calls that it has are answered.
    grace = _GRACE_SECONDS if lifeline_fd is None else _WORKER_GRACE_SECONDS
    # Whatever holds up the end of calls and connections, the process ends.
    last = threading.Timer(grace + _LAST_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()
    server.stop(grace)
    traces.stop()
    if lifeline_fd is not None and lifeline.ended(lifeline_fd):
        lifeline.remove(socket)  # while the parent lives, the successor of a worker needs the folder
    logging.shutdown()
    os._exit(0)  # a call that outlived its grace must not keep the process


def _allow_connections() -> None:
    """Open as many files as this user may: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop_on_signals() -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second one ends the process."""
    stop = threading.Event()

    def handle(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def _end_with_thread(failure: threading.ExceptHookArgs) -> None:
    """End the process with a thread that failed.

    It may be the one with which grpc receives every call, for which a request did not fit into the memory: such a
    server would go on for ever, and answer nobody.
    """
    short = issubclass(failure.exc_type, MemoryError)
    try:
        _log.error("a thread of the server ended: %s", "not enough memory" if short else failure.exc_type.__name__)
    finally:
        os._exit(MEMORY if short else BUG)


def _fail(code: int, message: str) -> int:
    _log.error("%s", message)
    return code

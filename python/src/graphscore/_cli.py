"""The command line: `graphscore-server`, or `python -m graphscore`.

Imports numpy and grpc only once it is clear that they are needed, and after their settings are made.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from graphscore import _converting, _exporting, _malloc
from graphscore._config import ModelError
from graphscore._serving import lifeline, logs
from graphscore._serving.address import socket_path
from graphscore._serving.options import OptionError, ServerOptions
from graphscore._version import __version__

_PROGRAM: Final = "graphscore-server"
_GRACE_SECONDS: Final = 10.0

EXIT_USAGE: Final = 64
EXIT_MODEL: Final = 65
EXIT_UNAVAILABLE: Final = 69
EXIT_BUG: Final = 70
EXIT_MEMORY: Final = 71

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "version":
        sys.stdout.write(f"graphscore {__version__}\n")
        return 0
    if options.command == "export":
        return _exporting.run(options)
    if options.command == "convert":
        return _converting.run(options)
    logs.start(_PROGRAM, options.log_format)
    return _serve(options)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{_PROGRAM}: error: {message} (see {_PROGRAM} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_PROGRAM,
        description="Scores graphs with a graph convolutional network, over gRPC, and exports models for it.",
        epilog="exit codes: 0 stopped by SIGTERM or SIGINT; 64 usage; 65 the model does not load;"
        " 69 cannot listen; 70 bug; 71 a request needs more memory than there is",
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
    serve.add_argument("--allow-remote", action="store_true", help="allow addresses that other machines can reach")
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


def _serve(options: argparse.Namespace) -> int:
    stop = _stop_on_signals()
    threading.excepthook = _end_with_thread
    # One thread a process: the pool of processes is what uses the cores, and threads change bits.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    # grpc's own lines on stderr repeat what is logged here. A user may set it to see them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    _malloc.keep_freed_memory()
    from graphscore._serving.traces import Traces  # noqa: PLC0415

    traces = Traces.from_environment()
    if options.lifeline_fd is not None:
        try:
            lifeline.watch(options.lifeline_fd, socket_path(options.listen), traces.stop)
        except OSError as error:
            return _fail(EXIT_USAGE, f"--lifeline-fd {options.lifeline_fd}: {error.strerror}")
    from graphscore import _engines  # noqa: PLC0415
    from graphscore._serving.server import ServeError, Server  # noqa: PLC0415

    try:
        engine = _engines.load(options.model)
        server = Server(
            engine,
            ServerOptions(
                listen=options.listen,
                allow_remote=options.allow_remote,
                max_message_bytes=options.max_message_bytes,
                threads=options.threads,
            ),
            traces,
        )
        server.start()
    except ModelError as error:
        return _fail(EXIT_MODEL, str(error))
    except OptionError as error:
        return _fail(EXIT_USAGE, str(error))
    except ServeError as error:
        return _fail(EXIT_UNAVAILABLE, str(error))
    except _engines.EngineError as error:
        return _fail(EXIT_BUG, str(error))
    _log.info("serving %s (%s) on %s", engine.model.name, engine.model.digest, server.address)
    stop.wait()
    server.stop(_GRACE_SECONDS)
    traces.stop()
    if options.lifeline_fd is not None:  # the parent may be gone by now
        lifeline.remove(socket_path(options.listen))
    logging.shutdown()
    os._exit(0)  # a call that outlived its grace must not keep the process


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
        os._exit(EXIT_MEMORY if short else EXIT_BUG)


def _fail(code: int, message: str) -> int:
    _log.error("%s", message)
    return code

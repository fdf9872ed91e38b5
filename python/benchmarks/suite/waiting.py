"""Commands that start once and then work whenever they are asked: of a rival whose start takes longer than its work."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final

from suite.processes import WAITING, CommandError, Watch, environment

_LONGEST: Final = 900.0  # seconds of an answer
_LEAVING: Final = 30.0


class Waiting(AbstractContextManager["Waiting"]):
    """Commands side by side, each of which prints a line of JSON when it is ready and one for each line it reads.

    Entering starts them and returns once all are ready; leaving closes their inputs, which is when they end.
    """

    def __init__(self, commands: Sequence[Sequence[str]], extra: Mapping[str, str]) -> None:
        self._commands = commands
        self._extra = extra
        self._running: list[subprocess.Popen[str]] = []
        self._files = ExitStack()
        self.startup_seconds = 0.0

    def __enter__(self) -> Waiting:
        begun = time.monotonic()
        with ExitStack() as files:
            self._said = files.enter_context(tempfile.TemporaryFile("w+"))
            for command in self._commands:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    text=True,
                    env=environment(self._extra),
                )
                WAITING.add(process.pid)
                self._running.append(process)
                files.callback(_end, process)
            self._answers()
            self._files = files.pop_all()
        self.startup_seconds = time.monotonic() - begun
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def ask(self, line: str, *, watch: bool = False) -> tuple[list[dict[str, Any]], int]:
        """Have all do what a line says; return their answers, and the peak of their memory in bytes if it is watched.

        Raises CommandError with what they wrote to stderr where one has ended or takes too long.
        """
        with Watch([process.pid for process in self._running]) if watch else contextlib.nullcontext() as looked:
            for process in self._running:
                if process.stdin:
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.write(line + "\n")
                        process.stdin.flush()
            answers = self._answers()
        return answers, looked.peak if looked else 0

    def _answers(self) -> list[dict[str, Any]]:
        late = threading.Timer(_LONGEST, self._kill)
        late.start()
        try:
            lines = [process.stdout.readline() if process.stdout else "" for process in self._running]
        finally:
            late.cancel()
        for process, text in zip(self._running, lines, strict=True):
            if not text:
                self._said.seek(0)
                ended = self._said.read().strip()[-2000:]
                raise CommandError(f"{process.args!r} ended before it answered: {ended}")
        return [json.loads(text) for text in lines]

    def _kill(self) -> None:
        for process in self._running:
            process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    """Close the input of a command and wait for it; kill it where that does not end it."""
    try:
        process.communicate(timeout=_LEAVING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    WAITING.discard(process.pid)

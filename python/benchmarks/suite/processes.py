"""Commands, and the CPU seconds and memory of all their processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36
_LEAVING_SECONDS = 20
WAITING: set[int] = set()
"""Processes of this one that no command leaves behind: those of suite.waiting."""


class CommandError(RuntimeError):
    """A command that is measured did not end well."""


@dataclass(frozen=True)
class Finished:
    """What became of commands that ran side by side."""

    outputs: list[str]
    """Standard output of each."""
    seconds: float
    """From the first start to the last end."""
    cpu_seconds: float
    """Of all processes."""
    peak_bytes: int
    """The largest sum of PSS (proportional set size) of all processes, 0 where it was not measured."""


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that theirs counts too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give every side one BLAS thread a process, as graphscore's workers have."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", **(extra or {})}


def children(pid: int) -> list[int]:
    """Return the processes that a process has begun or adopted."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it has gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) << 10


def cpu_seconds() -> float:
    """Return the CPU time of all children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Watch:
    """Looks at the memory of processes and their descendants until it is left; without `roots`, of all of this one's.

    `peak` is the largest sum of PSS (proportional set size) that was seen, in bytes.
    """

    def __init__(self, roots: Sequence[int] = ()) -> None:
        self.peak = 0
        self._roots = roots
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        me = os.getpid()
        while not self._done.wait(SAMPLE_SECONDS):
            with contextlib.suppress(OSError):
                found = {pid for root in self._roots or [me] for pid in family(root)} - {me}
                self.peak = max(self.peak, sum(map(pss, found)))


def execute(
    *commands: Sequence[str],
    watch: bool = False,
    extra: Mapping[str, str] | None = None,
    cores: set[int] | None = None,
    folder: Path | None = None,
    accept: Sequence[int] = (0,),
    timeout: float = 900,
) -> Finished:
    """Run commands side by side until all have ended. Raises CommandError with their output."""
    before, begun = cpu_seconds(), time.monotonic()
    with Watch() if watch else contextlib.nullcontext() as looked:
        running = [
            subprocess.Popen(
                ["taskset", "--cpu-list", ",".join(map(str, cores)), *command] if cores else command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(extra),
                cwd=folder,
            )
            for command in commands
        ]
        outputs = _communicate(running, begun + timeout)
        seconds = time.monotonic() - begun
        bury_orphans()
    for process, (_, err) in zip(running, outputs, strict=True):
        if process.returncode not in accept:
            ended = err.strip()[-2000:]
            raise CommandError(f"{' '.join(map(str, process.args))} exited with {process.returncode}: {ended}")  # type: ignore[arg-type]
    peak = looked.peak if isinstance(looked, Watch) else 0
    return Finished([out for out, _ in outputs], seconds, cpu_seconds() - before, peak)


def _communicate(running: list[subprocess.Popen[str]], until: float) -> list[tuple[str, str]]:
    """Wait for all, read side by side; stop what is not over in time."""
    outputs: list[tuple[str, str]] = [("", "")] * len(running)

    def read(i: int) -> None:
        try:
            outputs[i] = running[i].communicate(timeout=max(1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            running[i].kill()
            outputs[i] = running[i].communicate()

    readers = [threading.Thread(target=read, args=(i,)) for i in range(len(running))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return outputs


def bury_orphans() -> None:
    """Wait for adopted processes (see adopt_orphans), and end those that do not leave: daemons of the rivals."""
    until = time.monotonic() + _LEAVING_SECONDS
    while orphans := [pid for pid in children(os.getpid()) if pid not in WAITING]:
        for orphan in orphans:
            if time.monotonic() > until:
                for left in family(orphan):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(left, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(0.02)

"""What the benchmark ran on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def say(*command: str) -> str:
    """The output of a command in the project's folder, empty where it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def commit() -> str:
    """The commit that is measured, with a mark where files differ from it."""
    head = say("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    changed = say("git", "status", "--porcelain", "--", ":!.github/BENCHMARKS.md", ":!.github/benchmarks.svg")
    return f"{head} with changes" if changed else head


def facts() -> dict[str, str]:
    """Processor, memory, kernel and versions."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pyarrow", "grpcio"))
    return {
        "CPU": f"{cpu[1] if cpu else platform.processor()}, {cores()} cores",
        "memory": f"{int(memory[1]) / (1 << 20):.1f} GiB" if memory else "unknown",
        "kernel": platform.platform(),
        "Go": say("go", "env", "GOVERSION"),
        "Python": f"{platform.python_version()} with {packages}",
    }


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))

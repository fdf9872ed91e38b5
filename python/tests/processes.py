"""Servers that run as processes of their own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """A server that runs as `python -m graphscore serve`."""

    popen: subprocess.Popen[str]
    address: str
    first_line: str

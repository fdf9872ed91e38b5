"""Graphs that make what scores them fail, known by their first feature, and what each kind of them does.

On PYTHONPATH, sitecustomize.py beside this file puts them into any `python -m graphscore serve`. Without it such a
graph is a graph like any other.
"""

import ctypes
import itertools
import os
import signal
import time
from collections import deque


def _raise():
    raise RuntimeError("a poisonous graph")


def _memory():
    raise MemoryError


_kept = []


def _swell():
    _kept.append(b"x" * (300 << 20))
    time.sleep(3)  # much longer than between two looks at the memory of a worker


KINDS = {
    "raise": _raise,
    "exit": lambda: os._exit(3),
    "segv": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "memory": _memory,
    # A call that never ends; others go on.
    "hang": lambda: time.sleep(float(os.environ.get("POISON_HANG", "3600"))),
    # The lock of the interpreter is held, by what computes or by what sleeps.
    "spin": lambda: deque(itertools.repeat(None), maxlen=0),
    "deadlock": lambda: ctypes.PyDLL(None).sleep(3600),
    # What it took is never returned, and the graph is scored.
    "swell": _swell,
}


def marker(kind):
    """The first feature of a graph of a kind."""
    return 1000003.0 + list(KINDS).index(kind)


def taste(features):
    """Do what the first poisonous graph among the rows of features does."""
    for kind, effect in KINDS.items():
        if (features[:, 0] == marker(kind)).any():
            effect()

"""A server that ends with the process that started it, however that one ended.

The parent holds the write end of a pipe and passes the read end on. When the parent is gone, even by SIGKILL,
the kernel closes the write end and the read below returns. (PR_SET_PDEATHSIG would follow the thread that
started the server, not its process.)
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from pathlib import Path


def watch(descriptor: int, socket: Path | None, finish: Callable[[], None] = lambda: None) -> None:
    """Start a thread that ends the process when `descriptor` ends, removing `socket`, and after `finish`.

    Raises OSError if the descriptor is not open. The process ends at once, whatever it was doing:
    nobody is left to receive a result.
    """
    os.fstat(descriptor)
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_wait, args=(descriptor, socket, finish), name="lifeline", daemon=True).start()


def _wait(descriptor: int, socket: Path | None, finish: Callable[[], None]) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        pass  # the same as its end
    remove(socket)
    try:
        finish()
    finally:
        os._exit(0)


def ended(descriptor: int) -> bool:
    """Report whether the parent is gone."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def remove(socket: Path | None) -> None:
    """Remove a socket, and the folder that the parent made for it if this was the last one."""
    try:
        if socket is not None:
            socket.unlink(missing_ok=True)
            if socket.parent.name.startswith("graphscore-"):
                socket.parent.rmdir()
    except OSError:
        pass  # not empty, or of another user; nobody reads an error any more

"""What commands print: no text of a file, and of no library that repeats one, commands a terminal.

Whatever becomes of the streams, a command ends with a code that says how: see `answer` and `tell`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Final, TextIO

from graphscore._exit_codes import INPUT_OUTPUT

# Control characters but newline and tab, marks that turn the direction of writing, and other ends of lines: the same as
# display.Harmless of the Go side escapes.
_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


_STDERR: Final = 2
"""The last of the standard streams."""


def harmless(text: str) -> str:
    r"""Return a text with what a terminal could take as a command as \u001b: JSON stays JSON."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def ensure() -> None:
    """Open the null device for each standard stream that is closed: else a file of data would be one."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as there is a process


def answer(text: str) -> None:
    """Write a result to stdout, at once.

    Raises:
        SystemExit: it cannot be written. A reader that leaves is no error.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))  # names of files may be no text
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        tell(line(f"graphscore: standard output cannot be written: {error.strerror or error}"))
        raise SystemExit(INPUT_OUTPUT) from None


def tell(text: str) -> None:
    """Write to stderr. Where nothing can be written, the exit code has to do."""
    with contextlib.suppress(OSError, RuntimeError):  # a signal may come within another write
        sys.stderr.write(text)
        sys.stderr.flush()


def _drop(stream: TextIO) -> None:
    """Let what is left in a stream go nowhere, or the interpreter would write it at its end, and fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def line(text: str) -> str:
    """Return a text of one line, harmless, with the end of a line."""
    return harmless(text.replace("\n", "\\n")) + "\n"

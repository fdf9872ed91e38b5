"""The exit codes of the commands of this package; those of `graphscore` with the same meaning have the same number."""

from __future__ import annotations

from typing import Final

PARTLY: Final = 3
"""Done, but for rows that were rejected."""
USAGE: Final = 64
"""The command line cannot be understood."""
NO_INPUT: Final = 65
"""A model does not load or cannot be exported, or an input is no table of molecules."""
NOT_THERE: Final = 66
"""An input does not exist."""
UNAVAILABLE: Final = 69
"""The server cannot listen, or a library that the command needs is not installed."""
BUG: Final = 70
"""An error of this program."""
MEMORY: Final = 71
"""A request, or some rows, need more memory than there is."""
CANNOT_CREATE: Final = 73
"""The output cannot be written."""
INPUT_OUTPUT: Final = 74
"""Reading failed, or a result cannot be written to standard output."""
LOCKED: Final = 75
"""Another command writes to the output: try again later."""
REFUSED: Final = 78
"""The output has parts of other settings or rows."""
INTERRUPTED: Final = 130
"""SIGINT ended the command."""
TERMINATED: Final = 143
"""SIGTERM ended the command."""

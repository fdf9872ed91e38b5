"""What an export that cannot be exact ends with, and what one that could be compared only in part says."""

from __future__ import annotations

from graphscore._terminal import harmless


class ExportError(Exception):
    """A module that cannot be exported; the message names the step, the line of its forward, and what to do.

    It may repeat bytes of a file, and commands no terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(harmless(message))


class ExportWarning(UserWarning):
    """Graphs that the module does not score and the folder does; the message names their kind and what to do."""

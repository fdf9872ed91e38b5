"""What an export that cannot be exact ends with, and what one that could be compared only in part says."""

from __future__ import annotations


class ExportError(Exception):
    """A module that cannot be exported; the message names the step, the line of its forward, and what to do."""


class ExportWarning(UserWarning):
    """Graphs that the module does not score and the folder does; the message names their kind and what to do."""

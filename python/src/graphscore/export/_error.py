"""What an export that cannot be exact ends with."""

from __future__ import annotations


class ExportError(Exception):
    """A module that cannot be exported; the message names the step, the line of its forward, and what to do."""

"""What an export returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exported:
    """A model folder that from_pyg wrote."""

    folder: Path
    level: str
    """'node', 'edge' or 'graph'."""
    inputs: Mapping[str, int | bool]
    """How wide each column is that the model reads; edge_type: how many types; 0 or False: it does not read it."""
    outputs: tuple[str, ...]
    """The names of the scores."""
    warnings: tuple[str, ...]
    """Kinds of graphs that the folder scores, and the module, called with one alone, does not; ExportWarning each."""

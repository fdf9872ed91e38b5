"""What a traced module computes with, as far as an export must know it.

Rows are tensors whose first dimension counts nodes, edges or graphs; everything behind it, the *trail*, has the same
sizes for every graph. All else is an index, a count, or a constant (a Python number or a torch.Tensor).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["node", "edge", "graph"]
End: TypeAlias = Literal["source", "target"]

PLURALS: Final[dict[str, str]] = {"node": "nodes", "edge": "edges", "graph": "graphs"}
"""The kinds for messages."""


@dataclass(frozen=True)
class Rows:
    """A tensor with a row for every node, edge or graph."""

    step: str
    """The input or step that computes it."""
    kind: Kind
    trail: tuple[int, ...]
    """Sizes of the dimensions behind the one of the rows."""
    lead: bool = True
    """Whether there is a dimension of rows; False only for one graph, as x.mean(dim=0) returns it."""
    pick: tuple[int, ...] | None = None
    """The columns of the step that the trail shows, in row-major order; None: all of them."""
    integer: bool = False
    """Whether the tensor has an integer type: whole numbers of the input."""
    cut: bool = False
    """Whether the conversion to that type may have cut decimals off."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return math.prod(self.trail)

    @property
    def dims(self) -> int:
        """Dimensions of the tensor."""
        return len(self.trail) + self.lead


@dataclass(frozen=True)
class EdgeIndex:
    """The tensor [2, E] of sources and targets."""


@dataclass(frozen=True)
class EdgeEnd:
    """One row of it: a node for every edge."""

    end: End


@dataclass(frozen=True)
class GraphOf:
    """The tensor `batch`: the graph of every node, or of every edge where it was indexed by an end of the edges."""

    kind: Kind


@dataclass(frozen=True)
class Count:
    """How many nodes, edges or graphs there are; `last` is one less, as batch.max() returns it."""

    kind: Kind
    last: bool = False


@dataclass(frozen=True)
class Filled:
    """Rows that all hold one number, as torch.zeros_like returns them."""

    number: float
    kind: Kind
    trail: tuple[int, ...]

    @property
    def is_batch(self) -> bool:
        """Whether it is a batch vector that forward makes itself: all nodes are of graph 0."""
        return self.number == 0 and self.kind != "graph" and not self.trail


@dataclass(frozen=True)
class Stacked:
    """Rows of one kind and trail that torch.stack put behind each other in a new first dimension."""

    parts: tuple[Rows, ...]


@dataclass(frozen=True)
class Unknown:
    """A value that has no equal in a model folder. Only its use is an error."""

    reason: str
    """A sentence for the error."""


Value: TypeAlias = Any
"""Rows, an index, a count, Filled, Stacked, Unknown, a torch.Tensor, a Python value, or a container of these."""

"""What an operation is: how a step of it is read from a model folder, and how it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from graphscore._activations import Activation
from graphscore._arrays import Floats
from graphscore._batch import Level
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._products import Finish, Product

Function: TypeAlias = Callable[[Sequence[Floats], Graphs], Floats]
"""The values that a step takes, in the order in which its reader asked for them, and the graphs -> its own value.

Values are float32, row-major and aligned: a row a node [N, C], an edge [E, C] or a graph [G, C]. The result is a
new array, or the first value where the step `consumes` it; no other argument may be changed. A graph's rows must not
depend on other graphs, to the bit; G may be any number, and graphs without nodes and edges may be among them.
"""


Finishing: TypeAlias = Callable[[Sequence[Floats], Graphs, Finish | None], Floats]
"""A function whose rows are made by a `Finish` while they are near the processor, or as they are for None."""

Rowwise: TypeAlias = Callable[[Floats, Sequence[Floats]], None]
"""Changes some rows of the first value of an elementwise step, [n, C] and row-major, to those of its result.

It is given the same rows of the other values. The bits are those that the function of the step returns.
"""


class Compiler(Protocol):
    """Makes what computes, each tried at every place of an array first."""

    def product(self, matrix: Floats, /) -> Product:
        """Return a place-invariant product of rows [N, k] with a matrix [k, n]."""

    def products(self, matrices: Sequence[Floats], /) -> Callable[[Floats], tuple[Floats, ...]]:
        """Return the place-invariant products of the same rows with several matrices [k, n], each a new array."""

    def tested(self, name: str, function: Activation, /) -> Activation:
        """Return an elementwise function that is place-invariant on this machine; the name is for messages."""


@dataclass(frozen=True)
class Step:
    """A step, read and checked."""

    kind: Level
    """What a row of its value belongs to."""
    width: int
    """Columns of its value."""
    compile: Callable[[Compiler], Function]
    """Returns the function that computes it."""
    finishing: Callable[[Compiler], Finishing] | None = None
    """Returns the same function, where it can make its rows by those of steps that follow it."""
    rowwise: Callable[[Compiler], Rowwise] | None = None
    """Returns the same function for some rows at a time, where each element follows from those at its place."""
    consumes: bool = False
    """The function writes into its first value, which is then used up."""
    edge_width: int = 0
    """How many values an edge it needs room for while it computes."""
    categories: tuple[tuple[int, int], ...] = ()
    """Columns of its first value, which is one of the request, and how many categories, from 0, each may have."""
    paired: bool = False
    """It wants graphs in which every edge has a reverse with the same features."""


def unfinished(compile_: Callable[[Compiler], Finishing]) -> Callable[[Compiler], Function]:
    """Return what makes the same function, with its rows as they are."""

    def plain(compiler: Compiler) -> Function:
        function = compile_(compiler)
        return lambda values, graphs: function(values, graphs, None)

    return plain


@dataclass(frozen=True)
class Operation:
    """An operation: the keys of its steps beside `name`, `op` and `inputs`, and their reader.

    The reader asks the StepSpec for each of the keys; any other key of a step is an error.
    """

    read: Callable[[StepSpec], Step]
    keys: frozenset[str] = frozenset()
    inputs: tuple[int, int] = (1, 1)
    """The smallest and the largest number of names in `inputs`."""

"""The steps of a network, compiled to be run in order; a value is dropped after its last use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._network import SLOTS, Network
from graphscore._ops import Compiler, Function


@dataclass(frozen=True)
class _Call:
    function: Function
    slots: tuple[int, ...]
    copied: bool  # the function writes into its first value, which others need too
    result: int
    dropped: tuple[int, ...]


class Program:
    """Computes a network for one chunk of graphs at a time. Safe for use from several threads.

    Args:
        network: what to compute.
        compiler: makes products and tests functions; its errors are not caught.
    """

    def __init__(self, network: Network, compiler: Compiler) -> None:
        last: dict[int, int] = {}
        for place, placed in enumerate(network.steps):
            last.update(dict.fromkeys(placed.slots, place))
        kept = len(SLOTS) + len(network.steps) - 1
        columns = set(SLOTS.values()) - {SLOTS["x"]}  # what is derived from them is kept for later steps
        calls = []
        for place, placed in enumerate(network.steps):
            first = placed.slots[0]
            shared = last[first] > place or first in columns or first in placed.slots[1:]
            dropped = {slot for slot in placed.slots if last[slot] == place}
            calls.append(
                _Call(
                    placed.step.compile(compiler),
                    placed.slots,
                    placed.step.consumes and shared,
                    len(SLOTS) + place,
                    tuple(sorted(dropped)),
                )
            )
        self._calls = tuple(calls)
        self._output = kept
        names = {slot: name for name, slot in SLOTS.items()}
        self.columns: Final = frozenset(names[slot] for slot in last if slot in names)
        """The columns of the request that `run` must be given."""

    def run(self, columns: Mapping[str, Floats], graphs: Graphs) -> Floats:
        """Return the value of the last step: a row a node, an edge or a graph of the chunk, which the caller owns.

        The columns have one row each a node, an edge or a graph, and are row-major; x is used up.
        """
        values = {SLOTS[name]: column for name, column in columns.items()}
        for call in self._calls:
            taken = [values[slot] for slot in call.slots]
            if call.copied:
                taken[0] = taken[0].copy()
            for slot in call.dropped:
                del values[slot]
            values[call.result] = call.function(taken, graphs)
        return values[self._output]

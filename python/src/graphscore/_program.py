"""The steps of a network, compiled to be run in order; a value is dropped after its last use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._network import SLOTS, Network
from graphscore._ops import Compiler, Finishing, Rowwise, Step
from graphscore._products import Finish


@dataclass(frozen=True)
class _Call:
    function: Finishing
    slots: tuple[int, ...]
    copied: bool  # the function writes into its first value, which others need too
    result: int
    dropped: tuple[int, ...]
    after: tuple[tuple[Rowwise, tuple[int, ...]], ...] = ()  # steps that make the rows, and their other values


class Program:
    """Computes a network for one chunk of graphs at a time. Safe for use from several threads.

    Args:
        network: what to compute.
        compiler: makes products and tests functions; its errors are not caught.
        places: the steps that are computed; default: all.
        held: the numbers of values of steps that `run` is given, or returns, beside others: they are not changed.
    """

    def __init__(
        self,
        network: Network,
        compiler: Compiler,
        places: Sequence[int] | None = None,
        held: frozenset[int] = frozenset(),
    ) -> None:
        self._steps = {
            place: network.steps[place] for place in (range(len(network.steps)) if places is None else places)
        }
        self._functions = {place: _function(placed.step, compiler) for place, placed in self._steps.items()}
        self._rowwise = {
            place: placed.step.rowwise(compiler)
            for place, placed in self._steps.items()
            if placed.step.rowwise is not None
        }
        self._held = held
        self._calls = self._schedule(held)
        self._output = _output(network)
        names = {slot: name for name, slot in SLOTS.items()}
        used = {slot for placed in self._steps.values() for slot in placed.slots}
        self.columns: Final = frozenset(names[slot] for slot in used if slot in names)
        """The columns of the request that `run` must be given."""

    def run(self, columns: Mapping[str, Floats], graphs: Graphs, given: Mapping[int, Floats] | None = None) -> Floats:
        """Return the value of the last step: a row a node, an edge or a graph of the chunk, which the caller owns.

        The columns have one row each a node, an edge or a graph, and are row-major; x is used up.
        """
        return self.values(columns, graphs, given)[self._output]

    def values(
        self, columns: Mapping[str, Floats], graphs: Graphs, given: Mapping[int, Floats] | None = None
    ) -> dict[int, Floats]:
        """Return, by their numbers, the values that no step of this program takes."""
        return _run(self._calls, columns, graphs, given or {})

    def run_keeping(self, place: int, columns: Mapping[str, Floats], graphs: Graphs) -> tuple[Floats, Floats]:
        """Return what `run` does, and the value of the step at a place, with the bits that it has in any case."""
        kept = len(SLOTS) + place
        values = _run(self._schedule(self._held | {kept}), columns, graphs, {})
        return values[self._output], values[kept]

    def _schedule(self, held: frozenset[int]) -> tuple[_Call, ...]:
        """Return the calls, after which there are the values of `held` and those that no step takes."""
        runs = self._runs(held)
        takes = [[slot for at in run for slot in self._steps[at].slots if slot not in _results(run)] for run in runs]
        last = {slot: index for index, slots in enumerate(takes) for slot in slots}
        columns = set(SLOTS.values()) - {SLOTS["x"]} | held  # what is derived from them is kept for later steps
        calls = []
        for index, (run, slots) in enumerate(zip(runs, takes, strict=True)):
            placed, first = self._steps[run[0]], slots[0]
            shared = last[first] > index or first in columns or first in slots[1:]
            calls.append(
                _Call(
                    self._functions[run[0]],
                    placed.slots,
                    placed.step.consumes and shared,
                    len(SLOTS) + run[-1],
                    tuple(sorted({slot for slot in slots if last[slot] == index} - held)),
                    tuple((self._rowwise[at], self._steps[at].slots[1:]) for at in run[1:]),
                )
            )
        return tuple(calls)

    def _runs(self, held: frozenset[int]) -> list[list[int]]:
        """Return the steps in order, each with those that make its rows: nothing else needs what is between them."""
        users: dict[int, list[int]] = {}
        for place, placed in self._steps.items():
            for slot in placed.slots:
                users.setdefault(slot, []).append(place)
        runs: list[list[int]] = []
        later = set(_results(self._steps))
        for place, placed in self._steps.items():
            if len(SLOTS) + place not in later:
                continue
            run = [place]
            while placed.step.finishing is not None and len(SLOTS) + run[-1] not in held:
                after = users.get(len(SLOTS) + run[-1], [])
                if len(after) != 1 or not self._follows(run[-1], after[0], later):
                    break
                run += after
            runs.append(run)
            later -= set(_results(run))
        return runs

    def _follows(self, place: int, after: int, later: set[int]) -> bool:
        """Return whether a step can make rows of the one at a place: of all that it takes, only that is not there."""
        first, *others = self._steps[after].slots
        return after in self._rowwise and first == len(SLOTS) + place and later.isdisjoint(others)


def _results(places: Iterable[int]) -> list[int]:
    """Return the numbers of the values of steps."""
    return [len(SLOTS) + place for place in places]


def _run(
    calls: Sequence[_Call], columns: Mapping[str, Floats], graphs: Graphs, given: Mapping[int, Floats]
) -> dict[int, Floats]:
    """Return the values that the calls leave, by slot."""
    values = {SLOTS[name]: column for name, column in columns.items()} | dict(given)
    for call in calls:
        taken = [values[slot] for slot in call.slots]
        if call.copied:
            taken[0] = taken[0].copy()
        finish = _finish([(change, [values[slot] for slot in slots]) for change, slots in call.after])
        for slot in call.dropped:
            del values[slot]
        values[call.result] = call.function(taken, graphs, finish)
    return values


def _function(step: Step, compiler: Compiler) -> Finishing:
    """Return the function of a step, with the rows that it is to have only where the step can make them."""
    if step.finishing is not None:
        return step.finishing(compiler)
    function = step.compile(compiler)
    return lambda values, graphs, _: function(values, graphs)


def _finish(after: Sequence[tuple[Rowwise, Sequence[Floats]]]) -> Finish | None:
    """Return what changes rows by one step after the other; None where there is none."""
    if not after:
        return None

    def finish(rows: Floats, where: slice) -> None:
        for change, others in after:
            change(rows, [other[where] for other in others])

    return finish


class Ensemble:
    """Computes several networks of the same steps; what follows from the input alone in all of them, once.

    Args:
        networks: the networks, one or more, of one configuration.
        compiler: makes products and tests functions; its errors are not caught.
    """

    def __init__(self, networks: Sequence[Network], compiler: Compiler) -> None:
        common = _common(networks)
        rest = [place for place in range(len(networks[0].steps)) if place not in common]
        taken = {slot for place in rest for slot in networks[0].steps[place].slots} | {_output(networks[0])}
        self._held = frozenset(len(SLOTS) + place for place in common) & taken
        self._first = Program(networks[0], compiler, common, self._held)
        self._members = [Program(network, compiler, rest, self._held) for network in networks]

    def run(self, columns: Callable[[Collection[str]], dict[str, Floats]], graphs: Graphs) -> list[Floats]:
        """Return the value of the last step of each network, which the caller owns.

        `columns` returns the columns of some names, as `Program.run` takes them; x is used up each time.
        """
        values = self._first.values(columns(self._first.columns), graphs)
        given = {slot: values[slot] for slot in self._held}
        return [member.run(columns(member.columns), graphs, given) for member in self._members]

    def run_keeping(
        self, place: int, columns: Callable[[Collection[str]], dict[str, Floats]], graphs: Graphs
    ) -> tuple[Floats, Floats]:
        """Return what `Program.run_keeping` does, of a model that has one network."""
        (network,) = self._members
        return network.run_keeping(place, columns(network.columns), graphs)


def _common(networks: Sequence[Network]) -> list[int]:
    """Return the places of the steps that have the same value in all networks, where there are several."""
    common: list[int] = []
    slots = set(SLOTS.values())
    for place, steps in enumerate(zip(*(network.steps for network in networks), strict=True)):
        first, *others = steps
        same = all(_equal(first.tensors, other.tensors) for other in others)
        if others and same and slots.issuperset(first.slots):
            common.append(place)
            slots.add(len(SLOTS) + place)
    return common


def _equal(some: Sequence[Floats], others: Sequence[Floats]) -> bool:
    return all(one.tobytes() == other.tobytes() for one, other in zip(some, others, strict=True))


def _output(network: Network) -> int:
    return len(SLOTS) + len(network.steps) - 1

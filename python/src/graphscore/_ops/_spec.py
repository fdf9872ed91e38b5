"""What an operation reads of its step in config.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphscore._arrays import Floats
from graphscore._batch import Level
from graphscore._config import ModelError, Section, printable, show
from graphscore._graphs import Graphs
from graphscore._tensors import Tensors

EDGE_WEIGHT: Final = "edge_weight"


@dataclass(frozen=True)
class Value:
    """An input of the model, or what an earlier step returns."""

    kind: Level
    width: int
    slot: int
    """Its number among the values of the model."""
    source: str
    """Where the width comes from, e.g. 'in_features is 16'."""
    column: str = ""
    """The name of the column of the request that it is; empty for a step."""

    @property
    def said(self) -> str:
        """Itself for a message, e.g. "step 'h' (gcn) returns 8 values a node"."""
        return f"{self.source} values {_any([self.kind])}"


@dataclass(frozen=True)
class Scope:
    """The names that a step may use.

    Attributes:
        values: inputs and earlier steps.
        hidden: other names of the model, and why a step cannot use them.
    """

    values: Mapping[str, Value]
    hidden: Mapping[str, str]

    def find(self, section: Section, key: str, name: object) -> Value:
        """Return the value of that name. Raises ModelError naming section, key and name."""
        if isinstance(name, str) and name in self.values:
            return self.values[name]
        if not isinstance(name, str) or not name:
            raise section.error(f"{key}: expected the name of an input or of an earlier step, got {show(name)}")
        why = self.hidden.get(name, "is neither an input nor a step")
        raise section.error(f"{key}: {show(name)} {why}; a step takes inputs and earlier steps")


@dataclass(frozen=True)
class EdgeWeights:
    """Where a step takes the weights of edges from: the request, a value of the step, or nowhere."""

    requested: bool = False
    place: int | None = None

    def of(self, values: Sequence[Floats], graphs: Graphs) -> Floats | None:
        """Return the weights, [E], or None: every edge weighs 1."""
        if self.place is not None:
            return values[self.place].reshape(-1)
        return graphs.weights if self.requested else None


class StepSpec(Section):
    """One step, the values that it takes and the tensors that it names.

    Numbers, flags and choices are read as in any section. Tensors are read with names for their dimensions:
    `weight("weight", "out", "in")`. Tensors of one step that share the name of a dimension must have one size
    there, and `in` is the width of the step's first value; both are checked here and nowhere else, before
    values are read. Every error is a ModelError that names step, key and value.

    Args:
        path, where, entry: see Section.
        tensors: the weights of the model.
        inputs: the values that `inputs` of the step names.
        scope: what other keys may name.
    """

    def __init__(
        self,
        path: Path,
        where: str,
        entry: object,
        tensors: Tensors,
        *,
        inputs: Sequence[Value] = (),
        scope: Scope | None = None,
    ) -> None:
        super().__init__(path, where, entry)
        self._tensors = tensors
        self._scope = scope or Scope({}, {})
        self._sizes: dict[str, tuple[int, str]] = {}  # of each named dimension, and the key that set it
        self._bound = {"in": inputs[0]} if inputs else {}
        self.inputs: Final = tuple(inputs)
        self.taken: Final = list(inputs)
        """The values that the step's function is called with."""
        self.tensors: Final[list[Floats]] = []
        """The tensors that were asked for, in that order."""
        self.uses_weights = False
        """The step takes the request's edge weights."""

    def value(self, place: int, *kinds: Level) -> Value:
        """Return an input; where kinds are named, it must be of one of them."""
        value = self.inputs[place]
        if kinds and value.kind not in kinds:
            raise self.error(f"inputs[{place}]: {value.said}, expected values {_any(kinds)}")
        return value

    def same(self) -> Value:
        """Return the first input; all of them must be of its kind and width."""
        first = self.inputs[0]
        for place, value in enumerate(self.inputs):
            self.value(place, first.kind)
            if value.width != first.width:
                raise self.error(f"inputs[{place}]: {value.said}, but {first.said}; they must be as many")
        return first

    def optional_value(self, key: str, kind: Level, dimension: str = "") -> tuple[int, Value] | None:
        """Return the value that is named under `key` and its place among those of the function; None if absent.

        A dimension of tensors with the name `dimension` has its width from now on.
        """
        name = self.get(key)
        if name is None:
            return None
        value = self._scope.find(self, key, name)
        if value.kind != kind:
            raise self.error(f"{key}: {value.said}, expected values {_any([kind])}")
        if dimension:
            self._bound[dimension] = value
        self.taken.append(value)
        return len(self.taken) - 1, value

    def value_of(self, key: str, kind: Level, dimension: str = "") -> tuple[int, Value]:
        """Return what `optional_value` does, for a key that must be there."""
        found = self.optional_value(key, kind, dimension)
        if found is None:
            raise self.error(f"{key} must name values {_any([kind])}")
        return found

    def edge_weights(self) -> EdgeWeights:
        """Return where the weights of edges come from: the key `edge_weight`, absent for none."""
        name = self.get(EDGE_WEIGHT)
        if name is None:
            return EdgeWeights()
        value = self._scope.find(self, EDGE_WEIGHT, name)
        if value.column == EDGE_WEIGHT:
            self.uses_weights = True
            return EdgeWeights(requested=True)
        if value.kind != "edge" or value.width != 1:
            raise self.error(f"edge_weight: {value.said}, expected one value an edge")
        self.taken.append(value)
        return EdgeWeights(place=len(self.taken) - 1)

    def bind(self, dimension: str, size: int, key: str) -> None:
        """Fix the size of a dimension of the tensors that are read from now on; `key` says why in messages."""
        self._sizes[dimension] = (size, key)

    def weight(self, key: str, *dimensions: str) -> Floats:
        """Return the tensor that is named under `key`: read-only, finite float32, with these dimensions."""
        value = self.optional_weight(key, *dimensions)
        if value is None:
            raise self.error(f"{key} must name a tensor")
        return value

    def optional_weight(self, key: str, *dimensions: str) -> Floats | None:
        """Return the tensor that is named under `key`, or None where the key is absent or null."""
        name = self.get(key)
        return None if name is None else self._tensor(key, name, dimensions)

    def weights(self, key: str, *dimensions: str) -> tuple[Floats, ...]:
        """Return the tensors that a list under `key` names, one or more.

        A dimension that ends in '#' may have another size in each of them.
        """
        return tuple(
            self._tensor(f"{key}[{i}]", name, tuple(d.replace("#", f" {i}") for d in dimensions))
            for i, name in enumerate(self.items(key))
        )

    def counts(self, key: str, below: int) -> tuple[int, ...]:
        """Return a list of one or more integers from 0 to below - 1."""
        result = []
        for place, number in enumerate(self.items(key)):
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < below:
                raise self.error(f"{key}[{place}]: expected an integer from 0 to {below - 1}, got {show(number)}")
            result.append(number)
        return tuple(result)

    def _tensor(self, key: str, name: object, dimensions: tuple[str, ...]) -> Floats:
        if not isinstance(name, str) or not name:
            raise self.error(f"{key} must name a tensor, got {show(name)}")
        where = f"{self._where}, {key}"
        self._fit(key, name, dimensions, self._tensors.shape(name, where, dimensions))
        self.tensors.append(self._tensors.read(name, where))
        return self.tensors[-1]

    def _fit(self, key: str, name: str, dimensions: tuple[str, ...], shape: tuple[int, ...]) -> None:
        """Compare a shape with those of the tensors before it and with what the step is given."""
        sizes = dict(zip(dimensions, shape, strict=True))
        expected = [self._sizes.get(dimension, (size, key)) for dimension, size in sizes.items()]
        hint = self._transposed(name, dimensions, shape)
        for size, (wanted, other) in zip(shape, expected, strict=True):
            if size != wanted:
                raise self.error(
                    f"{key} {name!r} has shape {list(shape)}, expected {[size for size, _ in expected]}"
                    f" to match {other}{hint}"
                )
        for dimension, value in self._bound.items():
            if sizes.get(dimension, value.width) != value.width:
                raise ModelError(
                    f"{self._path}: {self._where} takes {sizes[dimension]} values {_any([value.kind])},"
                    f" but {value.source}{hint}"
                )
        self._sizes |= dict(zip(dimensions, expected, strict=True))

    def _transposed(self, name: str, dimensions: tuple[str, ...], shape: tuple[int, ...]) -> str:
        """Return what to do about a tensor that does not fit, where its transpose would; else nothing."""
        known = {dimension: size for dimension, (size, _) in self._sizes.items()}
        known |= {dimension: value.width for dimension, value in self._bound.items()}
        reverse = zip(dimensions, reversed(shape), strict=True)
        if set(dimensions) != {"out", "in"} or any(known.get(key, size) != size for key, size in reverse):
            return ""
        return (
            f"; {printable(name)} is {list(shape)} and its transpose would fit: weights are [out, in], this one is"
            " [in, out], so save it transposed"
        )


def _any(kinds: Sequence[Level]) -> str:
    return " or ".join(f"a {kind}" for kind in kinds).replace("a edge", "an edge")

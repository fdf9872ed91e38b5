"""The steps of a model, read from config.json and one file of weights; every name, kind and width is checked.

`graphscore/2` lists its steps; a layer of `graphscore/1` is a convolution and the activation that follows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from graphscore._arrays import Floats
from graphscore._batch import Level
from graphscore._config import Section, printable, show
from graphscore._ops import EDGE_WEIGHT, OPERATIONS, Scope, Step, StepSpec, Value
from graphscore._tensors import Tensors

COLUMNS: Final[Mapping[str, Level]] = {
    "x": "node",
    "edge_attr": "edge",
    "edge_type": "edge",
    "graph_attr": "graph",
    "edge_weight": "edge",
}
"""The columns of a request that a model may read, and what a row of each belongs to."""

SLOTS: Final = {name: slot for slot, name in enumerate(COLUMNS)}
"""The number of each column among the values of a model; those of the steps follow."""

LAYER_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "gcn": frozenset({"weight", "bias"}),
    "sage": frozenset({"neighbor", "bias", "root"}),
}
"""The layers of graphscore/1, and the tensors of each."""

_STEP_KEYS: Final = frozenset({"name", "op", "inputs"})


@dataclass(frozen=True)
class Category:
    """A column of the request that has categories: whole numbers from 0 to size - 1."""

    column: str
    """x, edge_attr, edge_type or graph_attr."""
    number: int
    """Which of its values, from 0."""
    size: int


@dataclass(frozen=True, eq=False)
class PlacedStep:
    """A step and the values that it takes."""

    where: str
    """Its name for messages, e.g. "step 'h1' (gcn)"."""
    op: str
    step: Step
    slots: tuple[int, ...]
    """The numbers of the values that its function is called with. Its own is that of its place in the network."""
    weighted: bool
    """It takes the request's edge weights, beside its values."""
    name: str = ""
    """Its name in config.json; empty for layers, which have none."""
    tensors: tuple[Floats, ...] = ()
    """What of the weights it depends on."""


@dataclass(frozen=True, eq=False)
class Network:
    """What computes a model: steps in order, each of which takes inputs of the model and earlier steps.

    The first values are the columns of the request, see SLOTS; the value of step i has the number len(SLOTS) + i.
    The last step is the output.
    """

    steps: tuple[PlacedStep, ...]
    categories: frozenset[Category]
    paired: bool = False
    """Graphs with an edge that has no reverse with the same features are not scored."""

    def until(self, place: int) -> Network:
        """Return the network whose output is the step at a place: that step and those that it needs."""
        needed = {len(SLOTS) + place}
        for at in range(place, -1, -1):
            if len(SLOTS) + at in needed:
                needed |= set(self.steps[at].slots)
        kept = [at for at in range(place + 1) if len(SLOTS) + at in needed]
        slots = {slot: slot for slot in SLOTS.values()}
        slots |= {len(SLOTS) + at: len(SLOTS) + new for new, at in enumerate(kept)}
        steps = [replace(self.steps[at], slots=tuple(slots[slot] for slot in self.steps[at].slots)) for at in kept]
        return Network(tuple(steps), self.categories, self.paired)


class _Builder:
    """Adds steps one by one."""

    def __init__(self, path: Path, tensors: Tensors, inputs: Mapping[str, int], said: str) -> None:
        self._path = path
        self._tensors = tensors
        self.values = {
            name: Value(COLUMNS[name], width, SLOTS[name], said.format(name=name, width=width), name)
            for name, width in inputs.items()
        }
        self.steps: list[PlacedStep] = []
        self.used: set[str] = set()
        self._categories: set[Category] = set()

    def add(self, where: str, op: str, entry: Mapping[str, object], inputs: Sequence[Value], scope: Scope) -> Value:
        """Read a step and return its value. Raises ModelError."""
        operation = OPERATIONS[op]
        spec = StepSpec(self._path, where, entry, self._tensors, inputs=inputs, scope=scope)
        spec.check_keys(_STEP_KEYS | operation.keys, operation.keys | _STEP_KEYS)
        least, most = operation.inputs
        if not least <= len(inputs) <= most:
            wanted = f"{least} names" if least == most else f"{least} to {most} names"
            raise spec.error(f"inputs: expected {wanted.replace('1 names', '1 name')}, got {len(inputs)}")
        step = operation.read(spec)
        name = str(entry.get("name") or "")
        for column, size in step.categories:
            self._categories.add(Category(inputs[0].column, column, size))
        slots = tuple(value.slot for value in spec.taken)
        self.steps.append(PlacedStep(where, op, step, slots, spec.uses_weights, name, tuple(spec.tensors)))
        self.used |= {name for name, value in scope.values.items() if value in spec.taken}
        if spec.uses_weights:
            self.used.add(EDGE_WEIGHT)
        return Value(step.kind, step.width, len(SLOTS) + len(self.steps) - 1, f"{where} returns {step.width}")

    def network(self) -> Network:
        """Return what was added."""
        paired = any(placed.step.paired for placed in self.steps)
        return Network(tuple(self.steps), frozenset(self._categories), paired)


def read_layers(path: Path, config: Section, in_features: int, outputs: Sequence[str], tensors: Tensors) -> Network:
    """Read the layers of graphscore/1. Raises ModelError."""
    output_activation = config.choice("output_activation", OUTPUT_ACTIVATIONS, default="none")
    builder = _Builder(path, tensors, {"x": in_features, EDGE_WEIGHT: 1}, "in_features is {width}")
    scope = Scope(builder.values, {})
    value = builder.values["x"]
    for index, entry in enumerate(config.items("layers")):
        layer = Section(path, f"layer {index}", entry)
        kind = layer.choice("type", LAYER_KEYS)
        keys, layer = LAYER_KEYS[kind], layer.inner(f"layer {index} ({kind})")
        layer.check_keys({"type", "activation"} | keys, keys)
        activation = layer.choice("activation", ACTIVATIONS)
        given: dict[str, object] = {key: layer.get(key) for key in keys}
        if kind == "gcn":
            given[EDGE_WEIGHT] = EDGE_WEIGHT
        value = builder.add(f"layer {index} ({kind})", kind, given, [value], scope)
        value = _activate(builder, f"layer {index} ({kind})", activation, value, scope)
    if value.width != len(outputs):
        raise config.error(f"{value.source} values a node, but outputs names {len(outputs)}")
    _activate(builder, "output_activation", output_activation, value, scope)
    return builder.network()


def _activate(builder: _Builder, where: str, function: str, value: Value, scope: Scope) -> Value:
    if function == "none":
        return value
    if function == "softmax":
        return builder.add(where, "softmax", {}, [value], scope)
    return builder.add(where, "activation", {"function": function}, [value], scope)


def read_steps(
    path: Path, config: Section, tensors: Tensors, *, level: Level, inputs: Mapping[str, int], outputs: Sequence[str]
) -> Network:
    """Read the steps of graphscore/2: `inputs` are the columns that are read. Raises ModelError."""
    builder = _Builder(path, tensors, inputs, "inputs.{name} is {width}")
    entries = [Section(path, f"steps[{place}]", entry) for place, entry in enumerate(config.items("steps"))]
    names = _names(entries)
    values = dict(builder.values)
    for place, entry in enumerate(entries):
        name = names[place]
        op = entry.inner(f"step {show(name)}").choice("op", OPERATIONS)
        where = f"step {show(name)} ({op})"
        section = entry.inner(where)
        scope = Scope(values, _hidden(inputs, names, place))
        taken = [scope.find(section, f"inputs[{i}]", item) for i, item in enumerate(section.items("inputs"))]
        value = builder.add(where, op, entry.entry, taken, scope)
        values = values | {name: value}
    _check_use(config, builder, inputs, names)
    _check_output(config, value, level, outputs)
    return builder.network()


def _names(entries: Sequence[Section]) -> list[str]:
    names: dict[str, int] = {}
    for place, entry in enumerate(entries):
        name = entry.text("name")
        if name in COLUMNS:
            raise entry.error(f"name: {show(name)} is the name of an input of the model; rename the step")
        if name in names:
            raise entry.error(f"name: {show(name)} is the name of steps[{names[name]}] too; names must be unique")
        names[name] = place
    return list(names)


def _hidden(inputs: Mapping[str, int], names: Sequence[str], place: int) -> dict[str, str]:
    """Return why names cannot be used by the step at a place."""
    hidden = {name: f"is not read: inputs.{name} of config.json says so" for name in COLUMNS if name not in inputs}
    hidden |= dict.fromkeys(names[place + 1 :], "is a later step")
    hidden[names[place]] = "is the step itself"
    return hidden


def _check_use(config: Section, builder: _Builder, inputs: Mapping[str, int], names: Sequence[str]) -> None:
    """Refuse steps and inputs that nothing uses: the model was meant to be another."""
    for place, name in enumerate(names[:-1]):
        if name not in builder.used:
            raise config.error(
                f"{builder.steps[place].where}: no step uses it, and only the last step is the output; remove it"
            )
    for name, width in inputs.items():
        if name != "x" and name not in builder.used:
            raise config.error(f"inputs.{name} is {width}, but no step uses it; set it to 0 or false")


def _check_output(config: Section, value: Value, level: Level, outputs: Sequence[str]) -> None:
    if value.kind != level:
        raise config.error(f"{value.said}, but level is {level!r}, and the last step is the output")
    if value.width != len(outputs):
        raise config.error(f"{value.said}, but outputs names {len(outputs)}: {', '.join(map(printable, outputs[:8]))}")

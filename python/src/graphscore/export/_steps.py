"""The steps of a model folder while they are made, and the tensors that they name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import torch

from graphscore.export._error import ExportError

INPUTS: Final = ("x", "edge_attr", "edge_type", "graph_attr", "edge_weight")
"""What a step may name beside other steps."""

_REFERENCES: Final = ("edge_weight", "edge_attr")  # keys of a convolution that name a step or an input

Step = dict[str, Any]


class Steps:
    """Steps in the order in which they are computed.

    Args:
        names: the name in the module's state_dict of each of its parameters and buffers, by `id`.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._steps: dict[str, Step] = {}
        self._same: dict[str, str] = {}  # a step without its name, as JSON -> its name
        self._tensors: dict[str, torch.Tensor] = {}

    def __getitem__(self, name: str) -> Step:
        return self._steps[name]

    def get(self, name: str) -> Step | None:
        """Return a step, or None for an input."""
        return self._steps.get(name)

    def add(self, name: str, op: str, inputs: Sequence[str], **keys: object) -> str:
        """Add a step and return its name: `name`, or one like it where that is taken.

        A step that computes what an earlier one does is not added; the name of that one is returned.
        """
        step = {"op": op, "inputs": list(inputs), **{key: value for key, value in keys.items() if value is not None}}
        text = json.dumps(step, sort_keys=True)
        if text not in self._same:
            name = _free(name, lambda other: other in self._steps or other in INPUTS)
            self._same[text] = name
            self._steps[name] = {"name": name, **step}
        return self._same[text]

    def tensor(self, value: torch.Tensor, hint: str, of: torch.Tensor | None = None) -> str:
        """Keep a tensor for the weights file and return its name.

        Args:
            value: the tensor; kept as float32.
            hint: its name where it is no parameter or buffer of the module.
            of: the parameter or buffer that it is a view of.
        """
        name = self._names.get(id(value if of is None else of), hint)
        kept = value.detach().to(torch.float32).contiguous()
        if not torch.isfinite(kept).all():
            bad = int((~torch.isfinite(kept)).sum())
            raise ExportError(f"tensor {name} has {bad} values that are not finite as float32; train it again")
        if name in self._tensors and _same(self._tensors[name], kept):
            return name
        name = _free(name, lambda other: other in self._tensors and not _same(self._tensors[other], kept))
        self._tensors[name] = kept
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a kept tensor."""
        return tuple(self._tensors[name].shape)

    def live(self, output: str) -> list[Step]:
        """Return the steps that `output` depends on, in order; it is the last one."""
        wanted = {output}
        steps = []
        for step in reversed(self._steps.values()):
            if step["name"] in wanted:
                steps.append(step)
                wanted.update(references(step))
        return steps[::-1]

    def tensors(self, steps: Iterable[Step]) -> dict[str, torch.Tensor]:
        """Return the tensors that steps name, in the order of their first use."""
        found: dict[str, torch.Tensor] = {}
        for step in steps:
            for key, value in step.items():
                if key not in ("name", "op", "inputs"):
                    found.update({name: self._tensors[name] for name in _texts(value) if name in self._tensors})
        return found


def references(step: Step) -> list[str]:
    """Return the inputs and steps that a step names."""
    return [*step["inputs"], *(step[key] for key in _REFERENCES if key in step)]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(one.shape == other.shape and torch.equal(one, other))


def _free(name: str, taken: Callable[[str], bool]) -> str:
    number, free = 1, name
    while taken(free):
        free = f"{name}_{number}"
        number += 1
    return free

"""The steps of a model folder while they are made, and the tensors that they name."""

from __future__ import annotations

from typing import Any

from graphscore._arrays import Floats
from graphscore.export.chemprop._checkpoint import Checkpoint

Step = dict[str, Any]


class Steps:
    """Steps in the order in which they are computed, with the tensors of one checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.steps: list[Step] = []
        self.tensors: dict[str, Floats] = {}

    def add(self, name: str, op: str, *inputs: str, **keys: object) -> str:
        """Add a step and return its name. Keys that are None are left out."""
        given = {key: value for key, value in keys.items() if value is not None}
        self.steps.append({"name": name, "op": op, "inputs": list(inputs), **given})
        return name

    def tensor(self, name: str, *, flat: bool = False) -> str:
        """Keep a tensor of the checkpoint for the file of weights and return its name; flat: as one row."""
        if name not in self.tensors:
            value = self.checkpoint.tensor(name)
            self.tensors[name] = value.reshape(-1) if flat else value
        return name

    def linear(self, name: str, of: str, module: str, *, bias: bool = True) -> str:
        """Add torch.nn.Linear of a name in the state_dict."""
        return self.add(name, "linear", of, **self.weights(module, bias=bias))

    def weights(self, module: str, *, bias: bool) -> dict[str, str]:
        """Return the weight of a Linear, and its bias where it must have one, as keys of a step."""
        keys = {"weight": self.tensor(f"{module}.weight")}
        if bias:
            keys["bias"] = self.tensor(f"{module}.bias")
        return keys

    def rows(self, module: str) -> int:
        """Return the outputs of a Linear."""
        return self.columns(module, 0)

    def columns(self, module: str, dimension: int = 1) -> int:
        """Return the inputs of a Linear."""
        shape = self.checkpoint.shape(f"{module}.weight")
        if len(shape) != 2:  # noqa: PLR2004 - a matrix
            raise self.checkpoint.error(f"{module}.weight has shape {list(shape)}, expected a matrix")
        return shape[dimension]

    def scaled(self, name: str, of: str, module: str, width: int) -> str:
        """Add chemprop's ScaleTransform: (x - mean) / scale."""
        self.scaler(module, width)
        centred = self.add(f"{name}_centred", "subtract", of, tensor=self.tensor(f"{module}.mean", flat=True))
        return self.add(f"{name}_scaled", "divide", centred, tensor=self.tensor(f"{module}.scale", flat=True))

    def unscaled(self, name: str, of: str, module: str, width: int) -> str:
        """Add chemprop's UnscaleTransform: x * scale + mean."""
        self.scaler(module, width)
        scaled = self.add(f"{name}_scaled", "multiply", of, tensor=self.tensor(f"{module}.scale", flat=True))
        return self.add(f"{name}_unscaled", "add", scaled, tensor=self.tensor(f"{module}.mean", flat=True))

    def scaler(self, module: str, width: int) -> None:
        """Check the shapes of a scaler."""
        for part in ("mean", "scale"):
            shape = self.checkpoint.shape(f"{module}.{part}")
            if shape not in ((1, width), (width,)):
                raise self.checkpoint.error(f"{module}.{part} has shape {list(shape)}, expected [1, {width}]")

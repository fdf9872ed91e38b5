"""The activation functions of chemprop: by its own names, or modules of torch.nn."""

from __future__ import annotations

import math
from typing import Final

from graphscore.export.chemprop._checkpoint import Parameters
from graphscore.export.chemprop._records import Name, Record, said
from graphscore.export.chemprop._steps import Steps

_NAMED: Final[dict[str, tuple[str, dict[str, float]]]] = {
    "relu": ("relu", {}),
    "leakyrelu": ("leaky_relu", {"negative_slope": 0.1}),
    "prelu": ("prelu", {}),
    "tanh": ("tanh", {}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
}
"""What chemprop makes of a name: leakyrelu has another slope than torch's default."""

_MODULES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "CELU": ("celu", ("alpha",)),
    "ELU": ("elu", ("alpha",)),
    "GELU": ("gelu", ()),
    "Hardshrink": ("hardshrink", ("lambd",)),
    "Hardsigmoid": ("hardsigmoid", ()),
    "Hardswish": ("hardswish", ()),
    "Hardtanh": ("hardtanh", ("min_val", "max_val")),
    "LeakyReLU": ("leaky_relu", ("negative_slope",)),
    "LogSigmoid": ("logsigmoid", ()),
    "Mish": ("mish", ()),
    "PReLU": ("prelu", ()),
    "ReLU": ("relu", ()),
    "ReLU6": ("relu6", ()),
    "SELU": ("selu", ()),
    "SiLU": ("silu", ()),
    "Sigmoid": ("sigmoid", ()),
    "Softplus": ("softplus", ("beta", "threshold")),
    "Softshrink": ("softshrink", ("lambd",)),
    "Softsign": ("softsign", ()),
    "Tanh": ("tanh", ()),
    "Tanhshrink": ("tanhshrink", ()),
    "Threshold": ("threshold", ("threshold", "value")),
}
"""The classes of torch.nn, the function of graphscore and the attributes that are its parameters."""


class Activation:
    """An activation function of the hyperparameters; its slopes, where it has some, are in the state_dict."""

    def __init__(self, parameters: Parameters) -> None:
        self.function, self.numbers = _read(parameters)

    def add(self, steps: Steps, name: str, of: str, module: str) -> str:
        """Add the step; `module` is its name in the state_dict."""
        if self.function == "prelu":
            return steps.add(name, "prelu", of, weight=steps.tensor(f"{module}.weight"))
        return steps.add(name, "activation", of, function=self.function, **self.numbers)


def _read(parameters: Parameters) -> tuple[str, dict[str, float]]:
    value = parameters.get("activation")
    if isinstance(value, Record) and value.of == Name("chemprop.nn.utils", "Activation") and len(value.args) == 1:
        value = value.args[0]  # a member of its enumeration
    if isinstance(value, str) and value.lower() in _NAMED:
        function, numbers = _NAMED[value.lower()]
        return function, dict(numbers)
    if (
        not isinstance(value, Record)
        or value.of.module != "torch.nn.modules.activation"
        or value.of.name not in _MODULES
    ):
        raise parameters.error(f"activation is {said(value)}, which has no operation here; it cannot be exported")
    function, attributes = _MODULES[value.of.name]
    if value.of.name == "GELU" and value.attribute("approximate") == "tanh":
        function = "gelu_tanh"
    numbers = {}
    for attribute in attributes:
        number = value.attribute(attribute)
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise parameters.error(f"activation: {attribute} of {value.of.name} is {said(number)}, expected a number")
        if not math.isfinite(number):
            raise parameters.error(
                f"activation: {attribute} of {value.of.name} is {said(number)}, but a model folder has finite numbers"
                " only; it cannot be exported"
            )
        numbers[attribute] = float(number)
    return function, numbers

"""The steps of a model of chemprop 2: message passing, aggregation, batch norm and the feed-forward predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from graphscore._arrays import Floats
from graphscore.export.chemprop._activation import Activation
from graphscore.export.chemprop._checkpoint import MOST_LAYERS, Checkpoint, Parameters
from graphscore.export.chemprop._passing import message_passing
from graphscore.export.chemprop._steps import Step, Steps

_EPS: Final = 1e-5
"""Of torch.nn.BatchNorm1d, which chemprop does not change."""

_AGGREGATIONS: Final = ("MeanAggregation", "SumAggregation", "NormAggregation", "AttentiveAggregation")
_PARTS: Final = {"MveFFN": 2, "EvidentialFFN": 4, "QuantileFFN": 2}
"""Predictors of a distribution, of which `chemprop predict` writes the mean; how many values they have for a task."""


@dataclass(frozen=True)
class Network:
    """One checkpoint as a model folder has it."""

    inputs: dict[str, int | bool]
    outputs: tuple[str, ...]
    steps: list[Step]
    tensors: dict[str, Floats]

    def scalers(self) -> tuple[str, ...]:
        """Return the names of the tensors that scale inputs and outputs."""
        return tuple(name for name in self.tensors if name.endswith(("transform.mean", "transform.scale")))


def read_network(checkpoint: Checkpoint) -> Network:
    """Read a checkpoint. Raises ExportError naming what cannot be exported."""
    steps = Steps(checkpoint)
    atoms, widths = message_passing(steps, checkpoint.parameters.section("message_passing"))
    molecules = _aggregate(steps, checkpoint.parameters.section("agg"), atoms)
    if checkpoint.parameters.flag("batch_norm"):
        names = ("weight", "bias", "running_mean", "running_var")
        keys: dict[str, Any] = {name: steps.tensor(f"bn.{name}") for name in names}
        molecules = steps.add("normalized", "batch_norm", molecules, **keys, eps=_EPS)
    descriptors = steps.columns("predictor.ffn.0.0") - widths.atoms
    if descriptors < 0:
        raise checkpoint.error(
            f"predictor.ffn.0.0 takes {descriptors + widths.atoms} values, but message passing returns {widths.atoms}"
        )
    if descriptors:
        scaled = "graph_attr"
        if checkpoint.parameters.scaler("X_d_transform", "ScaleTransform"):
            scaled = steps.scaled("descriptors", scaled, "X_d_transform", descriptors)
        molecules = steps.add("described", "concatenate", molecules, scaled)
    outputs = _predict(steps, checkpoint.parameters.section("predictor"), molecules)
    checkpoint.check_used()
    inputs: dict[str, int | bool] = {"x": widths.x, "edge_attr": widths.edges, "edge_type": 0}
    inputs |= {"graph_attr": descriptors, "edge_weight": False}
    return Network(inputs, outputs, steps.steps, steps.tensors)


def _aggregate(steps: Steps, parameters: Parameters, atoms: str) -> str:
    match parameters.class_name():
        case "MeanAggregation":
            return steps.add("molecule", "mean_pool", atoms)
        case "SumAggregation":
            return steps.add("molecule", "sum_pool", atoms)
        case "NormAggregation":
            total = steps.add("molecule_sum", "sum_pool", atoms)
            return steps.add("molecule", "divide", total, value=parameters.number("norm"))
        case "AttentiveAggregation":
            gate = steps.linear("attention", atoms, "agg.W")
            return steps.add("molecule", "attention_pool", atoms, gate)
        case other:
            raise parameters.error(
                f"cls is {other or 'absent'}, which has no operation here; known are {', '.join(_AGGREGATIONS)}"
            )


def _predict(steps: Steps, parameters: Parameters, molecules: str) -> tuple[str, ...]:
    """Add the steps from molecules to outputs, and return the names of these."""
    kind = parameters.class_name()
    if kind not in {"RegressionFFN", "BinaryClassificationFFN", "MulticlassClassificationFFN", *_PARTS}:
        raise parameters.error(
            f"cls is {kind or 'absent'}, whose predictions cannot be exported; known are RegressionFFN, MveFFN,"
            " EvidentialFFN, QuantileFFN, BinaryClassificationFFN, MulticlassClassificationFFN"
        )
    value, width = _feed_forward(steps, parameters, molecules)
    if kind.endswith("ClassificationFFN"):
        steps.checkpoint.pass_over("predictor.output_transform.")
    if kind == "BinaryClassificationFFN":
        steps.add("prediction", "activation", value, function="sigmoid")
        return _names(steps.checkpoint, width)
    if kind == "MulticlassClassificationFFN":
        return _classes(steps, parameters, value, width)
    parts = _PARTS.get(kind, 1)
    if width % parts:
        raise steps.checkpoint.error(f"predictor.ffn returns {width} values, which are not {parts} for each task")
    tasks = width // parts
    if kind == "QuantileFFN":  # the mean of both bounds, each of which is unscaled in the same way
        lower = steps.add("lower", "slice", value, start=0, stop=tasks)
        upper = steps.add("upper", "slice", value, start=tasks, stop=2 * tasks)
        value = steps.add("middle", "multiply", steps.add("both", "add", lower, upper), value=0.5)
    elif parts > 1:
        value = steps.add("mean", "slice", value, start=0, stop=tasks)
    if parameters.scaler("output_transform", "UnscaleTransform"):
        steps.unscaled("prediction", value, "predictor.output_transform", tasks)
    return _names(steps.checkpoint, tasks)


def _feed_forward(steps: Steps, parameters: Parameters, value: str) -> tuple[str, int]:
    """Add chemprop's MLP: a linear map, and for each further layer the activation before its linear map."""
    activation = Activation(parameters)
    module = "predictor.ffn.0.0"
    value = steps.linear("ffn_0", value, module)
    for layer in range(1, _layers(parameters) + 1):
        module = f"predictor.ffn.{layer}.2"
        value = activation.add(steps, f"ffn_{layer}_in", value, f"predictor.ffn.{layer}.0")
        value = steps.linear(f"ffn_{layer}", value, module)
    return value, steps.rows(module)


def _layers(parameters: Parameters) -> int:
    """Return the hidden layers: `n_layers` of one width, or as many as `hidden_dim` lists."""
    widths = parameters.get("hidden_dim")
    if not isinstance(widths, list | tuple):
        return parameters.count("n_layers", maximum=MOST_LAYERS)
    if len(widths) > MOST_LAYERS:
        raise parameters.error(f"hidden_dim lists {len(widths)} layers, expected at most {MOST_LAYERS}")
    return len(widths)


def _classes(steps: Steps, parameters: Parameters, value: str, width: int) -> tuple[str, ...]:
    """Add the softmax of the classes of each task; an output is the probability of a class."""
    classes = parameters.count("n_classes", minimum=2)
    if width % classes:
        raise steps.checkpoint.error(f"predictor.ffn returns {width} values, which are not {classes} for each task")
    tasks = []
    for task in range(width // classes):
        part = steps.add(f"task_{task}", "slice", value, start=task * classes, stop=(task + 1) * classes)
        tasks.append(steps.add(f"classes_{task}", "softmax", part))
    if len(tasks) > 1:
        steps.add("prediction", "concatenate", *tasks)
    return tuple(f"{name}_{c}" for name in _names(steps.checkpoint, len(tasks)) for c in range(classes))


def _names(checkpoint: Checkpoint, tasks: int) -> tuple[str, ...]:
    """Return a name for each task: those of the checkpoint, else score, or score_0, score_1, ..."""
    if checkpoint.columns is None:
        return ("score",) if tasks == 1 else tuple(f"score_{task}" for task in range(tasks))
    if len(checkpoint.columns) != tasks:
        raise checkpoint.error(f"output_columns has {len(checkpoint.columns)} names, but the model has {tasks} tasks")
    return checkpoint.columns

"""Model folders: `config.json` and files of weights, every size and name checked. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from graphscore._activations import OUTPUT_ACTIVATIONS
from graphscore._batch import LEVELS, Level, StepFacts
from graphscore._config import ModelError, Section, parse, printable, show
from graphscore._network import COLUMNS, Network, read_layers, read_steps
from graphscore._tensors import Tensors

LAYERS_FORMAT: Final = "graphscore/1"
STEPS_FORMAT: Final = "graphscore/2"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"

_CONFIG_BYTES: Final = 1 << 20
_LAYERS_KEYS: Final = frozenset({"format", "ignored", "in_features", "layers", "name", "output_activation", "outputs"})
_STEPS_KEYS: Final = frozenset({"format", "ignored", "inputs", "level", "name", "outputs", "std", "steps", "weights"})
_MOST_TYPES: Final = 1 << 24
"""Types of edges are float32 among the values of a model: larger numbers are not exact there."""
_LEVELS: Final[dict[str, Level]] = {level: level for level in LEVELS}
_RESERVED_OUTPUTS: Final[dict[Level, frozenset[str]]] = {
    "node": frozenset({"graph_id", "node_id"}),
    "edge": frozenset({"graph_id", "source", "target"}),
    "graph": frozenset({"graph_id"}),
}
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")

_FOREIGN_KEYS: Final = (
    "model_type",
    "architectures",
    "transformers_version",
    "_class_name",
    "model_name",
    "model_config",
    "in_channels",
    "hidden_channels",
    "num_layers",
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Model:
    """A model, read and checked: the steps fit each other, all weights are finite float32."""

    name: str
    digest: str
    """'sha256:' and sha256(sha256(config.json) + sha256 of each file of weights, in order) in hexadecimal."""
    level: Level
    """What a row of scores belongs to."""
    inputs: Mapping[str, int]
    """The columns that are read, and their widths; see `ModelFacts`."""
    outputs: tuple[str, ...]
    """A name for each score of a row."""
    members: tuple[Network, ...]
    """One for each file of weights; the scores are their means."""
    optional: frozenset[str] = frozenset()
    """Those of `inputs` that a table may lack; see `ModelFacts`."""
    std: bool = False
    """The second half of the outputs are the standard deviations of the members."""

    @property
    def in_features(self) -> int:
        """Features of a node."""
        return self.inputs["x"]

    @property
    def steps(self) -> tuple[StepFacts, ...]:
        """The steps whose values can be had; see `ModelFacts`."""
        if self.no_steps:
            return ()
        return tuple(StepFacts(placed.name, placed.step.kind, placed.step.width) for placed in self.members[0].steps)

    @property
    def no_steps(self) -> str:
        """Why there are no steps, empty where there are some."""
        if len(self.members) > 1:
            count = len(self.members)
            return (
                f"it has {count} files of weights, each with its own values of a step; take a folder with one of them"
            )
        return "" if all(placed.name for placed in self.members[0].steps) else "layers of graphscore/1 have no names"


@dataclass(frozen=True)
class _Header:
    """What config.json says apart from layers or steps, and how those are read."""

    level: Level
    inputs: Mapping[str, int]
    outputs: tuple[str, ...]
    weights: tuple[str, ...]
    std: bool
    unit: str
    read: Callable[[Tensors], Network]


def load_model(folder: str | Path) -> Model:
    """Read a model folder. Raises ModelError with one sentence about the first thing that is wrong."""
    folder = Path(folder)
    config_path = folder / CONFIG
    _check_folder(folder, () if config_path.is_file() else (WEIGHTS,))
    try:
        config_bytes = _read_config(config_path)
        config = parse(config_path, config_bytes)
        header = _header(config_path, config)
        ignored, name = config.names("ignored"), config.text("name")
        _check_folder(folder, header.weights)
        digest, members, shapes = hashlib.sha256(hashlib.sha256(config_bytes).digest()), [], None
        for path in (folder / file for file in header.weights):
            # The whole file is read last, by its digest: by then it is as long as a header that fits config.json says.
            with path.open("rb") as file:
                tensors = Tensors(path, file)
                shapes = tensors.check_shapes(shapes, header.weights[0])
                members.append(header.read(tensors))
                tensors.check_used(ignored, header.unit)
                file.seek(0)
                digest.update(hashlib.file_digest(file, "sha256").digest())
            if config.get("format") == LAYERS_FORMAT:
                _warn_of_transposes(path, tensors)
    except OSError as error:
        raise ModelError(f"{error.filename or folder}: {error.strerror or error}") from None
    outputs = header.outputs + (tuple(f"{output}_std" for output in header.outputs) if header.std else ())
    return Model(
        name=name,
        digest=f"sha256:{digest.hexdigest()}",
        level=header.level,
        inputs=header.inputs,
        outputs=outputs,
        members=tuple(members),
        optional=frozenset({"edge_weight"}) if config.get("format") == LAYERS_FORMAT else frozenset(),
        std=header.std,
    )


def embedded(model: Model, name: str) -> Model:
    """Return a model whose outputs are the values of a step, by its name. Raises ModelError.

    It reads the columns that the whole model does, and refuses the same graphs.
    """
    names = [step.name for step in model.steps]
    if name not in names:
        known = model.no_steps or f"its steps are {', '.join(map(printable, names))}"
        raise ModelError(f"embed: the model {show(model.name)} has no step {show(name)}; {known}")
    place = names.index(name)
    step = model.steps[place]
    outputs = tuple(f"{name}[{column}]" for column in range(step.width))
    return replace(model, level=step.level, outputs=outputs, members=(model.members[0].until(place),))


def _header(path: Path, config: Section) -> _Header:
    match config.get("format"):
        case "graphscore/1":
            return _layers_header(path, config)
        case "graphscore/2":
            return _steps_header(path, config)
    _check_own(config)
    raise config.error(
        f"format is {show(config.get('format'))}, only {LAYERS_FORMAT!r} and {STEPS_FORMAT!r} can be read"
    )


def _layers_header(path: Path, config: Section) -> _Header:
    config.check_keys(_LAYERS_KEYS, {"ignored", "output_activation"})
    config.text("name")
    in_features, outputs = config.count("in_features"), _outputs(config, "node")
    config.choice("output_activation", OUTPUT_ACTIVATIONS, default="none")
    config.items("layers")
    return _Header(
        level="node",
        inputs={"x": in_features, "edge_weight": 1},
        outputs=outputs,
        weights=(WEIGHTS,),
        std=False,
        unit="layer",
        read=lambda tensors: read_layers(path, config, in_features, outputs, tensors),
    )


def _steps_header(path: Path, config: Section) -> _Header:
    config.check_keys(_STEPS_KEYS, {"ignored", "std"})
    config.text("name")
    level = _LEVELS[config.choice("level", _LEVELS)]
    inputs, outputs = _inputs(config), _outputs(config, level)
    weights, std = _weights(config), config.flag("std", default=False)
    if std and len(weights) == 1:
        raise config.error("std is true, but weights names one file; the deviation is that of two or more")
    for index, output in enumerate(outputs if std else ()):
        if f"{output}_std" in outputs:
            raise config.error(f"outputs[{index}]: {output}_std is the name of an output too; rename it")
    config.items("steps")
    return _Header(
        level,
        inputs,
        outputs,
        weights,
        std,
        "step",
        lambda tensors: read_steps(path, config, tensors, level=level, inputs=inputs, outputs=outputs),
    )


def _inputs(config: Section) -> dict[str, int]:
    """Return the columns that are read and their widths."""
    section = config.section("inputs")
    section.check_keys(COLUMNS, ())
    widths = {
        "x": section.count("x"),
        "edge_attr": section.count("edge_attr", minimum=0),
        "edge_type": section.count("edge_type", minimum=0),
        "graph_attr": section.count("graph_attr", minimum=0),
        "edge_weight": int(section.flag("edge_weight")),
    }
    if widths["edge_type"] > _MOST_TYPES:
        raise section.error(f"edge_type: expected at most {_MOST_TYPES} types, got {widths['edge_type']}")
    return {name: width for name, width in widths.items() if width}


def _weights(config: Section) -> tuple[str, ...]:
    """Return the names of the files of weights."""
    names = config.texts("weights")
    for index, name in enumerate(names):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise config.error(
                f"weights[{index}]: {show(name)} is not the name of a .safetensors file in the folder of the model"
            )
        if name in names[:index]:
            raise config.error(f"weights[{index}]: {show(name)} occurs twice; names must be unique")
    return names


def _check_folder(folder: Path, weights: Sequence[str]) -> None:
    """Name what is missing in a folder, before it is read."""
    wanted = f"a model is a folder with {CONFIG} and {WEIGHTS}"
    try:
        if not folder.exists():
            raise ModelError(f"model folder {folder} does not exist; {wanted}")
        if not folder.is_dir():
            raise ModelError(f"{folder} is not a folder; {_remedy(folder, wanted)}")
        for name in weights:
            if not (folder / name).exists():
                raise ModelError(f"{folder} has {_instead(folder, name) or f'no {name}; {wanted}'}")
        for name in (CONFIG, *weights):
            if not (folder / name).exists():
                raise ModelError(f"{folder} has no {name}; {wanted}")
            if not (folder / name).is_file():
                raise ModelError(f"{folder / name} is not a regular file; {wanted}")
    except OSError as error:
        raise ModelError(f"{folder}: {error.strerror or error}") from None


def _instead(folder: Path, name: str) -> str:
    """Return what a folder has instead of a file of weights, and what to do; empty where it has nothing."""
    if (folder / f"{name}.index.json").exists():
        return f"its weights in several files; save them as one {name}"
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if not pickles:
        return ""
    return (
        f"no {name}, only {pickles[0]}, which is never unpickled; convert it with"
        f" safetensors.torch.save_file(torch.load({pickles[0]!r}, weights_only=True), {name!r})"
    )


def _remedy(file: Path, wanted: str) -> str:
    """Return what to do about a file that is named where a model folder is wanted."""
    if any(file.match(pattern) for pattern in _PICKLES):
        return (
            f"nothing is unpickled here: convert it with safetensors.torch.save_file(torch.load({file.name!r},"
            f" weights_only=True), {WEIGHTS!r}), write {CONFIG} beside it, and name the folder of both;"
            f" a model of chemprop with python -m graphscore export chemprop {file.name} --out FOLDER"
        )
    if file.name == CONFIG or file.suffix == ".safetensors":
        return f"{wanted}: name {file.parent}"
    return wanted


def _check_own(config: Section) -> None:
    """Refuse the configuration of another program: transformers, diffusers and PyG have a config.json as well."""
    if config.get("format") is None:
        for key in _FOREIGN_KEYS:
            value = config.get(key)
            if value is not None:
                raise config.error(
                    f"it is the configuration of another program ({key} is {show(value)}), not of a model for"
                    f" graphscore: {LAYERS_FORMAT} needs the keys format, name, in_features, outputs and layers"
                )


def _read_config(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_CONFIG_BYTES + 1)
    if len(data) > _CONFIG_BYTES:
        raise ModelError(f"{path} is larger than {_CONFIG_BYTES} bytes; it is not the configuration of a model")
    return data


def _outputs(config: Section, level: Level) -> tuple[str, ...]:
    names = config.texts("outputs")
    for index, name in enumerate(names):
        if name in _RESERVED_OUTPUTS[level]:
            raise config.error(f"outputs[{index}]: {name!r} is a column of its own in every output; rename it")
        if name in names[:index]:
            raise config.error(f"outputs[{index}]: {name!r} occurs twice; names must be unique")
    return names


def _warn_of_transposes(path: Path, tensors: Tensors) -> None:
    names = tensors.maybe_transposed()
    if names:
        _log.warning(
            "%s: %s is square and may be [in, out], as PyG stored weights before they were called lin.weight;"
            " scores are right only if it is [out, in]: compare some, and rename it to end in lin.weight%s",
            path,
            printable(names[0]),
            f" (and {len(names) - 1} more like it)" if len(names) > 1 else "",
        )

"""Model folders: `config.json` and `model.safetensors`, every size and name checked. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from graphscore._batch import Level
from graphscore._config import ModelError, Section, parse, printable, show
from graphscore._layers import LAYER_TYPES, Layer, LayerSpec, Width
from graphscore._tensors import Tensors

FORMAT: Final = "graphscore/1"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"

_CONFIG_BYTES: Final = 1 << 20
_KEYS: Final = frozenset({"format", "ignored", "in_features", "layers", "name", "output_activation", "outputs"})
_OPTIONAL_KEYS: Final = frozenset({"ignored", "output_activation"})
_LAYER_KEYS: Final = frozenset({"type", "activation"})
_RESERVED_OUTPUTS: Final = frozenset({"graph_id", "node_id"})
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
class ModelLayer:
    """A layer and what follows it."""

    type: str
    parameters: Layer
    activation: str

    @property
    def in_width(self) -> int:
        """Columns of the rows that the layer takes."""
        return self.parameters.in_width

    @property
    def out_width(self) -> int:
        """Columns of the rows that the layer returns."""
        return self.parameters.out_width


@dataclass(frozen=True, eq=False)
class Model:
    """A model, read and checked: the layers fit each other, all weights are finite float32."""

    name: str
    digest: str
    """'sha256:' and sha256(sha256(config.json) + sha256(model.safetensors)) in hexadecimal."""
    in_features: int
    """Features of a node."""
    outputs: tuple[str, ...]
    """A name for each score of a node."""
    layers: tuple[ModelLayer, ...]
    output_activation: str

    @property
    def level(self) -> Level:
        """A score belongs to a node."""
        return "node"

    @property
    def inputs(self) -> Mapping[str, int]:
        """Features of nodes and weights of edges, whether or not a layer uses weights."""
        return {"x": self.in_features, "edge_weight": 1}


def load_model(folder: str | Path) -> Model:
    """Read a model folder. Raises ModelError with one sentence about the first thing that is wrong."""
    folder = Path(folder)
    _check_folder(folder)
    config_path, weights_path = folder / CONFIG, folder / WEIGHTS
    try:
        config_bytes = _read_config(config_path)
        config = parse(config_path, config_bytes)
        if config.get("format") != FORMAT:
            _check_own(config)
            raise config.error(f"format is {show(config.get('format'))}, only {FORMAT!r} can be read")
        config.check_keys(_KEYS, _OPTIONAL_KEYS)
        name, in_features, outputs = config.text("name"), config.count("in_features"), _outputs(config)
        output_activation = config.choice("output_activation", OUTPUT_ACTIVATIONS, default="none")
        entries, ignored = config.items("layers"), config.names("ignored")
        # The whole file is read last, by its digest: by then it is as long as a header that fits config.json says.
        with weights_path.open("rb") as file:
            tensors = Tensors(weights_path, file)
            layers = _layers(config_path, entries, in_features, tensors)
            _check_outputs(config, layers, outputs)
            tensors.check_used(ignored)
            file.seek(0)
            weights_digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ModelError(f"{error.filename or folder}: {error.strerror or error}") from None
    _warn_of_transposes(weights_path, tensors)
    digest = hashlib.sha256(hashlib.sha256(config_bytes).digest() + weights_digest).hexdigest()
    return Model(name, f"sha256:{digest}", in_features, outputs, layers, output_activation)


def _check_folder(folder: Path) -> None:
    """Name what is missing in a folder, before anything is read."""
    wanted = f"a model is a folder with {CONFIG} and {WEIGHTS}"
    try:
        if not folder.exists():
            raise ModelError(f"model folder {folder} does not exist; {wanted}")
        if not folder.is_dir():
            raise ModelError(f"{folder} is not a folder; {_remedy(folder, wanted)}")
        if not (folder / WEIGHTS).exists():
            if (folder / f"{WEIGHTS}.index.json").exists():
                raise ModelError(f"{folder} has its weights in several files; save them as one {WEIGHTS}")
            pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
            if pickles:
                raise ModelError(
                    f"{folder} has no {WEIGHTS}, only {pickles[0]}, which is never unpickled; convert it with"
                    " safetensors.torch.save_file(torch.load("
                    f"{pickles[0]!r}, weights_only=True), {WEIGHTS!r})"
                )
            raise ModelError(f"{folder} has no {WEIGHTS}; {wanted}")
        if not (folder / CONFIG).exists():
            raise ModelError(f"{folder} has no {CONFIG}; {wanted}")
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise ModelError(f"{folder / name} is not a regular file; {wanted}")
    except OSError as error:
        raise ModelError(f"{folder}: {error.strerror or error}") from None


def _remedy(file: Path, wanted: str) -> str:
    """Return what to do about a file that is named where a model folder is wanted."""
    if any(file.match(pattern) for pattern in _PICKLES):
        return (
            f"nothing is unpickled here: convert it with safetensors.torch.save_file(torch.load({file.name!r},"
            f" weights_only=True), {WEIGHTS!r}), write {CONFIG} beside it, and name the folder of both"
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
                    f" graphscore: {FORMAT} needs the keys format, name, in_features, outputs and layers"
                )


def _read_config(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_CONFIG_BYTES + 1)
    if len(data) > _CONFIG_BYTES:
        raise ModelError(f"{path} is larger than {_CONFIG_BYTES} bytes; it is not the configuration of a model")
    return data


def _outputs(config: Section) -> tuple[str, ...]:
    names = config.texts("outputs")
    for index, name in enumerate(names):
        if name in _RESERVED_OUTPUTS:
            raise config.error(f"outputs[{index}]: {name!r} is a column of its own in every output; rename it")
        if name in names[:index]:
            raise config.error(f"outputs[{index}]: {name!r} occurs twice; names must be unique")
    return names


def _layers(path: Path, entries: list[object], in_features: int, tensors: Tensors) -> tuple[ModelLayer, ...]:
    layers = []
    width = Width(in_features, f"in_features is {in_features}")
    for index, entry in enumerate(entries):
        layers.append(_layer(path, index, entry, tensors, width))
        width = Width(layers[-1].out_width, f"{_where(layers)} returns {layers[-1].out_width}")
    return tuple(layers)


def _layer(path: Path, index: int, entry: object, tensors: Tensors, width: Width) -> ModelLayer:
    kind = Section(path, f"layer {index}", entry).choice("type", LAYER_TYPES)
    layer_type = LAYER_TYPES[kind]
    spec = LayerSpec(path, f"layer {index} ({kind})", entry, tensors, width)
    spec.check_keys(_LAYER_KEYS | layer_type.keys, layer_type.keys)
    activation = spec.choice("activation", ACTIVATIONS)
    layer = ModelLayer(kind, layer_type.read(spec), activation)
    spec.check_width(layer.in_width)
    return layer


def _where(layers: Sequence[ModelLayer]) -> str:
    """Return the last layer for a message."""
    return f"layer {len(layers) - 1} ({layers[-1].type})"


def _check_outputs(config: Section, layers: Sequence[ModelLayer], outputs: tuple[str, ...]) -> None:
    width = layers[-1].out_width
    if width != len(outputs):
        raise config.error(f"{_where(layers)} returns {width} values a node, but outputs names {len(outputs)}")


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

"""Model folders: `config.json` and `model.safetensors`, every size and name checked. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from graphscore._config import ModelError, Section, one_line, parse, show
from graphscore._layers import LAYER_TYPES, Layer, LayerSpec
from graphscore._tensors import Tensors

FORMAT: Final = "graphscore/1"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"

_CONFIG_BYTES: Final = 1 << 20
_KEYS: Final = frozenset({"format", "in_features", "layers", "name", "output_activation", "outputs"})
_OPTIONAL_KEYS: Final = frozenset({"output_activation"})
_LAYER_KEYS: Final = frozenset({"type", "activation"})
_RESERVED_OUTPUTS: Final = frozenset({"graph_id", "node_id"})
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")


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


def load_model(folder: str | Path) -> Model:
    """Read a model folder. Raises ModelError with one sentence about the first thing that is wrong."""
    folder = Path(folder)
    _check_folder(folder)
    config_path, weights_path = folder / CONFIG, folder / WEIGHTS
    try:
        config_bytes = _read_config(config_path)
        with weights_path.open("rb") as file:
            weights_digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ModelError(f"{error.filename or folder}: {error.strerror or error}") from None
    config = parse(config_path, config_bytes)
    if config.get("format") != FORMAT:
        raise config.error(f"format is {show(config.get('format'))}, only {FORMAT!r} can be read")
    config.check_keys(_KEYS, _OPTIONAL_KEYS)
    name, in_features, outputs = config.text("name"), config.count("in_features"), _outputs(config)
    output_activation = config.choice("output_activation", OUTPUT_ACTIVATIONS, default="none")
    entries = config.items("layers")
    try:
        with safe_open(weights_path, framework="np") as opened:
            tensors = Tensors(weights_path, opened)
            layers = tuple(_layer(config_path, index, entry, tensors) for index, entry in enumerate(entries))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights_path} is not a whole safetensors file: {one_line(error)}; save it again") from None
    _check_widths(config, in_features, layers, outputs)
    digest = hashlib.sha256(hashlib.sha256(config_bytes).digest() + weights_digest).hexdigest()
    return Model(name, f"sha256:{digest}", in_features, outputs, layers, output_activation)


def _check_folder(folder: Path) -> None:
    """Name what is missing in a folder, before anything is read."""
    wanted = f"a model is a folder with {CONFIG} and {WEIGHTS}"
    try:
        if not folder.exists():
            raise ModelError(f"model folder {folder} does not exist; {wanted}")
        if not folder.is_dir():
            raise ModelError(f"{folder} is not a folder; {wanted}")
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


def _layer(path: Path, index: int, entry: object, tensors: Tensors) -> ModelLayer:
    kind = Section(path, f"layer {index}", entry).choice("type", LAYER_TYPES)
    layer_type = LAYER_TYPES[kind]
    spec = LayerSpec(path, f"layer {index} ({kind})", entry, tensors)
    spec.check_keys(_LAYER_KEYS | layer_type.keys, layer_type.keys)
    activation = spec.choice("activation", ACTIVATIONS)
    return ModelLayer(kind, layer_type.read(spec), activation)


def _check_widths(config: Section, in_features: int, layers: tuple[ModelLayer, ...], outputs: tuple[str, ...]) -> None:
    """Compare what each layer takes with what the one before it returns."""
    width, before = in_features, f"in_features is {in_features}"
    last = ""
    for index, layer in enumerate(layers):
        last = f"layer {index} ({layer.type})"
        if layer.in_width != width:
            raise config.error(f"{last} takes {layer.in_width} values a node, but {before}")
        width, before = layer.out_width, f"{last} returns {layer.out_width}"
    if width != len(outputs):
        raise config.error(f"{last} returns {width} values a node, but outputs names {len(outputs)}")

"""Model folders: `config.json` and `model.safetensors`, every size and name checked. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open

from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from graphscore._arrays import Floats
from graphscore._layers import LAYER_TYPES, Layer

FORMAT: Final = "graphscore/1"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"

_CONFIG_BYTES: Final = 1 << 20
_KEYS: Final = ("format", "in_features", "layers", "name", "output_activation", "outputs")
_OPTIONAL_KEYS: Final = frozenset({"output_activation"})
_RESERVED_OUTPUTS: Final = frozenset({"graph_id", "node_id"})
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")


class ModelError(Exception):
    """A model folder that does not load. The message is one sentence: what is wrong, where, what to do."""


@dataclass(frozen=True, eq=False)
class ModelLayer:
    """A layer and what follows it."""

    type: str
    parameters: Layer
    activation: str

    @property
    def in_width(self) -> int:
        """Columns that the layer takes."""
        return int(self.parameters.weight.shape[1])

    @property
    def out_width(self) -> int:
        """Columns that the layer gives."""
        return int(self.parameters.weight.shape[0])


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
    config = _Config(config_path, config_bytes)
    try:
        with safe_open(weights_path, framework="np") as tensors:
            layers = config.layers(_Tensors(weights_path, tensors))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights_path} is not a whole safetensors file: {_line(error)}; save it again") from None
    digest = hashlib.sha256(hashlib.sha256(config_bytes).digest() + weights_digest).hexdigest()
    return Model(
        name=config.name,
        digest=f"sha256:{digest}",
        in_features=config.in_features,
        outputs=config.outputs,
        layers=layers,
        output_activation=config.output_activation,
    )


def _check_folder(folder: Path) -> None:
    """Name what is missing in a folder, before anything is read."""
    wanted = f"a model is a folder with {CONFIG} and {WEIGHTS}"
    try:
        if not folder.exists():
            raise ModelError(f"model folder {folder} is not there; {wanted}")
        if not folder.is_dir():
            raise ModelError(f"{folder} is not a folder; {wanted}")
        if not (folder / WEIGHTS).exists():
            if (folder / f"{WEIGHTS}.index.json").exists():
                raise ModelError(f"{folder} holds its weights in several files; save them as one {WEIGHTS}")
            pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
            if pickles:
                raise ModelError(
                    f"{folder} has no {WEIGHTS}, only {pickles[0]}, which is never unpickled here; convert it with"
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


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


class _Config:
    """config.json, checked key by key."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        try:
            config = json.loads(data, object_pairs_hook=self._object, parse_constant=self._constant)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path} is not JSON: {_line(error)}") from None
        if not isinstance(config, dict):
            raise self.error(f"an object is wanted, this is {_show(config)}")
        if config.get("format") != FORMAT:
            raise self.error(f"format is {_show(config.get('format'))}, only {FORMAT!r} can be read")
        self._keys("", config, frozenset(_KEYS), _OPTIONAL_KEYS)
        self.name = self._text(config["name"], "name")
        self.in_features = self._positive(config["in_features"], "in_features")
        self.outputs = self._outputs(config["outputs"])
        self.output_activation = self.choice(
            config.get("output_activation", "none"), "output_activation", OUTPUT_ACTIVATIONS
        )
        self._layers = config["layers"]
        if not isinstance(self._layers, list) or not self._layers:
            raise self.error("layers: a list of at least one layer is wanted")

    def error(self, what: str) -> ModelError:
        return ModelError(f"{self._path}: {what}")

    def layers(self, tensors: _Tensors) -> tuple[ModelLayer, ...]:
        """Read the layers and check that each takes what the one before it gives."""
        result: list[ModelLayer] = []
        width, giver = self.in_features, "in_features"
        for index, entry in enumerate(self._layers):
            layer = self._layer(index, entry, tensors)
            if layer.in_width != width:
                raise self.error(
                    f"layer {index} ({layer.type}) takes {layer.in_width} values a node, but {giver} gives {width}"
                )
            width, giver = layer.out_width, f"layer {index} ({layer.type})"
            result.append(layer)
        if width != len(self.outputs):
            raise self.error(f"{giver} gives {width} values a node, but outputs names {len(self.outputs)}")
        return tuple(result)

    def _layer(self, index: int, entry: object, tensors: _Tensors) -> ModelLayer:
        where = f"layer {index}"
        if not isinstance(entry, dict):
            raise self.error(f"{where}: an object is wanted, this is {_show(entry)}")
        kind = self.choice(entry.get("type"), f"{where}: type", LAYER_TYPES)
        layer_type = LAYER_TYPES[kind]
        keys = layer_type.keys | {"type", "activation"}
        self._keys(f"{where} ({kind}): ", entry, keys, layer_type.keys)
        activation = self.choice(entry["activation"], f"{where} ({kind}): activation", ACTIVATIONS)
        return ModelLayer(kind, layer_type.read(_Spec(self, f"{where} ({kind})", entry, tensors)), activation)

    def _keys(self, where: str, entry: dict[str, object], known: frozenset[str], optional: frozenset[str]) -> None:
        unknown = sorted(entry.keys() - known)
        if unknown:
            raise self.error(f"{where}unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        missing = sorted(known - optional - entry.keys())
        if missing:
            raise self.error(f"{where}key {missing[0]!r} is missing")

    def choice(self, value: object, where: str, known: Mapping[str, object]) -> str:
        if not isinstance(value, str) or value not in known:
            raise self.error(f"{where} {_show(value)} is not supported; supported are {', '.join(sorted(known))}")
        return value

    def _text(self, value: object, where: str) -> str:
        if not isinstance(value, str) or not value:
            raise self.error(f"{where}: a text that is not empty is wanted, this is {_show(value)}")
        if not value.isprintable():
            raise self.error(f"{where}: {_show(value)} has characters that cannot be printed")
        return value

    def _positive(self, value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
            raise self.error(f"{where}: a number of at least 1 is wanted, this is {_show(value)}")
        return value

    def _outputs(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise self.error(f"outputs: a list of at least one name is wanted, this is {_show(value)}")
        names = tuple(self._text(name, f"outputs[{index}]") for index, name in enumerate(value))
        for index, name in enumerate(names):
            if name in _RESERVED_OUTPUTS:
                raise self.error(f"outputs[{index}]: {name!r} is a column of its own in every output; rename it")
            if name in names[:index]:
                raise self.error(f"outputs[{index}]: {name!r} is there twice; names must be unique")
        return names

    @staticmethod
    def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) < len(pairs):
            names = [key for key, _ in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise ValueError(f"key {twice!r} is there twice in one object")
        return result

    @staticmethod
    def _constant(name: str) -> object:
        raise ValueError(f"{name} is not a JSON value")


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004


class _Tensors:
    """The tensors of an open safetensors file, each checked when it is read."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self._names = frozenset(file.keys())

    def read(self, name: str, where: str, dimensions: tuple[str, ...]) -> Floats:
        """Return tensor `name`, float32 and finite, with as many dimensions as named."""
        if name not in self._names:
            names = sorted(self._names)
            some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"  # noqa: PLR2004
            raise ModelError(f"{self._path}: {where} wants tensor {name!r}, which is not there; there are: {some}")
        head = self._file.get_slice(name)
        kind, shape = head.get_dtype(), tuple(head.get_shape())
        if kind != "F32":
            raise ModelError(
                f"{self._path}: tensor {name!r} ({where}) is {kind}, only F32 can be scored with;"
                " save the model after model.float()"
            )
        if len(shape) != len(dimensions) or 0 in shape:
            raise ModelError(
                f"{self._path}: tensor {name!r} ({where}) has shape {list(shape)}, wanted is [{', '.join(dimensions)}]"
            )
        value: Floats = self._file.get_tensor(name)
        broken = value.size - int(np.isfinite(value).sum())
        if broken:
            raise ModelError(
                f"{self._path}: tensor {name!r} ({where}) has {broken} values that are not finite; train it again"
            )
        value.flags.writeable = False
        return value


class _Spec:
    """A layer's entry in config.json with its tensors: the LayerSpec that layer types read."""

    def __init__(self, config: _Config, where: str, entry: Mapping[str, object], tensors: _Tensors) -> None:
        self._config = config
        self._where = where
        self._entry = entry
        self._tensors = tensors
        self._first: tuple[str, tuple[int, ...]] | None = None

    def matrix(self, key: str) -> Floats:
        result = self.optional_matrix(key)
        if result is None:
            raise self._config.error(f"{self._where}: {key} must name a tensor")
        return result

    def optional_matrix(self, key: str) -> Floats | None:
        name = self._name(key)
        if name is None:
            return None
        value = self._tensors.read(name, f"{self._where}, {key}", ("out", "in"))
        if self._first is None:
            self._first = (key, value.shape)
        elif value.shape != self._first[1]:
            raise self._config.error(
                f"{self._where}: {key} {name!r} has shape {list(value.shape)},"
                f" but {self._first[0]} has {list(self._first[1])}"
            )
        return value

    def optional_vector(self, key: str) -> Floats | None:
        name = self._name(key)
        if name is None:
            return None
        value = self._tensors.read(name, f"{self._where}, {key}", ("out",))
        if self._first is not None and len(value) != self._first[1][0]:
            raise self._config.error(
                f"{self._where}: {key} {name!r} has {len(value)} values, but {self._first[0]} gives {self._first[1][0]}"
            )
        return value

    def _name(self, key: str) -> str | None:
        value = self._entry.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self._config.error(f"{self._where}: {key} must name a tensor, this is {_show(value)}")
        return value

"""What a checkpoint of chemprop 2 says: hyperparameters, tensors by name, and the names of the outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._config import printable
from graphscore.export._error import ExportError
from graphscore.export.chemprop._archive import Archive
from graphscore.export.chemprop._names import FoundError
from graphscore.export.chemprop._pickle import load
from graphscore.export.chemprop._records import Name, Record, Tensor, said

_TRAINING: Final = ("metrics.", "predictor.criterion.", "criterion.")
"""Beginnings of the names of tensors that training reads and prediction does not."""
_COUNTER: Final = ".num_batches_tracked"
_BFLOAT16: Final = "bfloat16"
_TYPES: Final = {"float16": "<f2", "float32": "<f4", "float64": "<f8", "bfloat16": "<u2"}
_BYTES: Final = {"float16": 2, "float32": 4, "float64": 8, "bfloat16": 2}
_BITS: Final = 16
MOST_LAYERS: Final = 1000
"""Of the passes of messages, and of the layers of a predictor: each is some steps of the folder."""
_IDENTITY: Final = Name("torch.nn.modules.linear", "Identity")


class Checkpoint:
    """A checkpoint, read but for its tensors. Raises ExportError naming the file and what is wrong."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.path: Final = archive.path
        archive.check_byteorder()
        try:
            content = load(archive.pickled())
        except FoundError as error:
            raise self.error(str(error)) from None
        if not isinstance(content, dict):
            raise self.error("it holds no model of chemprop: a checkpoint is a dictionary with hyper_parameters")
        self._check_kind(content)
        self.parameters: Final = Parameters(self, "hyper_parameters", content["hyper_parameters"])
        self._check_model()
        self.columns: Final = self._columns(content.get("output_columns"))
        self._tensors = self._state(content["state_dict"])
        self._used: set[str] = set()
        self._bytes = 0

    def error(self, what: str) -> ExportError:
        """Return the error `what` of this file."""
        return ExportError(f"{self.path}: {what}")

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor, which must be there."""
        if name not in self._tensors:
            raise self.error(f"state_dict has no {name}, which the model needs; export the model that was trained")
        return self._tensors[name].shape

    def tensor(self, name: str) -> Floats:
        """Return a tensor as float32, finite, and count it as used."""
        shape = self.shape(name)
        if name not in self._used:
            self._count(name, self._tensors[name])
        self._used.add(name)
        try:
            values = self._read(name, self._tensors[name])
        except MemoryError:
            raise self.error(f"tensor {name} of shape {list(shape)} is more than there is memory for") from None
        bad = values.size - int(np.isfinite(values).sum())
        if bad:
            raise self.error(f"tensor {name} has {bad} values that are not finite as float32; train it again")
        return values.reshape(shape)

    def pass_over(self, beginning: str) -> None:
        """Count the tensors whose names begin so as used: the model has them and does not read them."""
        self._used |= {name for name in self._tensors if name.startswith(beginning)}

    def check_used(self) -> None:
        """Refuse tensors that nothing asked for: the model is another one than its hyperparameters say."""
        left = sorted(
            name
            for name in self._tensors
            if name not in self._used and not name.startswith(_TRAINING) and not name.endswith(_COUNTER)
        )
        if left:
            raise self.error(
                f"the model has {len(left)} tensors that a {self.parameters.said} of chemprop does not have:"
                f" {', '.join(map(printable, left[:4]))}; only models of chemprop's own classes can be exported"
            )

    def _check_kind(self, content: Mapping[object, object]) -> None:
        if "hyper_parameters" in content and "state_dict" in content:
            return
        if "args" in content and "state_dict" in content:
            raise self.error(
                "it is a checkpoint of chemprop 1; convert it with"
                " `chemprop convert --conversion v1_to_v2`, and export what that writes"
            )
        raise self.error(
            f"it has no hyper_parameters and state_dict, but {_listed(content)}; name a .pt or .ckpt file of chemprop 2"
        )

    def _check_model(self) -> None:
        """Refuse models of other kinds than one molecule and its properties, by name."""
        if self.parameters.get("atom_predictor") is not None or self.parameters.get("bond_predictor") is not None:
            raise self.error("it is a MolAtomBondMPNN; only models of properties of whole molecules can be exported")
        passing = self.parameters.section("message_passing")
        if passing.get("blocks") is not None or passing.class_name() == "MulticomponentMessagePassing":
            raise self.error("it is a MulticomponentMPNN; only models of one molecule can be exported")

    def _columns(self, value: object) -> tuple[str, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
            raise self.error(f"output_columns is {said(value)}, expected a list of names")
        return tuple(value)

    def _state(self, value: object) -> dict[str, Tensor]:
        if not isinstance(value, dict):
            raise self.error("state_dict is no dictionary of tensors")
        for name, tensor in value.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                raise self.error(f"state_dict: {said(name)} is no tensor")
        return value

    def _count(self, name: str, tensor: Tensor) -> None:
        """Refuse tensors that together are more than the file: many views of one storage would be any size."""
        self._bytes += math.prod(tensor.shape) * _BYTES.get(tensor.storage.dtype, 0)
        if self._bytes > self._archive.bytes:
            raise self.error(
                f"its tensors up to {name} have {self._bytes} bytes, but the file has {self._archive.bytes}; it is"
                " damaged, copy it again"
            )

    def _read(self, name: str, tensor: Tensor) -> Floats:
        """Return the numbers of a tensor as float32: half precision exactly, double precision rounded, as chemprop."""
        storage, count = tensor.storage, math.prod(tensor.shape)
        if storage.dtype not in _TYPES:
            raise self.error(f"tensor {name} has numbers of type {storage.dtype}, expected float32")
        size = self._archive.size(f"data/{storage.key}")
        last = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True)) + tensor.offset
        if count == 0 or count > storage.count or last >= storage.count or storage.count * _BYTES[storage.dtype] > size:
            raise self.error(
                f"tensor {name} of shape {list(tensor.shape)} does not lie in the {size} bytes that are stored for it;"
                " the file is damaged, copy it again"
            )
        stored = np.frombuffer(self._archive.read(f"data/{storage.key}"), _TYPES[storage.dtype], storage.count)
        if storage.dtype == _BFLOAT16:
            stored = (stored.astype(np.uint32) << _BITS).view(np.float32)
        strides = [stride * stored.itemsize for stride in tensor.strides]
        view = np.lib.stride_tricks.as_strided(stored[tensor.offset :], tensor.shape, strides)
        with np.errstate(over="ignore"):
            return np.array(view, np.float32, order="C")


class Parameters:
    """A dictionary of hyperparameters. A method raises ExportError naming file, key and value."""

    def __init__(self, checkpoint: Checkpoint, where: str, entries: object) -> None:
        self._checkpoint = checkpoint
        self._where = where
        if not isinstance(entries, dict):
            raise checkpoint.error(f"{where} is {said(entries)}, expected a dictionary")
        self._entries: dict[object, object] = entries

    @property
    def said(self) -> str:
        """The model for messages, e.g. 'BondMessagePassing, NormAggregation, RegressionFFN'."""
        return ", ".join(self.section(key).class_name() for key in ("message_passing", "agg", "predictor"))

    def error(self, what: str) -> ExportError:
        """Return the error `what` of these hyperparameters."""
        return self._checkpoint.error(f"{self._where}.{what}")

    def get(self, key: str) -> object:
        """Return a value; None where it is absent."""
        return self._entries.get(key)

    def section(self, key: str) -> Parameters:
        """Return a dictionary in this one."""
        return Parameters(self._checkpoint, f"{self._where}.{key}", self.get(key))

    def class_name(self) -> str:
        """Return the name of the class that the hyperparameters are of; empty where they have none."""
        value = self.get("cls")
        if value is None:
            return ""
        if not isinstance(value, Name):
            raise self.error(f"cls is {said(value)}, expected a class")
        return value.name if value.module.startswith("chemprop.") else str(value)

    def count(self, key: str, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
        """Return an integer from `minimum` to `maximum`."""
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise self.error(f"{key} is {said(value)}, expected an integer from {minimum} to {maximum}")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false; an absent one is false."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(f"{key} is {said(value)}, expected true or false")
        return bool(value)

    def number(self, key: str) -> float:
        """Return a finite number that is not 0."""
        value = self.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value or not math.isfinite(value):
            raise self.error(f"{key} is {said(value)}, expected a number other than 0")
        return float(value)

    def scaler(self, key: str, kind: str) -> bool:
        """Return whether a transform is of chemprop's class `kind`; an absent one is none, nor is torch.nn.Identity."""
        value = self.get(key)
        if value is None or (isinstance(value, Record) and value.of == _IDENTITY):
            return False
        if not isinstance(value, Record) or not value.of.module.startswith("chemprop.") or value.of.name != kind:
            raise self.error(f"{key} is {said(value)}, expected a {kind} of chemprop")
        return True

    def modules(self, key: str, kind: str) -> Parameters:
        """Return the modules in a module of chemprop's class `kind`, by name; none where it is absent."""
        value = self.get(key)
        modules: object = {}
        if self.scaler(key, kind) and isinstance(value, Record):
            modules = value.attribute("_modules")
        return Parameters(self._checkpoint, f"{self._where}.{key}", modules)


def _listed(content: Mapping[object, object]) -> str:
    return ", ".join(said(key) for key in list(content)[:6]) or "nothing"

"""Numbers, names and views of a checkpoint that are no model's: each its sentence, in little memory and time."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chemprop_cases import checkpoint
from graphscore.export import ExportError
from graphscore.export.chemprop._activation import Activation
from graphscore.export.chemprop._archive import open_archive
from graphscore.export.chemprop._checkpoint import Checkpoint, Parameters
from graphscore.export.chemprop._names import FoundError, build, known
from graphscore.export.chemprop._network import read_network
from graphscore.export.chemprop._pickle import load
from graphscore.export.chemprop._records import Name, Record, Storage, Tensor

TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
STORAGE = Storage("float32", "0", 4)


@pytest.mark.parametrize(
    ("shape", "strides", "said"),
    [
        ((1,), (10**30,), "impossible sizes"),
        ((1,), (1 << 40,), "impossible sizes"),
        ((1 << 40,), (1,), "impossible sizes"),
        ((-1,), (1,), "impossible sizes"),
        ((1,) * 9, (1,) * 9, "more than 8 dimensions"),
        ((1,), (1,) * 30_000, "more than 8 dimensions"),
        ((1 << 63,) * 30_000, (1,) * 30_000, "more than 8 dimensions"),
    ],
)
def test_views_that_no_tensor_has_are_refused(shape: Any, strides: Any, said: str) -> None:
    with pytest.raises(FoundError, match=said):
        build(TENSOR, (STORAGE, 0, shape, strides))


def test_a_view_of_eight_dimensions_is_read() -> None:
    made = build(TENSOR, (STORAGE, 0, (1,) * 8, ((1 << 40) - 1,) * 8))
    assert isinstance(made, Tensor)


@pytest.mark.parametrize("section", [("message_passing", "depth"), ("predictor", "n_layers")])
def test_more_than_a_thousand_layers_are_refused(section: tuple[str, str], tmp_path: Path) -> None:
    with open_archive(checkpoint(tmp_path, "plain")) as archive:
        made = Checkpoint(archive)
        entries: Any = made.parameters.get(section[0])
        entries[section[1]] = 1001
        with pytest.raises(ExportError, match=rf"{section[1]} is 1001, expected an integer from \d to 1000"):
            read_network(made)


def test_more_than_a_thousand_widths_are_refused(tmp_path: Path) -> None:
    with open_archive(checkpoint(tmp_path, "layers")) as archive:
        made = Checkpoint(archive)
        entries: Any = made.parameters.get("predictor")
        entries["hidden_dim"] = [5] * 1001
        with pytest.raises(ExportError, match="hidden_dim lists 1001 layers, expected at most 1000"):
            read_network(made)


def test_views_of_one_storage_are_not_more_than_the_file(tmp_path: Path) -> None:
    """A megabyte of zeros of which each tensor is a view."""
    path = checkpoint(tmp_path, "plain")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("plain/data/big", bytes(1 << 20))
    with open_archive(path) as archive:
        made = Checkpoint(archive)
        view = Tensor(Storage("float32", "big", 1 << 18), 0, (1 << 18,), (1,))
        made._tensors |= {f"view_{place}": view for place in range(3)}
        assert made.tensor("view_0").shape == (1 << 18,)
        assert made.tensor("view_0").shape == (1 << 18,)
        with pytest.raises(ExportError, match="its tensors up to view_1 have 2097152 bytes, but the file has 10"):
            made.tensor("view_1")


def test_a_tensor_that_there_is_no_memory_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> object:
        raise MemoryError

    monkeypatch.setattr(np.lib.stride_tricks, "as_strided", none)
    with (
        open_archive(checkpoint(tmp_path, "plain")) as archive,
        pytest.raises(ExportError, match=r"of shape .* is more than there is memory for"),
    ):
        read_network(Checkpoint(archive))


@pytest.mark.parametrize(("value", "read"), [(2**64, True), (-(2**64), True), (2**64 + 1, False), (10**400, False)])
def test_integers_have_at_most_64_bits(value: int, read: bool) -> None:
    data = value.to_bytes(200, "little", signed=True)
    pickled = b"\x80\x02\x8a" + struct.pack("<B", len(data)) + data + b"."
    if read:
        assert load(pickled) == value
        return
    with pytest.raises(FoundError, match="its pickle has an integer of more than 64 bits"):
        load(pickled)


def test_names_have_at_most_256_characters() -> None:
    assert known(Name("chemprop." + "a" * 247, "B" * 256))
    assert not known(Name("chemprop." + "a" * 248, "B"))
    assert not known(Name("chemprop.nn", "B" * 257))


def test_a_fault_of_the_exporter_is_not_one_of_the_file(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "plain")
    for fault in (ValueError, KeyError, RuntimeError, NotImplementedError, OSError):
        with pytest.raises(fault, match="of the exporter"), open_archive(path):
            raise fault("of the exporter")


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_parameters_of_activations_are_finite(number: float, tmp_path: Path) -> None:
    value = Record(Name("torch.nn.modules.activation", "Hardtanh"), (), {"min_val": 0.0, "max_val": number})
    with open_archive(checkpoint(tmp_path, "plain")) as archive:
        parameters = Parameters(Checkpoint(archive), "hyper_parameters.predictor", {"activation": value})
        with pytest.raises(ExportError, match=f"max_val of Hardtanh is {number}, but a model folder has finite"):
            Activation(parameters)

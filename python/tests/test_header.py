"""The header of model.safetensors: a file that lies about itself is refused at once, in little memory."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

import graphscore
from graphs import write_model
from graphscore._header import HEADER_BYTES, read_header

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
BIG = 1 << 40


def raw(header: object, data: int = 24) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def changed(**changes: Any) -> dict[str, Any]:
    return {"a": TENSOR | changes}


DAMAGED: dict[str, tuple[bytes, str]] = {
    "seven bytes": (b"\x01" * 7, "it has only 7 bytes"),
    "a header beyond the file": (struct.pack("<Q", 100 << 30) + b"{}", "its header would have 107374182400 bytes"),
    "a header of 2^64 - 1": (b"\xff" * 8 + b"{}", "its header would have 18446744073709551615 bytes"),
    "no JSON": (raw(b"{{{{"), "its header is not JSON"),
    "not UTF-8": (raw(b'{"\xff": 1}'), "its header is not JSON"),
    "deep": (raw(b"[" * 100_000), "its header is not JSON"),
    "a long number": (raw(b'{"a": ' + b"9" * 5000 + b"}"), "its header is not JSON"),
    "twice": (raw(b'{"a": 1, "a": 2}'), "key 'a' occurs twice"),
    "a list": (raw([TENSOR]), "its header is not a JSON object"),
    "an entry that is none": (raw({"a": 7}), "does not say type, shape and place of tensor a;"),
    "no type": (raw(changed(dtype=None)), "does not say type, shape and place"),
    "a negative size": (raw(changed(shape=[-2, 3])), "does not say type, shape and place"),
    "a size of 2.0": (raw(changed(shape=[2.0, 3])), "does not say type, shape and place"),
    "a size of true": (raw(changed(shape=[True, 6])), "does not say type, shape and place"),
    "one offset": (raw(changed(data_offsets=[0])), "does not say type, shape and place"),
    "negative offsets": (raw(changed(data_offsets=[-24, 0])), "does not say type, shape and place"),
    "offsets beyond the file": (raw(changed(data_offsets=[8, 32])), "tensor a lies outside of the file"),
    "offsets the wrong way": (raw(changed(data_offsets=[24, 0])), "tensor a lies outside of the file"),
    "another type": (raw(changed(dtype="F64")), "tensor a has another number of bytes"),
    "another shape": (raw(changed(shape=[2, 4])), "tensor a has another number of bytes"),
    "an empty shape": (raw(changed(shape=[0, BIG])), "tensor a has another number of bytes"),
    "a vast shape": (raw(changed(shape=[BIG] * 10_000)), "tensor a has another number of bytes"),
    "overlapping": (raw({"a": TENSOR, "b": TENSOR}), "tensor b does not begin where the one before it ends"),
    "a gap": (raw({"b": TENSOR | {"data_offsets": [8, 32]}}, 32), "tensor b does not begin where the one before"),
    "a name of lines": (raw({"a\nb": 1}), r"place of tensor 'a\nb';"),
    "a long name": (raw({"n" * 1000: 1}), "nnn...;"),
    "data left over": (raw({"a": TENSOR}, 25), "bytes, the file has "),
    "data without tensors": (raw({}), "bytes, the file has "),
}


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_damaged(name: str, tmp_path: Path) -> None:
    data, message = DAMAGED[name]
    folder = write_model(tmp_path)
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(graphscore.ModelError, match="is not a whole safetensors file: ") as caught:
        graphscore.load_model(folder)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    assert len(text) < 400


def million(folder: Path) -> None:
    """A million tensors of one value each."""
    entry = '"t%d":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
    header = "{" + ",".join(entry % (i, 4 * i, 4 * i + 4) for i in range(1_000_000)) + "}"
    with (folder / "model.safetensors").open("wb") as file:
        file.write(raw(header.encode(), 0))
        file.truncate(file.tell() + 4_000_000)


def terabyte(folder: Path) -> None:
    """The file of a sound model, made longer."""
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(BIG)


def terabyte_of_zeros(folder: Path) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(BIG)


def tensor_of_a_terabyte(folder: Path) -> None:
    """A header that agrees with its file."""
    header = {"convs.0.lin.weight": {"dtype": "F32", "shape": [BIG // 4 // 4, 4], "data_offsets": [0, BIG]}}
    with (folder / "model.safetensors").open("wb") as file:
        file.write(raw(header, 0))
        file.truncate(file.tell() + BIG)


def tensors_in_numbers(folder: Path) -> None:
    """As many tensors as a header may have."""
    entry = '"t%d":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
    header = "{" + ",".join(entry % (i, 4 * i, 4 * i + 4) for i in range(60_000)) + "}"
    assert HEADER_BYTES // 2 < len(header) < HEADER_BYTES
    (folder / "model.safetensors").write_bytes(raw(header.encode(), 240_000))


def brackets(folder: Path) -> None:
    """100 MB of a config.json."""
    (folder / "config.json").write_bytes(b"[" * (100 << 20))


def objects(folder: Path) -> None:
    """As much of a config.json as is read, one object in another."""
    (folder / "config.json").write_bytes(b'{"a":' * 200_000)


HUGE = {
    brackets: "config.json is larger than 1048576 bytes",
    objects: "config.json is not JSON: its values are nested too deep",
    million: "more than 4194304; no model has so many tensors",
    terabyte: "bytes, the file has 1099511627776; save it again",
    terabyte_of_zeros: "its header is not JSON",
    tensor_of_a_terabyte: "layer 0 (gcn) takes 4 values a node, but in_features is 3",
    tensors_in_numbers: "no tensor 'convs.0.lin.weight' (layer 0 (gcn), weight); the file has t0, t1, t10, ",
}


@pytest.mark.fault(
    "H",
    "a million tensors, a sparse file of 1 TB, a tensor of 1 TB",
    "refused within 10 s of CPU and 128 MiB",
)
@pytest.mark.parametrize("make", HUGE, ids=lambda make: make.__name__)
def test_huge_files_are_refused_at_once_in_little_memory(make: Any, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    make(folder)
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(graphscore.ModelError) as caught:
            graphscore.load_model(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert HUGE[make] in str(caught.value)
    assert time.process_time() - start < 10  # seconds of CPU
    assert peak < 128 << 20


def test_a_tensor_that_memory_cannot_hold(tmp_path: Path) -> None:
    """Header, file and config.json agree, and only the machine is too small: 16 GiB where a process may have 4."""
    folder = write_model(tmp_path, ("gcn",), (3, 1), outputs=[f"s{i}" for i in range(1 << 12)])
    config = json.loads((folder / "config.json").read_text()) | {"in_features": 1 << 20}
    config["layers"][0]["bias"] = None
    (folder / "config.json").write_text(json.dumps(config))
    header = {"convs.0.lin.weight": {"dtype": "F32", "shape": [1 << 12, 1 << 20], "data_offsets": [0, 1 << 34]}}
    with (folder / "model.safetensors").open("wb") as file:
        file.write(raw(header, 0))
        file.truncate(file.tell() + (1 << 34))
    script = (
        "import resource, sys, graphscore\n"
        "graphscore.load_model; resource.setrlimit(resource.RLIMIT_AS, (4 << 30,) * 2)\n"
        "try: graphscore.load_model(sys.argv[1])\n"
        "except graphscore.ModelError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert "(layer 0 (gcn), weight) has 17179869184 bytes, more than there is memory for" in done.stdout


KINDS = ("bool", "uint8", "int16", "float16", "float32", "int64", "float64", "complex64")


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(KINDS), st.lists(st.integers(0, 4), max_size=3)),
        max_size=6,
    )
)
def test_reads_what_safetensors_writes(tmp_path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    path = tmp_path / "any.safetensors"
    save_file({name: np.zeros(shape, kind) for name, (kind, shape) in tensors.items()}, path, {"format": "pt"})
    with path.open("rb") as file:
        entries = read_header(path, file)
    with safe_open(path, framework="np") as opened:
        names: list[str] = list(opened.keys())
        assert {name: (entry.dtype, list(entry.shape)) for name, entry in entries.items()} == {
            name: (opened.get_slice(name).get_dtype(), opened.get_slice(name).get_shape()) for name in names
        }


@settings(max_examples=150)
@given(st.data())
def test_any_damage_is_a_model_error_or_a_model(tmp_path: Path, data: st.DataObject) -> None:
    folder = write_model(tmp_path)
    path = folder / "model.safetensors"
    good = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(good[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else good)
    try:
        graphscore.load_model(folder)
    except graphscore.ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017

"""What operations read of config.json: values, ranges, defaults, tensors, and one sentence for what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import graphscore
from graphscore._ops import StepSpec
from graphscore._tensors import Tensors

TENSORS = {
    "heads": np.ones((4, 8, 3), np.float32),
    "bias": np.ones(8, np.float32),
    "other": np.ones((8, 5), np.float32),
    "matrix": np.ones((8, 3), np.float32),
}


@contextmanager
def spec_of(tmp_path: Path, entry: dict[str, Any]) -> Iterator[StepSpec]:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    with path.open("rb") as file:
        yield StepSpec(Path("config.json"), "layer 2 (x)", entry, Tensors(path, file))


GOOD: list[tuple[dict[str, Any], Callable[[StepSpec], object], object]] = [
    ({"a": 0.5}, lambda s: s.number("a"), 0.5),
    ({"a": 1}, lambda s: s.number("a", minimum=1, maximum=1), 1.0),
    ({}, lambda s: s.number("a", default=0.2, minimum=0), 0.2),
    ({}, lambda s: s.number("a", default=0), 0.0),
    ({"a": 3}, lambda s: s.count("a", default=1), 3),
    ({"a": 0}, lambda s: s.count("a", minimum=0), 0),
    ({"a": False}, lambda s: s.flag("a", default=True), False),
    ({}, lambda s: s.flag("a", default=False), False),
    ({"a": "max"}, lambda s: s.choice("a", ("mean", "max"), default="mean"), "max"),
    ({}, lambda s: s.choice("a", ("mean", "max"), default="mean"), "mean"),
    ({"a": None}, lambda s: s.optional_weight("a", "out"), None),
    ({}, lambda s: s.optional_weight("a", "out"), None),
]
BAD: list[tuple[dict[str, Any], Callable[[StepSpec], object], str]] = [
    ({}, lambda s: s.number("a"), "key 'a' is missing"),
    ({}, lambda s: s.flag("a"), "key 'a' is missing"),
    ({}, lambda s: s.choice("a", ("mean",)), "key 'a' is missing"),
    ({"a": [1]}, lambda s: s.number("a"), "a: expected a number, got [1]"),
    ({"a": True}, lambda s: s.number("a"), "a: expected a number, got True"),
    ({"a": None}, lambda s: s.number("a", default=1), "a: expected a number, got None"),
    ({"a": -1}, lambda s: s.number("a", minimum=0), "a: expected a number of at least 0, got -1"),
    ({"a": 2}, lambda s: s.number("a", maximum=1), "a: expected a number of at most 1, got 2"),
    ({"a": 2}, lambda s: s.number("a", minimum=0, maximum=1), "a: expected a number from 0 to 1, got 2"),
    ({"a": float("inf")}, lambda s: s.number("a"), "a: expected a number, got inf"),
    ({"a": 10**400}, lambda s: s.number("a"), "a: expected a number, got 1000"),
    ({"a": 1.0}, lambda s: s.count("a"), "a: expected an integer from 1 to 2147483647, got 1.0"),
    ({"a": 0}, lambda s: s.count("a"), "a: expected an integer from 1 to 2147483647, got 0"),
    ({"a": 2**31}, lambda s: s.count("a"), "a: expected an integer from 1 to 2147483647, got 2147483648"),
    ({"a": 1}, lambda s: s.flag("a"), "a: expected true or false, got 1"),
    ({"a": "sum"}, lambda s: s.choice("a", ("mean", "max")), "a 'sum' is not supported; supported are max, mean"),
    ({"a": 7}, lambda s: s.weight("a", "out"), "a must name a tensor, got 7"),
    ({"a": None}, lambda s: s.weight("a", "out"), "a must name a tensor"),
]


@pytest.mark.parametrize(("entry", "read", "wanted"), GOOD)
def test_values(entry: dict[str, Any], read: Callable[[StepSpec], object], wanted: object, tmp_path: Path) -> None:
    with spec_of(tmp_path, entry) as spec:
        result = read(spec)
    assert (type(result), result) == (type(wanted), wanted)


@pytest.mark.parametrize(("entry", "read", "message"), BAD)
def test_errors_name_layer_key_and_value(
    entry: dict[str, Any], read: Callable[[StepSpec], object], message: str, tmp_path: Path
) -> None:
    with spec_of(tmp_path, entry) as spec, pytest.raises(graphscore.ModelError) as caught:
        read(spec)
    assert str(caught.value).startswith(f"config.json: layer 2 (x): {message}")


def test_dimensions_of_one_name_have_one_size(tmp_path: Path) -> None:
    """As a layer with heads needs it: three dimensions, two of them shared with other tensors."""
    with spec_of(tmp_path, {"weight": "heads", "bias": "bias", "root": "other", "back": "matrix"}) as spec:
        assert spec.weight("weight", "heads", "out", "in").shape == (4, 8, 3)
        assert spec.weight("bias", "out").shape == (8,)
        with pytest.raises(graphscore.ModelError) as caught:
            spec.weight("root", "out", "in")
        assert str(caught.value).endswith("layer 2 (x): root 'other' has shape [8, 5], expected [8, 3] to match weight")
        assert spec.weight("root", "out", "hidden").shape == (8, 5)
        with pytest.raises(
            graphscore.ModelError, match=r"back 'matrix' has shape \[8, 3\], expected \[8, 5\] to match root"
        ):
            spec.weight("back", "out", "hidden")


def test_a_key_that_is_not_declared_is_a_bug(tmp_path: Path) -> None:
    with spec_of(tmp_path, {"slope": 1}) as spec:
        spec.check_keys({"slope"}, {"slope"})
        assert spec.number("slope") == 1
        for read in (spec.number, spec.flag, spec.get):
            with pytest.raises(KeyError, match="'slop' is not among the known keys of layer 2"):
                read("slop")

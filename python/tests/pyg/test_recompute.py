"""Opt-in, `pytest tests/pyg`: the committed vectors are what the installed PyTorch Geometric computes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import make_operation_vectors
from make_pyg_vectors import VECTORS, cases

# PyTorch itself warns of its own deprecated parts.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_vectors_are_current() -> None:
    committed = json.loads(VECTORS.read_text())
    computed = json.loads(json.dumps(cases()))
    assert [case["name"] for case in committed] == [case["name"] for case in computed]
    for old, new in zip(committed, computed, strict=True):
        assert {k: v for k, v in old.items() if k != "scores"} == {k: v for k, v in new.items() if k != "scores"}
        np.testing.assert_allclose(
            np.array(old["scores"], np.float64), np.array(new["scores"], np.float64), rtol=1e-12, atol=1e-14
        )


def test_vectors_of_operations_are_current() -> None:
    committed = json.loads(make_operation_vectors.VECTORS.read_text())
    computed = json.loads(json.dumps(make_operation_vectors.document()))
    assert committed["graphs"] == computed["graphs"]
    assert [case["name"] for case in committed["cases"]] == [case["name"] for case in computed["cases"]]
    for old, new in zip(committed["cases"], computed["cases"], strict=True):
        assert {k: v for k, v in old.items() if k != "scores"} == {k: v for k, v in new.items() if k != "scores"}
        for one, other in zip(old["scores"], new["scores"], strict=True):
            np.testing.assert_allclose(
                np.array(one, np.float64), np.array(other, np.float64), rtol=1e-9, atol=1e-12, err_msg=old["name"]
            )

"""The memory that `benchmarks/engine.py` shares with a worker."""

from __future__ import annotations

import os

import engine
import numpy as np
import pytest

import graphscore
from graphscore._serving import codec, memory


def test_a_worker_maps_it_and_finds_the_batch_in_every_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "")
    batch = graphscore.GraphBatch(
        node_counts=np.array([2], np.uint32),
        features=np.array([[1, 2, 3], [4, 5, 6]], np.float32),
        in_degrees=np.array([1, 1], np.uint32),
        sources=np.array([1, 0], np.uint32),
    )
    _, requests = engine.slots_of(engine.request_of(batch))  # `inherited` closes the descriptor
    mapped, reason = memory.inherited(os.environ)
    assert (mapped is not None, reason) == (True, "")
    for number, request in enumerate(requests):
        found, _, slot = codec.decode_score_request(request, mapped)
        assert slot is not None
        assert slot.index == number
        assert np.array_equal(found.features, batch.features)
        assert np.array_equal(found.sources, batch.sources)
    assert len(requests) == engine.IN_FLIGHT

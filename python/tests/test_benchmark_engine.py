"""`benchmarks/engine.py`: the memory that it shares with a worker, and the object that it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import engine
import numpy as np
import pytest
from suite import limits

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


def test_the_object_has_what_the_section_reads(sockets: Path) -> None:
    options = ["--json", "--widths", "16,4,1", "--graphs", "3", "--rounds", "1", "--calls", "2", "--turns", "2"]
    environment = {**os.environ, "TMPDIR": str(sockets)}
    command = [sys.executable, engine.__file__, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["widths"], found["graphs"], found["nodes"] > 0) == ([16, 4, 1], 3, True)
    times = found["us_a_graph"]
    assert {name: len(times[name]) for name in limits.WORKER} == {
        name: 2 if name.startswith("socket") else 1 for name in limits.WORKER
    }
    whole = engine.IN_SHARED_MEMORY
    assert np.add(times[f"{whole}: Python's threads"], times[f"{whole}: gRPC's threads"]) == pytest.approx(times[whole])


def test_text_is_printed_when_it_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    times = engine.Times(text=True)
    times.add("score", 1.5)
    times.add("the rest", 0.25, of="score")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["score", "1.500"], ["the", "rest", "0.250"]]
    assert len({len(line) for line in lines}) == 1
    assert times.us == {"score": [1.5], "score: the rest": [0.25]}

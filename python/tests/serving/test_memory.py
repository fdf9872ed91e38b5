"""Columns in shared memory: what fits is read where it lies, what does not is refused."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from safetensors.numpy import save_file

import graphscore
from calls import SCORE, get_model, method
from graphscore._proto import scoring_pb2
from graphscore._serving import codec, memory
from graphscore._serving.memory import Memory

SLOTS, SLOT_BYTES = 3, 8192
GIANTS, GIANT_BYTES = 2, 1 << 20
BEGIN = 64 << 10
"""Where the slots of giants begin."""
SIZE = BEGIN + GIANTS * GIANT_BYTES
SEALS = memory._SEALS
HEADER = memory.HEADER_BYTES

Request = scoring_pb2.ScoreRequest


class Client:
    """The other side of the memory."""

    def __init__(self, seals: int = SEALS, size: int = SIZE) -> None:
        self.descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, size)
        fcntl.fcntl(self.descriptor, 1033, seals)
        self.map = mmap.mmap(self.descriptor, size)

    def environment(self, slots: int = SLOTS, version: int = 2, giants: int = GIANTS) -> dict[str, str]:
        return {memory.VARIABLE: f"{version} {os.dup(self.descriptor)} {slots} {SLOT_BYTES} {giants} {GIANT_BYTES}"}

    def mapped(self) -> tuple[Memory | None, str]:
        return memory.inherited(self.environment())

    def first(self, slot: int) -> int:
        return slot * SLOT_BYTES if slot < SLOTS else BEGIN + (slot - SLOTS) * GIANT_BYTES

    def put(self, number: int = 7, slot: int = 1) -> scoring_pb2.ScoreRequest:
        """Put a graph of three nodes with two features and two edges into a slot."""
        first = self.first(slot)
        self.map[first : first + 8] = struct.pack("<Q", number)
        request = Request(graphs=1, nodes=3, edges=2, feature_width=2)
        request.shared.slot, request.shared.number = slot, number
        offset = HEADER
        for field, column in (
            (5, np.array([3], "<u4")),
            (6, np.arange(6, dtype="<f4")),
            (7, np.array([0, 1, 1], "<u4")),
            (8, np.array([0, 1], "<u4")),
        ):
            data = column.tobytes()
            self.map[first + offset : first + offset + len(data)] = data
            request.shared.columns.add(field=field, offset=offset, bytes=len(data))
            offset += 64
        request.shared.scores.field, request.shared.scores.offset, request.shared.scores.bytes = 3, offset, 12
        return request

    def scores(self, request: scoring_pb2.ScoreRequest) -> bytes:
        first = self.first(request.shared.slot) + request.shared.scores.offset
        return self.map[first : first + request.shared.scores.bytes]


def inline(client: Client, request: scoring_pb2.ScoreRequest) -> scoring_pb2.ScoreRequest:
    plain = Request()
    plain.CopyFrom(request)
    plain.ClearField("shared")
    names = {5: "node_counts", 6: "features", 7: "in_degrees", 8: "sources"}
    first = client.first(request.shared.slot)
    for column in request.shared.columns:
        begin = first + column.offset
        setattr(plain, names[column.field], client.map[begin : begin + column.bytes])
    return plain


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def two_features(tmp_path: Path) -> graphscore.Engine:
    (tmp_path / "config.json").write_text(
        '{"format": "graphscore/1", "name": "m", "in_features": 2, "outputs": ["score"], "layers": [{"type": "gcn",'
        ' "weight": "w", "bias": "b", "activation": "none"}], "output_activation": "none"}'
    )
    save_file(
        {"w": np.array([[1.5, -2]], np.float32), "b": np.array([0.25], np.float32)}, tmp_path / "model.safetensors"
    )
    return graphscore.Engine(graphscore.load_model(tmp_path))


Score = Callable[[scoring_pb2.ScoreRequest], scoring_pb2.ScoreResponse]


@pytest.fixture
def served(two_features: graphscore.Engine, client: Client) -> Iterator[tuple[Score, str]]:
    server = graphscore.Server(two_features, graphscore.ServerOptions(listen="127.0.0.1:0"), memory=client.mapped())
    server.start()
    with grpc.insecure_channel(str(server.address)) as channel:
        score = method(channel, SCORE)
        yield (
            lambda request: scoring_pb2.ScoreResponse.FromString(score(request.SerializeToString(), timeout=60)),
            str(server.address),
        )
    server.stop(0)


def test_scores_lie_in_their_place(client: Client, served: tuple[Score, str]) -> None:
    score, address = served
    described = get_model(address).memory
    assert (described.version, described.slots, described.slot_bytes) == (2, SLOTS, SLOT_BYTES)
    assert (described.giants, described.giant_bytes) == (GIANTS, GIANT_BYTES)
    for slot in range(SLOTS + GIANTS):
        request = client.put(slot=slot, number=2**64 - 1 - slot)
        answer = score(request)
        plain = score(inline(client, request))
        assert (answer.slot, answer.slot_number, answer.scores) == (slot, 2**64 - 1 - slot, b"")
        assert (plain.slot, plain.slot_number, len(plain.scores)) == (0, 0, 12)
        assert client.scores(request) == plain.scores
        assert (answer.rows, answer.outputs, answer.nodes) == (plain.rows, plain.outputs, plain.nodes)


def change(path: str, value: int) -> Callable[[scoring_pb2.ScoreRequest], None]:
    def changed(request: scoring_pb2.ScoreRequest) -> None:
        at: object = request.shared
        *way, last = path.split(".")
        for step in way:
            at = at[int(step)] if step.isdigit() else getattr(at, step)  # type: ignore[index]
        setattr(at, last, value)

    return changed


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (change("slot", SLOTS), "number: 7, but the slot has 0"),
        (change("slot", SLOTS + GIANTS), "slot: 5, but there are 5"),
        (change("slot", 2**32 - 1), "slot: 4294967295"),
        (change("slot", 0), "number: 7, but the slot has 0"),
        (change("number", 0), "number: 0, but the slot has 7"),
        (change("number", 8), "number: 8, but the slot has 7"),
        (change("columns.1.offset", 0), "features: offset 0 lies before the end of the header"),
        (change("columns.1.offset", HEADER), "lies before the end of"),
        (change("columns.1.offset", 129), "not a multiple of 4"),
        (change("columns.1.offset", SLOT_BYTES), "a slot has 8192 bytes"),
        (change("columns.1.offset", 2**64 - 4), "a slot has 8192 bytes"),
        (change("columns.1.bytes", 2**64 - 1), "features: it ends at"),
        (change("columns.3.bytes", SLOT_BYTES), "sources: it ends at"),
        (change("scores.bytes", SLOT_BYTES), "scores: it ends at"),
        (change("columns.1.field", 5), "field 5 is there twice"),
        (change("columns.1.field", 1), "field 1 is no column"),
        (change("columns.1.field", 15), "field 15 is no column"),
        (change("columns.1.field", 99), "field 99 is no column"),
        (change("scores.field", 9), "the place is for field 9 instead of 3"),
        (change("scores.offset", 128), "features: offset 128 lies before the end of scores"),
        (change("scores.offset", 8), "offset 8 lies before the end of the header"),
        (change("scores.bytes", 8), "the place has 8 bytes, but the values take 12"),
        (change("scores.bytes", 16), "the place has 16 bytes, but the values take 12"),
    ],
)
def test_what_does_not_fit_is_refused(
    hostile: Callable[[scoring_pb2.ScoreRequest], None], said: str, client: Client, served: tuple[Score, str]
) -> None:
    request = client.put()
    hostile(request)
    before = bytes(client.map)
    with pytest.raises(grpc.RpcError) as failed:
        served[0](request)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in str(failed.value.details())
    assert {("graphscore-reason", "slot")} <= set(failed.value.trailing_metadata())
    assert bytes(client.map) == before
    assert served[0](client.put()).slot_number == 7


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (change("slot", SLOTS), "number: 7, but the slot has 0"),
        (change("number", 0), "number: 0, but the slot has 7"),
        (change("columns.1.offset", GIANT_BYTES), "a slot has 1048576 bytes"),
        (change("columns.3.bytes", GIANT_BYTES), "sources: it ends at"),
        (change("columns.3.bytes", 2**64 - 4), "sources: it ends at"),
        (change("scores.bytes", 16), "the place has 16 bytes, but the values take 12"),
    ],
)
def test_a_giant_that_does_not_fit_is_refused(
    hostile: Callable[[scoring_pb2.ScoreRequest], None], said: str, client: Client, served: tuple[Score, str]
) -> None:
    request = client.put(slot=SLOTS + GIANTS - 1)
    hostile(request)
    before = bytes(client.map)
    with pytest.raises(grpc.RpcError) as failed:
        served[0](request)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in str(failed.value.details())
    assert bytes(client.map) == before
    assert served[0](client.put(slot=SLOTS)).slot_number == 7


def mappings() -> int:
    return Path("/proc/self/maps").read_text().count("/memfd:test")


def test_a_giant_is_mapped_for_its_call(client: Client) -> None:
    before = mappings()
    mapped, _ = client.mapped()
    assert mapped is not None
    assert mappings() == before + 1
    slot = SLOTS + 1
    batch, _, opened = codec.decode_score_request(client.put(slot=slot).SerializeToString(), mapped)
    assert opened is not None
    assert mappings() == before + 2
    assert batch.features.tolist() == [[0, 1], [2, 3], [4, 5]]
    opened.write([np.array([[1], [2], [3]], np.float32)])
    assert client.scores(client.put(slot=slot)) == np.array([1, 2, 3], "<f4").tobytes()
    del batch, opened
    assert mappings() == before + 1


def test_a_giant_is_held_once(client: Client) -> None:
    """What decoding takes beside the slot is the columns of indices, and no copy of the features."""
    mapped, _ = client.mapped()
    nodes, width, first = 25_000, 8, client.first(SLOTS)
    request = Request(graphs=1, nodes=nodes, edges=0, feature_width=width)
    request.shared.slot, request.shared.number = SLOTS, 7
    client.map[first : first + 8] = struct.pack("<Q", 7)
    client.map[first + HEADER : first + HEADER + 4] = struct.pack("<I", nodes)
    offset = HEADER
    for field, size in ((5, 4), (6, 4 * nodes * width), (7, 4 * nodes)):
        request.shared.columns.add(field=field, offset=offset, bytes=size)
        offset += -(-size // 64) * 64
    request.shared.scores.field, request.shared.scores.offset, request.shared.scores.bytes = 3, offset, 0
    data, giant = request.SerializeToString(), 4 * nodes * (width + 1)
    tracemalloc.start()
    batch, _, slot = codec.decode_score_request(data, mapped)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert batch.features.shape == (nodes, width)
    assert slot is not None
    assert peak <= 0.3 * giant


def test_a_giant_that_cannot_be_mapped(
    client: Client, served: tuple[Score, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> memoryview:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    def refused(*_: object) -> memoryview:
        raise OSError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(memory.Giants, "map", full)
        with pytest.raises(grpc.RpcError) as failed:
            served[0](client.put(slot=SLOTS))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert {("graphscore-slot", "7"), ("graphscore-reason", "memory")} <= set(failed.value.trailing_metadata())
        patch.setattr(memory.Giants, "map", refused)
        with pytest.raises(grpc.RpcError) as failed:
            served[0](client.put(slot=SLOTS))
    assert "slot: it cannot be mapped: Operation not permitted" in str(failed.value.details())
    assert {("graphscore-reason", "slot")} <= set(failed.value.trailing_metadata())
    assert served[0](client.put(slot=SLOTS)).slot_number == 7


@pytest.mark.parametrize(
    ("field", "value"), [("nodes", 4), ("edges", 2**32 - 1), ("graphs", 0), ("feature_width", 2**31), ("embed", "x")]
)
def test_counts_that_do_not_match(field: str, value: int | str, client: Client, served: tuple[Score, str]) -> None:
    request = client.put()
    setattr(request, field, value)
    with pytest.raises(grpc.RpcError) as failed:
        served[0](request)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert served[0](client.put()).slot_number == 7


def test_indices_that_do_not_exist(client: Client, served: tuple[Score, str]) -> None:
    request = client.put()
    sources = request.shared.columns[3].offset + SLOT_BYTES
    client.map[sources : sources + 4] = b"\xff" * 4
    with pytest.raises(grpc.RpcError) as failed:
        served[0](request)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Reusing:
    """An engine during whose work the slot is used for another call."""

    def __init__(self, engine: graphscore.Engine, client: Client) -> None:
        self.model, self.info, self._engine, self._client = engine.model, engine.info, engine, client

    def score(self, batch: graphscore.GraphBatch, embed: str = "") -> graphscore.Scores:
        self._client.put(number=8)
        return self._engine.score(batch, embed)


def test_a_slot_that_is_used_again_is_not_written(two_features: graphscore.Engine, client: Client) -> None:
    server = graphscore.Server(
        Reusing(two_features, client), graphscore.ServerOptions(listen="127.0.0.1:0"), memory=client.mapped()
    )
    server.start()
    request = client.put()
    with grpc.insecure_channel(str(server.address)) as channel, pytest.raises(grpc.RpcError) as failed:
        method(channel, SCORE)(request.SerializeToString(), timeout=60)
    server.stop(0)
    assert "number: 7, but the slot has 8" in str(failed.value.details())
    assert client.scores(request) == bytes(12)


class Raising(Reusing):
    """An engine that fails."""

    def score(self, batch: graphscore.GraphBatch, embed: str = "") -> graphscore.Scores:
        raise MemoryError


def test_a_failed_call_says_that_it_is_over(two_features: graphscore.Engine, client: Client) -> None:
    server = graphscore.Server(
        Raising(two_features, client), graphscore.ServerOptions(listen="127.0.0.1:0"), memory=client.mapped()
    )
    server.start()
    with grpc.insecure_channel(str(server.address)) as channel, pytest.raises(grpc.RpcError) as failed:
        method(channel, SCORE)(client.put().SerializeToString(), timeout=60)
    server.stop(0)
    assert {("graphscore-slot", "7"), ("graphscore-reason", "memory")} <= set(failed.value.trailing_metadata())


def test_a_call_whose_columns_need_too_much_says_that_it_is_over(
    two_features: graphscore.Engine, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch(_: object) -> graphscore.GraphBatch:
        raise MemoryError

    monkeypatch.setattr(codec, "_batch", batch)
    server = graphscore.Server(two_features, graphscore.ServerOptions(listen="127.0.0.1:0"), memory=client.mapped())
    server.start()
    with grpc.insecure_channel(str(server.address)) as channel, pytest.raises(grpc.RpcError) as failed:
        method(channel, SCORE)(client.put().SerializeToString(), timeout=60)
    server.stop(0)
    assert {("graphscore-slot", "7"), ("graphscore-reason", "memory")} <= set(failed.value.trailing_metadata())


def test_a_server_without_memory(server: graphscore.Server, channel: grpc.Channel, client: Client) -> None:
    assert not get_model(str(server.address)).HasField("memory")
    with pytest.raises(grpc.RpcError) as failed:
        method(channel, SCORE)(client.put().SerializeToString())
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert {("graphscore-reason", "slot")} <= set(failed.value.trailing_metadata())


@pytest.mark.parametrize(
    ("client", "changed", "said"),
    [
        (Client(), {"slots": 9}, "it has 2162688 bytes instead of 2228224"),
        (Client(), {"slots": 0}, "it has 2162688 bytes instead of 2097152"),
        (Client(), {"slots": 0, "giants": 0}, "it has 2162688 bytes instead of 0"),
        (Client(), {"giants": 3}, "it has 2162688 bytes instead of 3211264"),
        (Client(seals=3), {}, "seals 0x3"),
        (Client(seals=0), {}, "seals 0x0"),
        (Client(size=SIZE - 1), {}, "it has 2162687 bytes"),
        (Client(), {"version": 1}, "it has version 1, and this package is newer"),
        (Client(), {"version": 3}, ""),
    ],
)
def test_memory_that_is_not_mapped(client: Client, changed: dict[str, int], said: str) -> None:
    environment = client.environment(**changed)
    mapped, reason = memory.inherited(environment)
    assert mapped is None
    assert said in reason
    assert bool(said) == bool(reason)
    assert not environment


@pytest.mark.parametrize(
    "described",
    ["2 4", "2 4 3 8192", "2 x 3 8192 0 0", "2 -4 3 8192 0 0", "2 999999 3 8192 0 0", f"2 {2**70} 3 8192 0 0"],
)
def test_descriptions_that_mean_nothing(described: str) -> None:
    mapped, reason = memory.inherited({memory.VARIABLE: described})
    assert mapped is None
    assert reason


def test_no_room_for_it(client: Client) -> None:
    script = (
        "import os, resource; from graphscore._serving import memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY)); print(memory.inherited(os.environ))"
    )
    descriptor = client.descriptor
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, memory.VARIABLE: f"2 {descriptor} {SLOTS} {SLOT_BYTES} {GIANTS} {GIANT_BYTES}"},
        pass_fds=(descriptor,),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "(None, 'it cannot be mapped: Cannot allocate memory')\n"

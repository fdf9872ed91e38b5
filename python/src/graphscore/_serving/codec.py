"""Messages <-> batches. The only module that imports protobuf.

Messages are bytes here, so that one that does not parse is an INVALID_ARGUMENT like any other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError, Message

from graphscore._arrays import Floats
from graphscore._batch import BatchError, GraphBatch, Level, Scores, StepFacts
from graphscore._proto import gcn_pb2, scoring_pb2
from graphscore._serving import wire
from graphscore._serving.memory import VERSION, Extent, Memory, Slot, SlotError, SlotMemoryError, UnmappedError

GCN_SERVICE: Final = gcn_pb2.DESCRIPTOR.services_by_name["GCNService"].full_name
SCORING_SERVICE: Final = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name

_FLOAT: Final = np.dtype(np.float32).newbyteorder("<")
_UINT: Final = np.dtype(np.uint32).newbyteorder("<")

# How protobuf writes a field: its number, three bits of wire type, then a number: the value, or how many bytes follow.
_WIRE_TYPE: Final = 7
_VARINT: Final = 0
_BYTES: Final = 2
_ONE_BYTE: Final = 15
_MOST_FIELDS: Final = 64
"""Fields of a ScoreRequest that are read without protobuf."""
_MOST_UINT32: Final = 2**32 - 1
_SCORE_REQUEST_TAGS: Final = {
    field.number << 3 | (_BYTES if field.type in (field.TYPE_BYTES, field.TYPE_STRING) else _VARINT): field.name
    for field in scoring_pb2.ScoreRequest.DESCRIPTOR.fields
    if field.number <= _ONE_BYTE and field.type != field.TYPE_MESSAGE
}
_SHAREABLE: Final = {
    field.number: field.name for field in scoring_pb2.ScoreRequest.DESCRIPTOR.fields if field.type == field.TYPE_BYTES
}
_INDICES: Final = frozenset(("node_counts", "in_degrees", "sources", "edge_types"))
"""Columns that are copied out of a slot: what was checked of them must hold while they are used."""
_SHARED: Final = scoring_pb2.ScoreRequest.DESCRIPTOR.fields_by_name["shared"].number
_ANSWERED: Final = {field.name: field.number for field in scoring_pb2.ScoreResponse.DESCRIPTOR.fields}

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class ModelInfo:
    """The answer of GetModel; see scoring.proto."""

    name: str
    digest: str
    in_features: int
    outputs: Sequence[str]
    max_message_bytes: int
    engine: str
    versions: Mapping[str, str]
    blas: str
    level: Level
    inputs: Mapping[str, int]
    optional: frozenset[str]
    steps: Sequence[StepFacts]
    no_steps: str
    memory: Memory | None = None
    no_memory: str = ""


def decode_score_request(data: bytes, memory: Memory | None = None) -> tuple[GraphBatch, str, Slot | None]:
    """Return the batch of a ScoreRequest, the step whose values are wanted, '' for none, and the slot of its columns.

    Raises BatchError naming the field and both numbers, SlotError where the slot cannot be used, SlotMemoryError where
    there is no room for it, and UnmappedError where there is none.

    The batch shares the memory of `data` or of the slot; its features may lie at any address.
    """
    request: _ScoreRequest | scoring_pb2.ScoreRequest | None = _score_request(data)
    slot = None
    if request is None:
        wire.check_columns(data, _SHARED)
        request = parsed = parse(scoring_pb2.ScoreRequest, data)
        if parsed.HasField("shared"):
            request, slot = _shared(parsed, memory)
    try:
        batch = _batch(request)
    except MemoryError:
        if slot is None:
            raise
        raise SlotMemoryError(slot.number) from None
    return batch, request.embed if isinstance(request.embed, str) else _text("embed", request.embed), slot


def _batch(request: _ScoreRequest | scoring_pb2.ScoreRequest) -> GraphBatch:
    nodes, edges, width = request.nodes, request.edges, request.feature_width
    features = _column("features", request.features, _FLOAT, "nodes x feature_width", nodes * width)
    weights, types = request.edge_weights, request.edge_types
    return GraphBatch(
        node_counts=_aligned(_column("node_counts", request.node_counts, _UINT, "graphs", request.graphs)),
        features=features.reshape(nodes, width) if nodes else features.reshape(0, 0),
        in_degrees=_aligned(_column("in_degrees", request.in_degrees, _UINT, "nodes", nodes)),
        sources=_aligned(_column("sources", request.sources, _UINT, "edges", edges)),
        edge_weights=_column("edge_weights", weights, _FLOAT, "edges", edges) if weights else None,
        edge_features=_table("edge", request.edge_features, edges, request.edge_feature_width),
        edge_types=_aligned(_column("edge_types", types, _UINT, "edges", edges)) if types else None,
        graph_features=_table("graph", request.graph_features, request.graphs, request.graph_feature_width),
    )


def _shared(request: scoring_pb2.ScoreRequest, memory: Memory | None) -> tuple[_ScoreRequest, Slot]:
    """Return a request whose columns lie in a slot, and the slot."""
    if memory is None:
        raise UnmappedError("shared: this server has not mapped memory for columns")
    shared = request.shared
    columns: dict[str, Extent] = {}
    for column in shared.columns:
        name = _SHAREABLE.get(column.field)
        if name is None or name in columns:
            raise SlotError(f"columns: field {column.field} is {'no column' if name is None else 'there twice'}")
        columns[name] = Extent(name, column.offset, column.bytes)
    places = [_place("scores", shared.scores)]
    if request.embed:
        places.append(_place("embedding", shared.embedding))
    slot = memory.open(shared.slot, shared.number, tuple(columns.values()), places)
    views = {name: slot.column(extent) for name, extent in columns.items()}
    try:
        copied = {name: bytes(view) if name in _INDICES else view for name, view in views.items()}
    except MemoryError:
        raise SlotMemoryError(slot.number) from None
    return _ScoreRequest(
        graphs=request.graphs,
        nodes=request.nodes,
        edges=request.edges,
        feature_width=request.feature_width,
        edge_feature_width=request.edge_feature_width,
        graph_feature_width=request.graph_feature_width,
        embed=request.embed,
        **copied,
    ), slot


def _place(name: str, place: scoring_pb2.SharedColumn) -> Extent:
    if place.field != _ANSWERED[name]:
        raise SlotError(f"{name}: the place is for field {place.field} instead of {_ANSWERED[name]}")
    return Extent(name, place.offset, place.bytes)


@dataclass
class _ScoreRequest:
    """A ScoreRequest whose columns share the memory of the message."""

    graphs: int = 0
    nodes: int = 0
    edges: int = 0
    feature_width: int = 0
    node_counts: bytes | memoryview = b""
    features: bytes | memoryview = b""
    in_degrees: bytes | memoryview = b""
    sources: bytes | memoryview = b""
    edge_weights: bytes | memoryview = b""
    edge_feature_width: int = 0
    edge_features: bytes | memoryview = b""
    edge_types: bytes | memoryview = b""
    graph_feature_width: int = 0
    graph_features: bytes | memoryview = b""
    embed: bytes | memoryview | str = ""


def _score_request(data: bytes) -> _ScoreRequest | None:
    """Read a ScoreRequest as every known client writes it; None for any other, which protobuf may be able to read.

    Context: protobuf copies each column twice, which is several per cent of all that a worker does for a small
    model. Decision: a message of nothing but the fields of scoring.proto is read here. Price: these lines; a property
    test compares them with protobuf.
    """
    request, position, fields = _ScoreRequest(), 0, 0
    view = memoryview(data)
    while position < len(data):
        fields += 1
        if fields > _MOST_FIELDS:
            return None
        tag = data[position]
        name = _SCORE_REQUEST_TAGS.get(tag)
        value, position = _varint(data, position + 1)
        if name is None or value > _MOST_UINT32:
            return None
        if tag & _WIRE_TYPE == _VARINT:
            setattr(request, name, value)
        elif position + value > len(data):
            return None
        else:
            setattr(request, name, view[position : position + value])
            position += value
    return request


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of up to 5 bytes: it and the position after it; one above 2^32 where it is longer or cut."""
    value = 0
    for shift, byte in enumerate(data[position : position + 5]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:  # noqa: PLR2004
            return value, position + shift + 1
    return _MOST_UINT32 + 1, position


def encode_score_response(scores: Scores, model_digest: str, model_nanos: int, slot: Slot | None = None) -> bytes:
    """Return a ScoreResponse. It counts nodes only where a row is a node: older clients take any count for theirs.

    With a slot the values are written there. Raises SlotError.
    """
    rows, outputs = scores.values.shape
    embedding = scores.embedding
    tables = [table for table in (scores.values, embedding) if table is not None]
    if slot is not None:
        slot.write(tables)
    values, kept = (b"", b"") if slot is not None else (_floats(scores.values), _floats(embedding))
    return scoring_pb2.ScoreResponse(
        nodes=rows if scores.level == "node" else 0,
        rows=rows,
        outputs=outputs,
        scores=values,
        model_digest=model_digest,
        errors=[
            scoring_pb2.GraphError(graph=failure.graph, code=failure.code, message=failure.message)
            for failure in scores.failed
        ],
        model_nanos=model_nanos,
        embedding_width=0 if embedding is None else embedding.shape[1],
        embedding=kept,
        slot=0 if slot is None else slot.index,
        slot_number=0 if slot is None else slot.number,
    ).SerializeToString()


def _floats(table: Floats | None) -> bytes:
    return b"" if table is None else table.astype(_FLOAT, copy=False).tobytes()


def decode_get_model_request(data: bytes) -> None:
    """Check a GetModelRequest; it has no fields."""
    parse_asked(scoring_pb2.GetModelRequest, data)


def encode_get_model_response(info: ModelInfo) -> bytes:
    """Return a GetModelResponse."""
    memory = info.memory
    return scoring_pb2.GetModelResponse(
        name=info.name,
        digest=info.digest,
        in_features=info.in_features,
        outputs=info.outputs,
        max_message_bytes=info.max_message_bytes,
        engine=info.engine,
        versions=info.versions,
        blas=info.blas,
        level=info.level,
        inputs=[
            scoring_pb2.ModelInput(name=name, width=width, optional=name in info.optional)
            for name, width in info.inputs.items()
        ],
        steps=[scoring_pb2.ModelStep(name=step.name, level=step.level, width=step.width) for step in info.steps],
        no_steps=info.no_steps,
        memory=None
        if memory is None
        else scoring_pb2.SharedMemory(
            version=VERSION,
            slots=memory.slots,
            slot_bytes=memory.slot_bytes,
            giants=memory.giants.slots,
            giant_bytes=memory.giants.slot_bytes,
        ),
        no_memory=info.no_memory,
    ).SerializeToString()


def decode_graph(data: bytes, in_features: int) -> tuple[list[str], GraphBatch]:
    """Return the node ids of a GraphData, in order, and its batch of one graph.

    Raises BatchError naming the node: a wrong number of features, an id that occurs twice, an edge without a node.
    """
    graph, parsed = _Graph(in_features), parse(gcn_pb2.GraphData, data)
    graph.add_nodes(parsed.nodes)
    graph.add_edges(parsed.edges)
    return graph.batch()


def decode_large_graph(data: bytes, in_features: int, limit: wire.GraphLimit) -> tuple[list[str], GraphBatch]:
    """Do what `decode_graph` does, piece by piece. Raises BatchError also for more nodes or edges than the limit.

    A message that is parsed as a whole takes up to 30 times its bytes, and the lock of the interpreter for seconds.
    """
    graph, later = _Graph(in_features), []
    for piece in wire.pieces(data, limit):
        if piece.nodes or not piece.edges:
            graph.add_nodes(parse(gcn_pb2.GraphData, data[piece.begin : piece.end]).nodes)
        if piece.edges:
            later.append(piece)  # an edge may come before its nodes
    for piece in later:
        graph.add_edges(parse(gcn_pb2.GraphData, data[piece.begin : piece.end]).edges)
    return graph.batch()


class _Graph:
    """The nodes and edges of a GraphData so far."""

    def __init__(self, in_features: int) -> None:
        self._in_features = in_features
        self._numbers: dict[str, int] = {}
        self._features = array("f")
        self._sources, self._targets = array("i"), array("i")

    def add_nodes(self, nodes: Iterable[gcn_pb2.Node]) -> None:
        """Add nodes. Raises BatchError."""
        numbers = self._numbers
        for node in nodes:
            if node.id in numbers:
                raise BatchError(f"nodes: node id {node.id!r} occurs twice")
            if len(node.features) != self._in_features:
                raise BatchError(
                    f"nodes: node {node.id!r} has {len(node.features)} features, but the model takes"
                    f" {self._in_features}"
                )
            numbers[node.id] = len(numbers)
            self._features.extend(node.features)

    def add_edges(self, edges: Iterable[gcn_pb2.Edge]) -> None:
        """Add edges between nodes that are there. Raises BatchError."""
        number = self._numbers.get
        for edge in edges:
            source, target = number(edge.source_id), number(edge.target_id)
            if source is None or target is None:
                end, name = ("source", edge.source_id) if source is None else ("target", edge.target_id)
                raise BatchError(
                    f"edges: edge {len(self._sources)} has {end} {name!r}, which is not a node of the graph"
                )
            self._sources.append(source)
            self._targets.append(target)

    def batch(self) -> tuple[list[str], GraphBatch]:
        """Return the ids, and the batch."""
        count, targets = len(self._numbers), np.array(self._targets, np.int32)
        order = np.argsort(targets, kind="stable")
        return list(self._numbers), GraphBatch(
            node_counts=np.array([count], np.int64),
            features=np.array(self._features, np.float32).reshape(count, self._in_features),
            in_degrees=np.bincount(targets, minlength=count),
            sources=np.array(self._sources, np.int32)[order],
        )


def encode_gcn_result(ids: Sequence[str], values: Floats) -> bytes:
    """Return a GCNResult: id -> score, for values [len(ids), 1]."""
    return gcn_pb2.GCNResult(node_scores=dict(zip(ids, values[:, 0].tolist(), strict=True))).SerializeToString()


def parse_asked(kind: type[_M], data: bytes) -> _M:
    """Return a message without columns, which is short. Raises BatchError."""
    if len(data) > wire.MOST_ASKED:
        raise BatchError(f"the request has {len(data)} bytes; it may have {wire.MOST_ASKED}")
    return parse(kind, data)


def parse(kind: type[_M], data: bytes) -> _M:
    """Return a message. Raises BatchError."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise BatchError(f"the request is not a {kind.DESCRIPTOR.name} message: {error}") from None


def _text(name: str, data: bytes | memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise BatchError(f"{name}: it is not UTF-8") from None


def _aligned(column: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """Return a column for several passes over it: each is slow at an odd address."""
    return column if column.flags.aligned else column.copy()


def _table(what: str, data: bytes | memoryview, count: int, width: int) -> Floats | None:
    """Return the features [count, width] of edges or graphs; None where the request has none."""
    unit = f"{what}s x {what}_feature_width"
    column = _column(f"{what}_features", data, _FLOAT, unit, count * width)
    return column.reshape(count, width) if width else None


def _column(name: str, data: bytes | memoryview, kind: np.dtype[_T], unit: str, count: int) -> npt.NDArray[_T]:
    wanted = count * kind.itemsize
    if len(data) != wanted:
        raise BatchError(
            f"{name}: {len(data)} bytes, but {unit} = {count} values of {kind.itemsize} bytes are {wanted}"
        )
    return np.frombuffer(data, kind)

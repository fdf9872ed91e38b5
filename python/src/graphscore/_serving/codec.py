"""Messages <-> batches. The only module that imports protobuf.

Messages are bytes here, so that one that does not parse is an INVALID_ARGUMENT like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError, Message

from graphscore._arrays import Floats
from graphscore._batch import BatchError, GraphBatch, Level, Scores, StepFacts
from graphscore._proto import gcn_pb2, scoring_pb2

GCN_SERVICE: Final = gcn_pb2.DESCRIPTOR.services_by_name["GCNService"].full_name
SCORING_SERVICE: Final = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name

_FLOAT: Final = np.dtype(np.float32).newbyteorder("<")
_UINT: Final = np.dtype(np.uint32).newbyteorder("<")

# How protobuf writes a field: its number, three bits of wire type, then a number: the value, or how many bytes follow.
_WIRE_TYPE: Final = 7
_VARINT: Final = 0
_BYTES: Final = 2
_MOST_UINT32: Final = 2**32 - 1
_SCORE_REQUEST_TAGS: Final = {
    field.number << 3 | (_BYTES if field.type in (field.TYPE_BYTES, field.TYPE_STRING) else _VARINT): field.name
    for field in scoring_pb2.ScoreRequest.DESCRIPTOR.fields
}

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


def decode_score_request(data: bytes) -> tuple[GraphBatch, str]:
    """Return the batch of a ScoreRequest and the step whose values are wanted, '' for none.

    Raises BatchError naming the field and both numbers.

    The batch shares the memory of `data`; its features may lie at any address.
    """
    request = _score_request(data) or _parse(scoring_pb2.ScoreRequest, data)
    nodes, edges, width = request.nodes, request.edges, request.feature_width
    features = _column("features", request.features, _FLOAT, "nodes x feature_width", nodes * width)
    weights, types = request.edge_weights, request.edge_types
    embed = request.embed if isinstance(request.embed, str) else _text("embed", request.embed)
    return GraphBatch(
        node_counts=_aligned(_column("node_counts", request.node_counts, _UINT, "graphs", request.graphs)),
        features=features.reshape(nodes, width) if nodes else features.reshape(0, 0),
        in_degrees=_aligned(_column("in_degrees", request.in_degrees, _UINT, "nodes", nodes)),
        sources=_aligned(_column("sources", request.sources, _UINT, "edges", edges)),
        edge_weights=_column("edge_weights", weights, _FLOAT, "edges", edges) if weights else None,
        edge_features=_table("edge", request.edge_features, edges, request.edge_feature_width),
        edge_types=_aligned(_column("edge_types", types, _UINT, "edges", edges)) if types else None,
        graph_features=_table("graph", request.graph_features, request.graphs, request.graph_feature_width),
    ), embed


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
    request, position = _ScoreRequest(), 0
    view = memoryview(data)
    while position < len(data):
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


def encode_score_response(scores: Scores, model_digest: str, model_nanos: int) -> bytes:
    """Return a ScoreResponse. It counts nodes only where a row is a node: older clients take any count for theirs."""
    rows, outputs = scores.values.shape
    embedding = scores.embedding
    return scoring_pb2.ScoreResponse(
        nodes=rows if scores.level == "node" else 0,
        rows=rows,
        outputs=outputs,
        scores=scores.values.astype(_FLOAT, copy=False).tobytes(),
        model_digest=model_digest,
        errors=[
            scoring_pb2.GraphError(graph=failure.graph, code=failure.code, message=failure.message)
            for failure in scores.failed
        ],
        model_nanos=model_nanos,
        embedding_width=0 if embedding is None else embedding.shape[1],
        embedding=b"" if embedding is None else embedding.astype(_FLOAT, copy=False).tobytes(),
    ).SerializeToString()


def decode_get_model_request(data: bytes) -> None:
    """Check a GetModelRequest; it has no fields."""
    _parse(scoring_pb2.GetModelRequest, data)


def encode_get_model_response(info: ModelInfo) -> bytes:
    """Return a GetModelResponse."""
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
    ).SerializeToString()


def decode_graph(data: bytes, in_features: int) -> tuple[list[str], GraphBatch]:
    """Return the node ids of a GraphData, in order, and its batch of one graph.

    Raises BatchError naming the node: a wrong number of features, an id that occurs twice, an edge without a node.
    """
    graph = _parse(gcn_pb2.GraphData, data)
    numbers: dict[str, int] = {}
    features: list[float] = []
    for node in graph.nodes:
        if node.id in numbers:
            raise BatchError(f"nodes: node id {node.id!r} occurs twice")
        if len(node.features) != in_features:
            raise BatchError(
                f"nodes: node {node.id!r} has {len(node.features)} features, but the model takes {in_features}"
            )
        numbers[node.id] = len(numbers)
        features.extend(node.features)
    sources = np.empty(len(graph.edges), np.int32)
    targets = np.empty(len(graph.edges), np.int32)
    for index, edge in enumerate(graph.edges):
        source, target = numbers.get(edge.source_id), numbers.get(edge.target_id)
        if source is None or target is None:
            end, name = ("source", edge.source_id) if source is None else ("target", edge.target_id)
            raise BatchError(f"edges: edge {index} has {end} {name!r}, which is not a node of the graph")
        sources[index], targets[index] = source, target
    order = np.argsort(targets, kind="stable")
    return list(numbers), GraphBatch(
        node_counts=np.array([len(numbers)], np.int64),
        features=np.array(features, np.float32).reshape(len(numbers), in_features),
        in_degrees=np.bincount(targets, minlength=len(numbers)),
        sources=sources[order],
    )


def encode_gcn_result(ids: Sequence[str], values: Floats) -> bytes:
    """Return a GCNResult: id -> score, for values [len(ids), 1]."""
    return gcn_pb2.GCNResult(node_scores=dict(zip(ids, values[:, 0].tolist(), strict=True))).SerializeToString()


def _parse(kind: type[_M], data: bytes) -> _M:
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

from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("graphs", "nodes", "edges", "feature_width", "node_counts", "features", "in_degrees", "sources", "edge_weights", "edge_feature_width", "edge_features", "edge_types", "graph_feature_width", "graph_features", "embed", "shared")
    GRAPHS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    FEATURE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    NODE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    IN_DEGREES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    EDGE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    EDGE_FEATURE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    EDGE_FEATURES_FIELD_NUMBER: _ClassVar[int]
    EDGE_TYPES_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FEATURE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FEATURES_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    graphs: int
    nodes: int
    edges: int
    feature_width: int
    node_counts: bytes
    features: bytes
    in_degrees: bytes
    sources: bytes
    edge_weights: bytes
    edge_feature_width: int
    edge_features: bytes
    edge_types: bytes
    graph_feature_width: int
    graph_features: bytes
    embed: str
    shared: SharedColumns
    def __init__(self, graphs: _Optional[int] = ..., nodes: _Optional[int] = ..., edges: _Optional[int] = ..., feature_width: _Optional[int] = ..., node_counts: _Optional[bytes] = ..., features: _Optional[bytes] = ..., in_degrees: _Optional[bytes] = ..., sources: _Optional[bytes] = ..., edge_weights: _Optional[bytes] = ..., edge_feature_width: _Optional[int] = ..., edge_features: _Optional[bytes] = ..., edge_types: _Optional[bytes] = ..., graph_feature_width: _Optional[int] = ..., graph_features: _Optional[bytes] = ..., embed: _Optional[str] = ..., shared: _Optional[_Union[SharedColumns, _Mapping]] = ...) -> None: ...

class SharedColumns(_message.Message):
    __slots__ = ("slot", "number", "columns", "scores", "embedding")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    slot: int
    number: int
    columns: _containers.RepeatedCompositeFieldContainer[SharedColumn]
    scores: SharedColumn
    embedding: SharedColumn
    def __init__(self, slot: _Optional[int] = ..., number: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[SharedColumn, _Mapping]]] = ..., scores: _Optional[_Union[SharedColumn, _Mapping]] = ..., embedding: _Optional[_Union[SharedColumn, _Mapping]] = ...) -> None: ...

class SharedColumn(_message.Message):
    __slots__ = ("field", "offset", "bytes")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    field: int
    offset: int
    bytes: int
    def __init__(self, field: _Optional[int] = ..., offset: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("nodes", "outputs", "scores", "model_digest", "errors", "model_nanos", "rows", "embedding_width", "embedding", "slot", "slot_number")
    NODES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    MODEL_NANOS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_WIDTH_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SLOT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    nodes: int
    outputs: int
    scores: bytes
    model_digest: str
    errors: _containers.RepeatedCompositeFieldContainer[GraphError]
    model_nanos: int
    rows: int
    embedding_width: int
    embedding: bytes
    slot: int
    slot_number: int
    def __init__(self, nodes: _Optional[int] = ..., outputs: _Optional[int] = ..., scores: _Optional[bytes] = ..., model_digest: _Optional[str] = ..., errors: _Optional[_Iterable[_Union[GraphError, _Mapping]]] = ..., model_nanos: _Optional[int] = ..., rows: _Optional[int] = ..., embedding_width: _Optional[int] = ..., embedding: _Optional[bytes] = ..., slot: _Optional[int] = ..., slot_number: _Optional[int] = ...) -> None: ...

class GraphError(_message.Message):
    __slots__ = ("graph", "code", "message")
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    graph: int
    code: str
    message: str
    def __init__(self, graph: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("name", "digest", "in_features", "outputs", "max_message_bytes", "engine", "versions", "blas", "level", "inputs", "steps", "no_steps", "memory", "no_memory")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    IN_FEATURES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    BLAS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    NO_STEPS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    NO_MEMORY_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    in_features: int
    outputs: _containers.RepeatedScalarFieldContainer[str]
    max_message_bytes: int
    engine: str
    versions: _containers.ScalarMap[str, str]
    blas: str
    level: str
    inputs: _containers.RepeatedCompositeFieldContainer[ModelInput]
    steps: _containers.RepeatedCompositeFieldContainer[ModelStep]
    no_steps: str
    memory: SharedMemory
    no_memory: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., in_features: _Optional[int] = ..., outputs: _Optional[_Iterable[str]] = ..., max_message_bytes: _Optional[int] = ..., engine: _Optional[str] = ..., versions: _Optional[_Mapping[str, str]] = ..., blas: _Optional[str] = ..., level: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[ModelInput, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[ModelStep, _Mapping]]] = ..., no_steps: _Optional[str] = ..., memory: _Optional[_Union[SharedMemory, _Mapping]] = ..., no_memory: _Optional[str] = ...) -> None: ...

class SharedMemory(_message.Message):
    __slots__ = ("version", "slots", "slot_bytes", "giants", "giant_bytes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOT_BYTES_FIELD_NUMBER: _ClassVar[int]
    GIANTS_FIELD_NUMBER: _ClassVar[int]
    GIANT_BYTES_FIELD_NUMBER: _ClassVar[int]
    version: int
    slots: int
    slot_bytes: int
    giants: int
    giant_bytes: int
    def __init__(self, version: _Optional[int] = ..., slots: _Optional[int] = ..., slot_bytes: _Optional[int] = ..., giants: _Optional[int] = ..., giant_bytes: _Optional[int] = ...) -> None: ...

class ModelStep(_message.Message):
    __slots__ = ("name", "level", "width")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    name: str
    level: str
    width: int
    def __init__(self, name: _Optional[str] = ..., level: _Optional[str] = ..., width: _Optional[int] = ...) -> None: ...

class ModelInput(_message.Message):
    __slots__ = ("name", "width", "optional")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    width: int
    optional: bool
    def __init__(self, name: _Optional[str] = ..., width: _Optional[int] = ..., optional: _Optional[bool] = ...) -> None: ...

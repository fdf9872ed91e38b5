"""The contract between what computes a model and what serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphscore._batch import GraphBatch, Level, Scores, StepFacts


class EngineError(RuntimeError):
    """This machine's arithmetic cannot keep the promise that a graph's scores do not depend on its place."""


class ModelFacts(Protocol):
    """A model as callers see it, whatever its files are. Nothing of it changes."""

    @property
    def name(self) -> str:
        """A name for people."""

    @property
    def digest(self) -> str:
        """'sha256:' and 64 hexadecimal digits of all that the scores depend on in the model folder."""

    @property
    def in_features(self) -> int:
        """Features of a node, at least 1."""

    @property
    def level(self) -> Level:
        """What a row of scores belongs to."""

    @property
    def inputs(self) -> Mapping[str, int]:
        """The columns that the model reads and their widths, in this order; one that is not here is not read.

        x and graph_attr: values a node and a graph; edge_attr: values an edge; edge_type: the number of types;
        edge_weight: 1. x is always there.
        """

    @property
    def optional(self) -> frozenset[str]:
        """Those of `inputs` that a table may lack: edge_weight of graphscore/1, whose edges weigh 1 then."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """A name for each score of a row, at least one; the order is that of the columns of the scores."""

    @property
    def steps(self) -> Sequence[StepFacts]:
        """The steps whose values can be had, in the order of config.json; `no_steps` says why there are none."""

    @property
    def no_steps(self) -> str:
        """Why there are no steps, as the rest of a sentence; empty where there are some."""


@dataclass(frozen=True)
class EngineInfo:
    """What scores depend on apart from the model."""

    name: str
    """The engine, e.g. 'scipy'."""
    versions: Mapping[str, str]
    """The libraries that compute, by name."""
    blas: str
    """The BLAS with version and kernel, e.g. 'openblas 0.3.31 Haswell'; 'unknown' where it cannot be found out."""


class Engine(Protocol):
    """A model that computes.

    An engine is made once and used by many threads at the same time; no method may depend on another call. A
    graph's scores depend on that graph and the model alone, to the bit: not on its neighbours in the batch, its
    place or the size of the batch. An engine that cannot promise this on a machine raises EngineError when it is
    made; one whose model folder is broken raises ModelError.
    """

    @property
    def model(self) -> ModelFacts:
        """The model."""

    def info(self) -> EngineInfo:
        """Return what the scores depend on apart from the model."""

    def score(self, batch: GraphBatch, embed: str = "") -> Scores:
        """Score a batch: float32 [rows, K], where K is the number of `model.outputs`.

        A row is a node, an edge or a graph, as `model.level` says. `embed` names a step of `model.steps`, of that
        level, whose values are wanted beside the scores; it changes no score.

        Scores have the unit that the model was trained on; they may be NaN or infinite where its arithmetic
        returns that. The batch is not changed, and the caller may not change it during the call; the scores are
        new arrays that belong to the caller.

        A graph with an edge that leaves it, or with a category that the model has no table row or type for, is
        listed in `failed`, its rows are zero, and it disturbs no other graph. Raises BatchError if a column
        that the model reads is absent or of another width where the batch has nodes, edges or graphs for it
        (absent edge weights are all 1) or `embed` names no such step, and MemoryError if there is not enough
        memory. Any other exception is a bug; it ends the call, and the engine stays usable.
        """

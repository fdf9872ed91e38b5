"""A model folder as a function of tables: rows of graphs in, rows of scores out, without a server. Needs pyarrow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from threadpoolctl import ThreadpoolController

from graphscore import _engines
from graphscore._engines import Engine
from graphscore._engines.scipy_engine import ScipyEngine
from graphscore._model import embedded, load_model

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class TableScores:
    """What came of the rows of a table. Every row with nodes is in one of the two."""

    scores: pa.Table
    """The columns that the pipeline writes: graph_id, the ids of the level, and a float32 column an output.

    Level node: `node_id`; level edge: `source` and `target`, the edges in the order of the input. For an embedding,
    one column `embedding`, a fixed-size list of float32, instead of the outputs."""
    rejected: pa.Table
    """`row`, `code`, `message`: the rows without scores, ascending, with the codes of the pipeline's quarantine."""


class TableScorer:
    """Scores tables with one model; `graphscore.load` makes it. Safe for use from several threads; it can be pickled.

    Args:
        folder: the folder of the model.
        embed: the name of a step, or None.
    """

    def __init__(self, folder: str | Path, embed: str | None = None) -> None:
        self._folder: Final = Path(folder).absolute()
        self._embed: Final = embed
        self._score = _scoring()
        self._width = 0
        with _one_thread():
            if embed is None:
                self._engine: Engine = _engines.load(folder)
            else:
                model = embedded(load_model(folder), embed)
                self._engine, self._width = ScipyEngine(model), len(model.outputs)

    @property
    def engine(self) -> Engine:
        """What scores: its `model` has name, digest, level, inputs and outputs."""
        return self._engine

    def score(
        self,
        table: pa.Table | pa.RecordBatch,
        columns: Mapping[str, str] | None = None,
        *,
        name: str = "",
        first_row: int = 0,
    ) -> TableScores:
        """Score a table of layout rows, one graph a row; see readers/README.md for its columns and their types.

        Memory beyond the table and its scores is bounded by a block of rows. Scores have the same bits as the
        pipeline's for the same rows, however the table is cut: BLAS has one thread during the call, in all of the
        process.

        Args:
            table: a pyarrow.Table or a pyarrow.RecordBatch. It is not changed.
            columns: names of columns, as `columns:` in a job: `{"features": "h", "weights": "none"}`.
            name: graphs without a column graph_id are called `<name>#<row>`.
            first_row: the number of the first row, where the table is a piece of a larger one.

        Raises TableError if a column is missing or of another type, naming it and what to do.
        """
        with _one_thread():
            return TableScores(
                *self._score(self._engine, table, columns, name=name, first_row=first_row, width=self._width)
            )

    def __reduce__(self) -> tuple[Callable[..., TableScorer], tuple[Path, str | None]]:
        """Pickle the place of the model, which is loaded again where it is unpickled."""
        return TableScorer, (self._folder, self._embed)


def load(folder: str | Path, *, embed: str | None = None) -> TableScorer:
    """Load a model folder for scoring tables of pyarrow.

    Args:
        folder: with config.json and model.safetensors.
        embed: the name of a step of a graphscore/2 model: its values are the scores, as column `embedding`. The
            rows are nodes, edges or graphs, as the step's.

    Raises ModelError if the folder does not load or has no such step, EngineError if this machine cannot compute the
    model, and ImportError without pyarrow.
    """
    return TableScorer(folder, embed)


def _scoring() -> Callable[..., tuple[pa.Table, pa.Table]]:
    try:
        from graphscore._tables.scoring import score  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise ImportError("graphscore.load needs pyarrow: pip install 'graphscore[arrow]'", name="pyarrow") from None
    return score


class _Blas:
    """How many calls need a BLAS of one thread: more change the last bits of products."""

    lock = threading.Lock()
    users = 0
    limit: object = None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let BLAS use one thread, until the last of the calls that run at a time is over."""
    with _Blas.lock:
        if not _Blas.users:
            _Blas.limit = ThreadpoolController().limit(limits=1, user_api="blas")
        _Blas.users += 1
    try:
        yield
    finally:
        with _Blas.lock:
            _Blas.users -= 1
            if not _Blas.users:
                _Blas.limit.restore_original_limits()  # type: ignore[attr-defined]

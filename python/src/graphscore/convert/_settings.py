"""What a conversion is asked for, and what its readers hand to its writers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from graphscore._exit_codes import USAGE
from graphscore.convert._error import ConvertError

if TYPE_CHECKING:
    import pyarrow as pa

FEATURES: Final = ("chemprop-v2", "molecules")
DEFAULT_MAX_ATOMS: Final = 1000
# A part is converted by one process and is what a resumed run skips. Fewer rows share a small input out better.
DEFAULT_PART_ROWS: Final = 8192
MOST_BYTES: Final = 64 << 20  # of a chunk: SMILES, ids and carried columns; it ends with the row that reaches them
_MOST: Final = {"--processes": 1024, "--max-atoms": 1 << 20, "--part-rows": 1 << 20}

# Columns that graphscore reads: a carried column may not have such a name. `graph_attr` may, as it is read as that.
_RESERVED: Final = frozenset(
    {
        "graph_id",
        "node_feat",
        "x",
        "edge_index",
        "source",
        "target",
        "edge_weight",
        "edge_attr",
        "edge_type",
        "num_nodes",
        "node_ids",
    }
)


@dataclass(frozen=True)
class Settings:
    """The settings of a conversion that decide what its parts hold."""

    features: str
    max_atoms: int = DEFAULT_MAX_ATOMS
    part_rows: int = DEFAULT_PART_ROWS
    smiles_column: str | None = None
    id_column: str | None = None
    carry: tuple[str, ...] = ()

    def check(self, processes: int) -> None:
        """Raise ConvertError (64) for a value that cannot be."""
        if self.features not in FEATURES:
            raise ConvertError(USAGE, f"--features {self.features}: one of {', '.join(FEATURES)}")
        values = {"--processes": processes, "--max-atoms": self.max_atoms, "--part-rows": self.part_rows}
        for flag, value in values.items():
            if not 1 <= value <= _MOST[flag]:
                raise ConvertError(USAGE, f"{flag} {value}: a number from 1 to {_MOST[flag]:,}")
        for name in self.carry:
            if name in _RESERVED:
                raise ConvertError(USAGE, f"--carry {name}: graphscore reads a column of this name; rename it")
        if len(set(self.carry)) != len(self.carry):
            raise ConvertError(USAGE, "--carry: a column is named twice")


@dataclass(frozen=True)
class Reject:
    """A row that is not converted. `line` counts lines from 1 in text and rows from 0 in Parquet."""

    line: int
    smiles: str
    code: str
    reason: str


@dataclass
class Chunk:
    """The rows of one part, as read.

    `lines`, `smiles`, `ids` and `carried` have one entry for each row that could be read; `rejects` has the others.
    `content` is a digest of the rows: the same rows have the same.
    """

    file: str
    number: int
    lines: list[int] = field(default_factory=list)
    smiles: list[str | None] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    carried: pa.RecordBatch | None = None
    rejects: list[Reject] = field(default_factory=list)
    content: str = ""

    @property
    def rows(self) -> int:
        """Rows of the input in this chunk."""
        return len(self.lines) + len(self.rejects)

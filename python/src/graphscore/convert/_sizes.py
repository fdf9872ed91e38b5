"""How many bytes the rows of a table take, and how many rows of a Parquet file are decoded at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Sizes = npt.NDArray[np.int64]

_MOST_ROWS: Final = 128
_MOST_BYTES: Final = 16 << 20
_BITS: Final = 8
_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def row_sizes(batch: pa.RecordBatch) -> Sizes:
    """Return about how many bytes the values of each row take."""
    total = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        total += _sizes(column)
    return total


def _sizes(column: pa.Array) -> Sizes | int:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    if any(is_text(column.type) for is_text in _TEXTS):
        lengths: Sizes = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        return lengths
    try:
        return int(column.type.bit_width) // _BITS
    except ValueError:  # it has no fixed width
        return np.fromiter((column.slice(row, 1).nbytes for row in range(len(column))), np.int64, len(column))


def rows_at_once(metadata: pq.FileMetaData, columns: Sequence[str]) -> int:
    """Return how many rows of these columns are decoded at once: few where they are long."""
    longest = 0.0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        places = range(group.num_columns)
        found = [group.column(place) for place in places]
        size = sum(leaf.total_uncompressed_size for leaf in found if leaf.path_in_schema.split(".")[0] in columns)
        longest = max(longest, size / max(1, group.num_rows))
    return int(min(_MOST_ROWS, max(1, _MOST_BYTES // max(1, longest))))

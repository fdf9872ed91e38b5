"""Conversion of SMILES to graphs: `python -m graphscore convert smiles`, as a function.

    from graphscore.convert import Settings, smiles
    totals = smiles(["library.csv"], "graphs", Settings(features="chemprop-v2"))

Needs the extra `rdkit`. The words: a *chunk* is a fixed number of rows of one input, and becomes one *part*, a Parquet
file of the folder; a *reject* is a row that is not converted, and is listed in `_rejects`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphscore._exit_codes import UNAVAILABLE
from graphscore.convert._error import ConvertError
from graphscore.convert._settings import FEATURES, Settings

if TYPE_CHECKING:
    from graphscore.convert._run import Totals

__all__ = ["FEATURES", "ConvertError", "Settings", "smiles"]


def smiles(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    settings: Settings,
    *,
    processes: int = 1,
    redo: bool = False,
) -> Totals:
    """Convert the molecules of CSV, TSV, .smi and Parquet files into graphs, one a row, in the folder `out`.

    The same inputs and settings make the same bytes for any number of processes, and after an interruption: a part
    that exists is not made again.

    Args:
        paths: the files.
        out: the folder; new, empty, or of the same conversion.
        settings: what is read from the files and made of it.
        processes: how many convert at the same time.
        redo: make parts of other settings, or of rows that have changed, anew; else they are refused.

    Raises:
        ConvertError: it cannot begin or go on; its `code` is the exit code of the command.
    """
    settings.check(processes)
    try:
        from graphscore.convert import _run  # noqa: PLC0415 - needs RDKit and pyarrow
    except ImportError as error:
        raise ConvertError(
            UNAVAILABLE, f"convert needs RDKit and pyarrow ({error}); install them with pip install 'graphscore[rdkit]'"
        ) from error
    return _run.run([Path(path) for path in paths], Path(out), settings, processes=processes, redo=redo)

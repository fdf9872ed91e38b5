"""Exports of models of chemprop 2 to model folders, without chemprop or PyTorch: `graphscore.export.from_chemprop`.

A checkpoint is read by a pickle reader of its own, which imports and calls nothing (`_pickle`), and written as steps
(`_network`) that compute what `chemprop predict` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graphscore._config import ModelError
from graphscore._model import load_model
from graphscore.export._error import ExportError
from graphscore.export._folder import new_folder, write
from graphscore.export.chemprop._archive import open_archive
from graphscore.export.chemprop._checkpoint import Checkpoint
from graphscore.export.chemprop._network import Network, read_network
from graphscore.export.chemprop._same import check_same


def from_chemprop(
    files: Sequence[str | Path], folder: str | Path, *, std: bool = False, name: str | None = None
) -> tuple[str, ...]:
    """Write checkpoints as one model folder; the contract is that of `graphscore.export.from_chemprop`."""
    paths = [Path(file) for file in files]
    if not paths:
        raise ExportError("name one or more .pt or .ckpt files of chemprop")
    if std and len(paths) == 1:
        raise ExportError(f"{paths[0]} is one model; the standard deviation is that of two or more")
    members = [_read(path) for path in paths]
    first = members[0]
    for path, member in zip(paths[1:], members[1:], strict=True):
        check_same(path, member, paths[0], first)
    with new_folder(Path(folder)) as made:
        write(
            made,
            name=name or Path(folder).absolute().name,
            level="graph",
            inputs=first.inputs,
            outputs=first.outputs,
            steps=first.steps,
            tensors=first.tensors,
            others=[member.tensors for member in members[1:]],
            std=std,
        )
        try:
            return load_model(made).outputs
        except ModelError as error:
            said = str(error).replace(f"{made}/", "")
            raise ExportError(f"{paths[0]}: the folder would not load: {said}") from None


def _read(path: Path) -> Network:
    with open_archive(path) as archive:
        return read_network(Checkpoint(archive))

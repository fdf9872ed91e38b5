"""Whether several checkpoints are one ensemble: the same outputs, features, scalers of features and network.

Members that were trained on other splits have other scalers of outputs, as those of ADMET-AI do: each unscales its own
predictions, of which the mean is taken, so only whether there are scalers must agree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from graphscore._config import printable
from graphscore.export._error import ExportError
from graphscore.export.chemprop._network import Network

_OUTPUT: Final = "predictor.output_transform."


def check_same(path: Path, member: Network, first_path: Path, first: Network) -> None:
    """Refuse a member that is not of the ensemble of the first one. Raises ExportError naming what differs."""

    def differs(what: str) -> ExportError:
        return ExportError(
            f"{path}: {what}; the members of an ensemble have the same outputs, features, scalers and network as the"
            f" first one, {first_path}: export it into a folder of its own"
        )

    if member.outputs != first.outputs:
        pairs = zip(member.outputs, first.outputs, strict=False)
        named = next((f"{printable(a)} where the first has {printable(b)}" for a, b in pairs if a != b), "")
        raise differs(f"its outputs are {named or f'{len(member.outputs)} where the first has {len(first.outputs)}'}")
    for column, width in member.inputs.items():
        if width != first.inputs[column]:
            raise differs(f"it takes {width} values of {column} where the first takes {first.inputs[column]}")
    for scaler in dict.fromkeys((*first.scalers(), *member.scalers())):
        if scaler not in first.tensors or scaler not in member.tensors:
            owner = "the first" if scaler in first.tensors else "it"
            raise differs(f"only {owner} has the scaler {scaler}")
        if not scaler.startswith(_OUTPUT) and not np.array_equal(member.tensors[scaler], first.tensors[scaler]):
            raise differs(f"its scaler {scaler} has other values")
    for own, other in zip(member.steps, first.steps, strict=False):
        if own != other:
            key = next(key for key in {**own, **other} if own.get(key) != other.get(key))
            raise differs(
                f"its network has {key} {own.get(key)!r} in step {own['name']!r} where the first has {other.get(key)!r}"
            )
    if len(member.steps) != len(first.steps):
        raise differs(f"its network has {len(member.steps)} steps where the first has {len(first.steps)}")
    for name, tensor in member.tensors.items():
        if tensor.shape != first.tensors[name].shape:
            raise differs(
                f"its {name} has shape {list(tensor.shape)} where the first has {list(first.tensors[name].shape)}"
            )

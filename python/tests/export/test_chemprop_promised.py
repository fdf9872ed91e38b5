"""What the hyperparameters of a checkpoint promise must be in its state_dict: without it, scores would be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from chemprop_cases import CHECKPOINTS, checkpoint
from graphscore.export import ExportError, from_chemprop
from graphscore.export.chemprop._archive import open_archive
from graphscore.export.chemprop._checkpoint import Checkpoint
from graphscore.export.chemprop._network import read_network
from graphscore.export.chemprop._records import Tensor

UNUSED = ("metrics.", "criterion.", "predictor.criterion.", "bn.num_batches_tracked")
"""Training reads these; prediction does not."""


def unused(case: str, name: str) -> bool:
    """Return whether a prediction does not read a tensor of a case."""
    if case in ("bond_depth_1", "atom_depth_1") and name == "message_passing.W_h.bias":
        return True
    return name.startswith(UNUSED)


def without(path: Path, *left_out: str) -> None:
    """Read a checkpoint as if its state_dict did not have some tensors. Raises ExportError as the export does."""
    with open_archive(path) as archive:
        made = Checkpoint(archive)
        for name in left_out:
            del made._tensors[name]
        read_network(made)


def tensors(path: Path) -> dict[str, Tensor]:
    with open_archive(path) as archive:
        return Checkpoint(archive)._tensors


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_each_tensor_that_is_left_out_is_named(case: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, case)
    for name in tensors(path):
        if unused(case, name):
            without(path, name)
            continue
        with pytest.raises(ExportError) as caught:
            without(path, name)
        assert f"state_dict has no {name}, which the model needs" in str(caught.value)


@pytest.mark.parametrize(
    ("case", "beginning"),
    [
        ("two_tasks_unscaled", "predictor.output_transform."),
        ("all_descriptors", "X_d_transform."),
        ("all_descriptors", "message_passing.graph_transform."),
        ("all_descriptors", "message_passing.graph_transform.E_transform."),
        ("all_descriptors", "message_passing.V_d_transform."),
        ("all_descriptors", "message_passing.W_d."),
        ("attentive_batch_norm", "bn."),
        ("layers", "predictor.ffn.2."),
        ("layers", "predictor.ffn.1."),
    ],
)
def test_a_whole_part_that_is_left_out_is_named(case: str, beginning: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, case)
    names = [name for name in tensors(path) if name.startswith(beginning)]
    assert names
    with pytest.raises(ExportError, match=f"state_dict has no {beginning}"):
        without(path, *names)


def test_a_part_that_the_hyperparameters_do_not_have_is_refused(tmp_path: Path) -> None:
    """A batch norm, say, whose hyperparameter is false: chemprop does not load it either."""
    path = checkpoint(tmp_path, "plain")
    with open_archive(path) as archive:
        made = Checkpoint(archive)
        for name in ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"):
            made._tensors[name] = made._tensors["message_passing.W_o.bias"]
        with pytest.raises(ExportError, match=r"the model has 4 tensors that a .* does not have: bn\.bias"):
            read_network(made)


def test_the_whole_checkpoint_is_exported_where_nothing_is_left_out(tmp_path: Path) -> None:
    assert from_chemprop([checkpoint(tmp_path, "layers")], tmp_path / "model")

"""Exports of chemprop's checkpoints, compared with what chemprop predicts (make_chemprop_vectors.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphscore
from chemprop_cases import CHECKPOINTS, array, checkpoint, molecules
from graphscore._cli import main
from graphscore._program import _common
from graphscore.export import ExportError, from_chemprop

ENSEMBLE = ("two_tasks_unscaled", "member_1", "member_2")


def engine_of(folder: Path, *cases: str, **options: Any) -> graphscore.Engine:
    from_chemprop([checkpoint(folder / "files", case) for case in cases], folder / "model", **options)
    return graphscore.Engine(graphscore.load_model(folder / "model"))


def close(values: Any, wanted: Any) -> None:
    np.testing.assert_array_less(np.abs(values - wanted), 1e-4 * np.maximum(1, np.abs(wanted)))


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_scores_are_those_of_chemprop(case: str, tmp_path: Path) -> None:
    engine = engine_of(tmp_path, case)
    batch = molecules(engine.model.inputs)
    scores = engine.score(batch)
    assert scores.failed == ()
    close(scores.values, array(case))
    # A molecule scored alone has the same bytes, wherever it was in the batch.
    for graph in range(batch.graphs):
        alone = engine.score(molecules(engine.model.inputs, slice(graph, graph + 1)))
        assert alone.values.tobytes() == scores.values[graph].tobytes()
    close(engine.score(molecules(engine.model.inputs, backwards=True)).values, array(case))


def test_the_cases_can_tell_models_apart() -> None:
    """Predictions that are all the same would show nothing."""
    assert {case: array(case).std(axis=0).min() > 1e-3 for case in CHECKPOINTS} == dict.fromkeys(CHECKPOINTS, True)


@pytest.mark.parametrize("std", [False, True])
def test_an_ensemble_is_the_mean_of_its_members(tmp_path: Path, std: bool) -> None:
    engine = engine_of(tmp_path, *ENSEMBLE, std=std)
    members = np.array([array(case) for case in ENSEMBLE], np.float64)
    wanted = members.mean(axis=0)
    names: tuple[str, ...] = ("logS", "half life")
    if std:
        wanted = np.concatenate([wanted, members.std(axis=0)], axis=1)
        names += ("logS_std", "half life_std")
    assert engine.model.outputs == names
    close(engine.score(molecules(engine.model.inputs)).values, wanted)
    files = ["config.json", "member_0.safetensors", "member_1.safetensors", "member_2.safetensors"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == files


def test_what_members_compute_of_the_same_input_is_computed_once(tmp_path: Path) -> None:
    """Scaled features; here also what is only cut out of a column."""
    cases = ("all_descriptors", "described_member")
    engine = engine_of(tmp_path, *cases)
    steps = engine.model.members[0].steps
    once = {steps[place].name for place in _common(engine.model.members)}
    scaled = {"atoms", "bonds", "atom_descriptors", "descriptors"}
    assert once == {f"{name}_{end}" for name in scaled for end in ("centred", "scaled")} | {"atoms", "atom_descriptors"}
    batch = molecules(engine.model.inputs)
    close(engine.score(batch).values, np.mean([array(case) for case in cases], axis=0))
    twice = engine_of(tmp_path, "all_descriptors", "all_descriptors")
    close(twice.score(batch).values, array("all_descriptors"))


@pytest.mark.parametrize(
    ("case", "outputs"),
    [
        ("plain", ["score"]),
        ("two_tasks_unscaled", ["logS", "half life"]),
        ("binary", ["a", "b", "c"]),
        ("multiclass", ["site_0", "site_1", "site_2", "phase_0", "phase_1", "phase_2"]),
        ("mve", ["score_0", "score_1"]),
        ("lightning", ["score"]),
    ],
)
def test_outputs_are_named_as_in_the_checkpoint(case: str, outputs: list[str], tmp_path: Path) -> None:
    engine = engine_of(tmp_path, case, name="of chemprop")
    assert (engine.model.name, list(engine.model.outputs), engine.model.level) == ("of chemprop", outputs, "graph")


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        (("two_tasks_unscaled", "plain"), "its outputs are score where the first has logS"),
        (("plain", "molecule_descriptors"), "it takes 4 values of graph_attr where the first takes 0"),
        (("plain", "atom_depth_3"), "its network has op 'linear' in step 'h0' where the first has 'edge_linear'"),
        (("plain", "norm_of_100"), "its network has value 100.0 in step 'molecule' where the first has 10.0"),
        (("mve", "quantile"), "its network has "),
        (("plain", "layers"), "its network has 23 steps where the first has 19"),
        (("layers", "layers_wide"), "its predictor.ffn.0.0.weight has shape [9, 7] where the first has [6, 7]"),
    ],
)
def test_a_member_of_another_ensemble_is_refused(cases: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        engine_of(tmp_path, *cases)
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{tmp_path / 'files' / CHECKPOINTS[cases[-1]]}: ")
    assert str(tmp_path / "files" / CHECKPOINTS[cases[0]]) in text
    assert not (tmp_path / "model").exists()


def test_another_export_takes_the_place_of_an_ensemble(tmp_path: Path) -> None:
    engine_of(tmp_path, *ENSEMBLE)
    engine_of(tmp_path, "plain")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    (tmp_path / "model" / "notes.txt").touch()
    with pytest.raises(ExportError, match=r"notes\.txt, which is no part of a model"):
        engine_of(tmp_path, "plain")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(checkpoint(tmp_path, case)) for case in ENSEMBLE]
    out = tmp_path / "solubility"
    assert main(["export", "chemprop", *files, "--out", str(out), "--std"]) == 0
    said = capsys.readouterr()
    assert said.out == f"wrote {out} from 3 models; outputs: logS, half life, logS_std, half life_std\n"
    assert json.loads((out / "config.json").read_text())["name"] == "solubility"
    assert main(["export", "chemprop", files[0], "--out", str(out), "--std"]) == 64
    assert capsys.readouterr().err == "graphscore: --std is the deviation of two or more models, and there is one\n"
    with pytest.raises(ExportError, match="is one model; the standard deviation is that of two or more"):
        from_chemprop(files[:1], out, std=True)
    assert main(["export", "chemprop", str(tmp_path / "none.pt"), "--out", str(out)]) == 65
    assert capsys.readouterr().err == f"graphscore: {tmp_path / 'none.pt'}: No such file or directory\n"
    assert main(["export", "chemprop", str(tmp_path), "--out", str(out)]) == 65
    assert "is a folder; name the .pt or .ckpt files in it" in capsys.readouterr().err


def test_neither_torch_nor_chemprop_is_imported(tmp_path: Path) -> None:
    names = ("torch", "chemprop", "lightning", "grpc")
    code = (
        "import sys; from graphscore.__main__ import main; code = main(sys.argv[1:]);"
        f"print([name for name in {names} if name in sys.modules]); sys.exit(code)"
    )
    arguments = ["export", "chemprop", str(checkpoint(tmp_path, "lightning")), "--out", str(tmp_path / "model")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

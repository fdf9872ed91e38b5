"""Opt-in, `make test-pyg`: modules of PyTorch Geometric, exported and refused.

`from_pyg` itself compares each folder with its module on random graphs; here a second engine scores the graphs one by
one, and the module is called with a batch of several graphs, as a DataLoader makes it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch_geometric = pytest.importorskip("torch_geometric")

import graphscore  # noqa: E402
from graphscore.export import ExportError, ExportWarning, from_pyg, load_state_dict  # noqa: E402
from graphscore.export import _graphs as made_graphs  # noqa: E402
from graphscore.export import _inputs as made_inputs  # noqa: E402
from pyg.zoo import graphs, links, nodes, refused, strangers, styles  # noqa: E402
from pyg.zoo.cases import Case, arguments, data, trained  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

README = Path(__file__).parents[2] / "README.md"
ZOO: dict[str, Case] = {**nodes.CASES, **graphs.CASES, **links.CASES, **styles.CASES, **strangers.CASES}


def test_the_zoo_is_large() -> None:
    assert len(ZOO) >= 90


@pytest.mark.parametrize("name", ZOO)
def test_exported(name: str, tmp_path: Path) -> None:
    case = ZOO[name]
    module = trained(case.make)
    from_pyg(module, tmp_path / "model", example=case.example, **case.keywords)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["level"], len(config["outputs"])) == (case.level, case.width)
    assert {step["op"] for step in config["steps"]} >= set(case.ops)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    _scored_alone_as_together(tmp_path / "model", module, case)


def _scored_alone_as_together(folder: Path, module: Any, case: Case) -> None:
    """The rows of a graph in a batch are those of the graph alone, to the bit."""
    model = graphscore.load_model(folder)
    engine = graphscore.Engine(model)
    found = made_inputs.read(_plain(module), case.example, case.keywords.get("arguments", {}))
    categories = {(c.column, c.number): c.size for member in model.members for c in member.categories}
    several = made_graphs.graphs(found, categories)
    inputs = dict(model.inputs)
    together = engine.score(made_graphs.batch(several, inputs)).values
    alone = [engine.score(made_graphs.batch([one], inputs)).values for one in several]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def _plain(module: Any) -> Any:
    return module.module if isinstance(module, torch.nn.DataParallel) else module


@pytest.mark.parametrize("name", refused.CASES)
def test_refused(name: str, tmp_path: Path) -> None:
    case = refused.CASES[name]
    with pytest.raises(ExportError) as caught:
        from_pyg(
            case.make(), tmp_path / "model", example=data() if case.example is None else case.example, **case.keywords
        )
    assert re.search(case.message, str(caught.value))
    if case.here:
        assert re.match(r"\S*zoo/refused\.py:\d+: ", str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_the_line_is_that_of_the_users_forward(tmp_path: Path) -> None:
    lines = Path(refused.__file__).read_text().splitlines()
    with pytest.raises(ExportError) as caught:
        from_pyg(refused.CASES["mask"].make(), tmp_path / "model", example=data())
    match = re.match(r"\S*refused\.py:(\d+): ", str(caught.value))
    assert match
    assert "h[h[:, 0] > 0]" in lines[int(match[1]) - 1]


def test_the_module_stays_as_it_is(tmp_path: Path) -> None:
    module = trained(graphs.Pools).train()
    module.fc.eval()
    calls: list[int] = []
    handle = module.register_forward_hook(lambda *_: calls.append(1))
    module(data(batch=torch.zeros(7, dtype=torch.long))).sum().backward()
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    grads = {name: tensor.grad.clone() for name, tensor in module.named_parameters()}
    modes = [one.training for one in module.modules()]
    random = torch.random.get_rng_state()
    from_pyg(module, tmp_path / "model", example=data())
    assert [one.training for one in module.modules()] == modes
    assert handle.id in module._forward_hooks
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.get_default_dtype() is torch.float32
    for name, tensor in module.named_parameters():
        assert torch.equal(tensor.grad, grads[name])
        assert tensor.dtype is torch.float32
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, state[name])
    names = [torch_module.global_mean_pool for torch_module in (graphs, torch_geometric.nn)]
    assert all(
        function.__module__ == "torch_geometric.nn.pool.glob" and not hasattr(function, "__wrapped__")
        for function in names
    )


def test_a_model_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "one"
    from_pyg(trained(nodes.GCN), folder, example=data())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ExportError):
        from_pyg(refused.CASES["kept between calls"].make(), folder, example=data())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    from_pyg(trained(nodes.Kipf), folder, example=data(), name="kipf")
    assert json.loads((folder / "config.json").read_text())["name"] == "kipf"
    assert [path.name for path in folder.parent.iterdir()] == ["one"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"notes\.txt, which is no part of a model"):
        from_pyg(trained(nodes.GCN), folder, example=data())


def test_an_export_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        from_pyg(trained(nodes.Wide), tmp_path / name, example=data())
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_weights_keep_their_names(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    module = trained(nodes.GCN)
    from_pyg(module, tmp_path / "model", example=data())
    saved = load_file(tmp_path / "model" / "model.safetensors")
    assert saved.keys() == module.state_dict().keys()
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(saved[name], tensor.numpy())


def test_an_argument_that_forward_ignores_is_no_input(tmp_path: Path) -> None:
    module = trained(refused.of(refused.identity))
    from_pyg(
        module, tmp_path / "model", example=data(edge_attr=torch.rand(10, 3), batch=torch.zeros(7, dtype=torch.long))
    )
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["inputs"] == {"x": 4, "edge_attr": 0, "edge_type": 0, "graph_attr": 0, "edge_weight": False}
    assert config["outputs"] == ["score_0", "score_1", "score_2", "score_3"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_floating_points(dtype: Any, tmp_path: Path) -> None:
    from_pyg(trained(nodes.GCN).to(dtype), tmp_path / "model", example=data())
    graphscore.load_model(tmp_path / "model")


def test_weight_norms_and_parametrizations(tmp_path: Path) -> None:
    module = trained(nodes.Kipf)
    torch.nn.utils.parametrizations.weight_norm(module.conv1.lin)
    torch.nn.utils.parametrizations.spectral_norm(module.conv2.lin)
    from_pyg(module, tmp_path / "model", example=data())


def test_hooks_that_only_look_do_not_disturb(tmp_path: Path) -> None:
    module = trained(nodes.Kipf)
    module.conv1.register_forward_hook(lambda *_: None)
    from_pyg(module, tmp_path / "model", example=data())


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod.", "model._orig_mod."])
def test_state_dicts_with_prefixes(prefix: str) -> None:
    trained_one, module = trained(nodes.GCN), nodes.GCN()
    load_state_dict(module, {prefix + name: tensor for name, tensor in trained_one.state_dict().items()})
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, trained_one.state_dict()[name])


def test_state_dicts_of_checkpoints_and_of_other_models() -> None:
    module = nodes.GCN()
    load_state_dict(module, {"epoch": 3, "state_dict": {f"model.{k}": v for k, v in module.state_dict().items()}})
    wrapped = torch.nn.DataParallel(nodes.GCN())
    load_state_dict(wrapped, module.state_dict())
    with pytest.raises(ExportError, match=r"conv2\.bias"):
        load_state_dict(module, {k: v for k, v in module.state_dict().items() if k != "conv2.bias"})
    with pytest.raises(ExportError, match=r"conv1.bias.*shape"):
        load_state_dict(module, {**module.state_dict(), "conv1.bias": torch.zeros(3)})


def test_a_cached_layer_that_has_seen_a_graph(tmp_path: Path) -> None:
    module = trained(nodes.GCN)
    module(**arguments())
    module.kept = module(**arguments())  # a tensor with a history, which deepcopy refuses
    from_pyg(module, tmp_path / "model", example=data())


def test_several_graphs_of_a_loader(tmp_path: Path) -> None:
    from torch_geometric.loader import DataLoader

    module = trained(graphs.Pools).eval()
    several = next(iter(DataLoader([data(), data(), data()], batch_size=3)))
    from_pyg(module, tmp_path / "model", example=several)
    model = graphscore.load_model(tmp_path / "model")
    places = torch.argsort(several.edge_index[1], stable=True)
    batch = graphscore.GraphBatch(
        node_counts=np.array([7, 7, 7]),
        features=several.x.numpy(),
        in_degrees=np.bincount(several.edge_index[1].numpy(), minlength=21),
        sources=several.edge_index[0][places].numpy(),
    )
    with torch.no_grad():
        wanted = module(several).numpy()
    np.testing.assert_allclose(graphscore.Engine(model).score(batch).values, wanted, rtol=1e-5, atol=1e-5)


def through_a_view(module: Any, x: Any, _: Any) -> Any:
    x[:, :2].sub_(1.0)
    return module.first(x)


def by_chance(module: Any, x: Any, _: Any) -> Any:
    return module.first(x) if torch.rand(1) < 0.5 else module.second(x)


@pytest.mark.parametrize("seed", range(4))
def test_chance_is_refused(seed: int, tmp_path: Path) -> None:
    torch.manual_seed(seed)
    with pytest.raises(ExportError, match=r"random|do not compute|control flow"):
        from_pyg(refused.OnColumns(by_chance), tmp_path / "model", example=data())


def test_a_column_that_is_changed_through_a_view_is_refused_or_right(tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        from_pyg(refused.OnColumns(through_a_view), tmp_path / "model", example=data())


def test_an_attribute_that_forward_may_take_is_not_dropped(tmp_path: Path) -> None:
    class Placed(refused.OnColumns):
        def forward(self, x: Any, edge_index: Any, pos: Any = None) -> Any:
            return self.first(x if pos is None else x + pos)

    example = data()
    example.pos = torch.rand(7, 4)
    with pytest.raises(ExportError, match="forward takes 'pos', but graphs have no such column"):
        from_pyg(Placed(None), tmp_path / "model", example=example)


def test_a_batch_that_may_be_left_out_is_given(tmp_path: Path) -> None:
    def forward(module: Any, x: Any, batch: Any) -> Any:
        return module.first(x if batch is None else torch_geometric.nn.global_mean_pool(x, batch))

    from_pyg(refused.OnColumns(forward), tmp_path / "model", example=data())
    assert graphscore.load_model(tmp_path / "model").level == "graph"


def largest_of_edges(module: Any, x: Any, edge_index: Any) -> Any:
    return module.first(x[edge_index[0]].max(dim=0).values)


def squeezed(module: Any, x: Any, _: Any) -> Any:
    return module.first(x.squeeze(0)).sum(dim=1)


class OnEdges(refused.OnColumns):
    def forward(self, x: Any, edge_index: Any, _: Any = None) -> Any:
        return self.function(self, x, edge_index)


def test_what_the_module_does_not_score_is_said(tmp_path: Path) -> None:
    """A module that raises for a graph without edges: the folder scores it, which is said."""
    with pytest.warns(ExportWarning, match="raises IndexError .* without edges.*leave them out of the input") as caught:
        made = from_pyg(trained(lambda: OnEdges(largest_of_edges)), tmp_path / "model", example=data())
    assert [str(one.message) for one in caught if issubclass(one.category, ExportWarning)] == list(made.warnings)
    assert (made.level, made.outputs, made.folder) == ("graph", ("score",), tmp_path / "model")
    assert made.inputs["x"] == 4


def test_what_it_scores_in_a_batch_is_compared_there(tmp_path: Path) -> None:
    with pytest.warns(ExportWarning, match="raises .* of one node.* the module has for it in a batch with another"):
        from_pyg(trained(lambda: refused.OnColumns(squeezed)), tmp_path / "model", example=data())


def test_an_example_for_which_forward_raises_is_refused(tmp_path: Path) -> None:
    example = {"x": torch.rand(3, 4), "edge_index": torch.zeros(2, 0, dtype=torch.long)}
    with pytest.raises(ExportError, match="forward fails for the example, 3 nodes and 0 edges"):
        from_pyg(trained(lambda: OnEdges(largest_of_edges)), tmp_path / "model", example=example)


def rearranged(module: Any, x: Any, _: Any) -> Any:
    pairs = x.view(-1, 2, 2)
    return torch.cat([pairs.transpose(1, 2).flatten(1), pairs.mean(dim=1), pairs.sum(dim=2), x[:, [2, 0]]], dim=1)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 3e38])
def test_an_infinite_column_does_not_reach_others(value: float, tmp_path: Path) -> None:
    """Columns are chosen, not multiplied with 0 and 1."""
    module = refused.OnColumns(rearranged)
    from_pyg(module, tmp_path / "model", example=data())
    x = torch.tensor([[value, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, value]])
    batch = graphscore.GraphBatch(
        node_counts=np.array([2]), features=x.numpy(), in_degrees=np.zeros(2, int), sources=np.zeros(0, int)
    )
    scores = graphscore.Engine(graphscore.load_model(tmp_path / "model")).score(batch).values
    np.testing.assert_array_equal(scores, module(x, None).numpy())


def test_the_example_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    section = README.read_text().split("## Export a PyTorch Geometric model")[1]
    match = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert match
    exec(match[1], {"__name__": "example"})
    model = graphscore.load_model("toxicity")
    assert (model.level, model.outputs, model.name) == ("graph", ("toxic",), "Toxicity")

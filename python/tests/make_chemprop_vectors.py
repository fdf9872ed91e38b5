"""Makes tests/data/chemprop_vectors.zip: checkpoints of chemprop, small ones, and what chemprop predicts with them.

    python3 -m venv /tmp/chemprop-venv && /tmp/chemprop-venv/bin/pip install chemprop==2.3.1
    /tmp/chemprop-venv/bin/python tests/make_chemprop_vectors.py    # writes the file

The archive has graphs.npz (molecules as chemprop's default featurizer returns them, and additional features), for each
case <case>.pt or .ckpt with random weights, and <case>.npy, the predictions in float32 [molecules, outputs]; in refused
are models that cannot be exported.
"""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from chemprop import nn
from chemprop.data import MoleculeDatapoint, MoleculeDataset, build_dataloader, collate_batch
from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
from chemprop.models import MPNN, MulticomponentMPNN, save_model
from lightning import pytorch as pl

VECTORS = Path(__file__).parent / "data" / "chemprop_vectors.zip"
SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "C",
    "[Na+].[Cl-]",
    "CC",
    "C/C=C/C(=O)N[C@@H](C)C(F)(F)F",
    "O=S(=O)(c1ccc(Br)cc1)N1CCN(C)CC1",
    "C1CC1.O",
    "[2H]C([2H])([2H])P(=O)(O)OC#N",
    "CC(C)(C)c1cc2[nH]c3ccccc3c2cc1Cl",
]
HIDDEN = 7
WIDTHS = {"V_f": 2, "E_f": 1, "V_d": 3, "X_d": 4}


def scaler(kind: type, width: int, seed: int, pad: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return kind(random.normal(size=width), random.uniform(0.5, 2, width), pad=pad)


def passing(kind: str = "Bond", **options: Any) -> Any:
    """Message passing with the widths of the default featurizer, and additional features where wanted."""
    extra = {"d_v": 72 + options.pop("V_f", 0), "d_e": 14 + options.pop("E_f", 0), "d_h": HIDDEN}
    return getattr(nn, f"{kind}MessagePassing")(**extra | options)


def graph_scalers() -> Any:
    atoms = scaler(nn.ScaleTransform, WIDTHS["V_f"], 1, pad=72)
    return nn.GraphTransform(atoms, scaler(nn.ScaleTransform, WIDTHS["E_f"], 2, pad=14))


def multiclass() -> Any:
    return nn.MulticlassClassificationFFN(3, n_tasks=2, input_dim=HIDDEN, hidden_dim=5, n_layers=1)


def regression(**options: Any) -> Any:
    return nn.RegressionFFN(**{"input_dim": HIDDEN, "hidden_dim": 5, "n_layers": 1} | options)


def model(mp: Any = None, agg: Any = None, ffn: Any = None, **options: Any) -> Any:
    return MPNN(mp or passing(), agg or nn.NormAggregation(norm=10.0), ffn or regression(), **options)


def unscale(tasks: int, seed: int = 3) -> Any:
    return scaler(nn.UnscaleTransform, tasks, seed)


def described() -> Any:
    """A model with additional features and descriptors of every kind, each scaled."""
    return model(
        passing(
            V_f=WIDTHS["V_f"],
            E_f=WIDTHS["E_f"],
            d_vd=WIDTHS["V_d"],
            V_d_transform=scaler(nn.ScaleTransform, WIDTHS["V_d"], 4),
            graph_transform=graph_scalers(),
        ),
        ffn=regression(input_dim=HIDDEN + WIDTHS["V_d"] + WIDTHS["X_d"]),
        batch_norm=True,
        X_d_transform=scaler(nn.ScaleTransform, WIDTHS["X_d"], 5),
    )


CASES: dict[str, Callable[[], Any]] = {
    "plain": model,
    "bond_depth_1": lambda: model(passing(depth=1), nn.MeanAggregation()),
    "bond_depth_2_bias": lambda: model(passing(depth=2, bias=True), nn.SumAggregation()),
    "bond_depth_4_undirected": lambda: model(passing(depth=4, undirected=True), nn.MeanAggregation()),
    "bond_leakyrelu": lambda: model(passing(activation="leakyrelu"), ffn=regression(activation="leakyrelu")),
    "bond_prelu": lambda: model(passing(activation="prelu"), ffn=regression(activation="prelu", n_layers=2)),
    "bond_tanh": lambda: model(passing(activation="tanh"), ffn=regression(activation="tanh")),
    "bond_elu": lambda: model(passing(activation="ELU"), ffn=regression(activation="elu")),
    "bond_selu": lambda: model(passing(activation="selu"), ffn=regression(activation="selu")),
    "bond_modules": lambda: model(
        passing(activation=torch.nn.Softplus(beta=2)), ffn=regression(activation=torch.nn.GELU(approximate="tanh"))
    ),
    "attentive_batch_norm": lambda: model(agg=nn.AttentiveAggregation(output_size=HIDDEN), batch_norm=True),
    "norm_of_100": lambda: model(agg=nn.NormAggregation()),
    "no_layers": lambda: model(ffn=regression(n_layers=0)),
    "layers": lambda: model(ffn=regression(hidden_dim=[6, 4, 5])),
    "layers_wide": lambda: model(ffn=regression(hidden_dim=[9, 4, 5])),
    "two_tasks_unscaled": lambda: model(ffn=regression(n_tasks=2, output_transform=unscale(2))),
    "all_descriptors": described,
    "molecule_descriptors": lambda: model(ffn=regression(input_dim=HIDDEN + WIDTHS["X_d"])),
    "atom_depth_1": lambda: model(passing("Atom", depth=1)),
    "atom_depth_3": lambda: model(passing("Atom", bias=True), nn.MeanAggregation()),
    "atom_undirected": lambda: model(passing("Atom", depth=4, undirected=True), batch_norm=True),
    "atom_descriptors": lambda: model(
        passing("Atom", V_f=2, E_f=1, d_vd=WIDTHS["V_d"], graph_transform=graph_scalers()),
        ffn=regression(input_dim=HIDDEN + WIDTHS["V_d"]),
    ),
    "binary": lambda: model(ffn=nn.BinaryClassificationFFN(n_tasks=3, input_dim=HIDDEN, hidden_dim=5)),
    "multiclass": lambda: model(ffn=multiclass()),
    "mve": lambda: model(ffn=nn.MveFFN(2, input_dim=HIDDEN, hidden_dim=5, output_transform=unscale(2))),
    "evidential": lambda: model(ffn=nn.EvidentialFFN(input_dim=HIDDEN, hidden_dim=5, output_transform=unscale(1))),
    "quantile": lambda: model(ffn=nn.QuantileFFN(2, input_dim=HIDDEN, hidden_dim=5, output_transform=unscale(2))),
    "member_1": lambda: model(ffn=regression(n_tasks=2, output_transform=unscale(2, 8))),
    "member_2": lambda: model(ffn=regression(n_tasks=2, output_transform=unscale(2, 9))),
    "described_member": described,
}
COLUMNS = {
    "two_tasks_unscaled": ["logS", "half life"],
    "member_1": ["logS", "half life"],
    "member_2": ["logS", "half life"],
    "multiclass": ["site", "phase"],
    "binary": ["a", "b", "c"],
}
REFUSED: dict[str, Callable[[], Any]] = {
    "reaction": lambda: model(nn.BondMessagePassing(d_v=106, d_e=28, d_h=2), ffn=regression(input_dim=2)),
    "multicomponent": lambda: MulticomponentMPNN(
        nn.MulticomponentMessagePassing([passing()], 2, shared=True),
        nn.MeanAggregation(),
        regression(input_dim=2 * HIDDEN),
    ),
    "dirichlet": lambda: model(ffn=nn.BinaryDirichletFFN(input_dim=HIDDEN, hidden_dim=5)),
    "spectral": lambda: model(ffn=nn.SpectralFFN(n_tasks=3, input_dim=HIDDEN, hidden_dim=5)),
}
"""Models that cannot be exported."""
MEANS = {"mve", "evidential", "quantile"}
"""Cases of which `chemprop predict` writes the first of several values a task."""


def datapoints() -> list[MoleculeDatapoint]:
    """Return the molecules with additional features of each kind."""
    random = np.random.default_rng(0)
    points = []
    for smiles in SMILES:
        point = MoleculeDatapoint.from_smi(smiles, y=random.normal(size=1))
        atoms, bonds = point.mol.GetNumAtoms(), point.mol.GetNumBonds()
        point.V_f = random.normal(size=(atoms, WIDTHS["V_f"])).astype(np.float32)
        point.E_f = random.normal(size=(bonds, WIDTHS["E_f"])).astype(np.float32)
        point.V_d = random.normal(size=(atoms, WIDTHS["V_d"])).astype(np.float32)
        point.x_d = random.normal(size=WIDTHS["X_d"]).astype(np.float32)
        points.append(point)
    return points


def all_features() -> Any:
    """Return one batch of all molecules, with every additional feature."""
    dataset = MoleculeDataset(datapoints(), SimpleMoleculeMolGraphFeaturizer(extra_atom_fdim=2, extra_bond_fdim=1))
    return collate_batch([dataset[i] for i in range(len(dataset))])


def stir(network: Any) -> None:
    """Make predictions differ between molecules, and what a new model has at zero or one something else."""
    for name, tensor in network.state_dict().items():
        if name.startswith("bn.") and tensor.is_floating_point():
            tensor.add_(0.3 * torch.rand(tensor.shape))
        if name.endswith("weight") and ("W_" in name or "ffn" in name):
            tensor.mul_(2.5)
        if name.endswith("bias") and "ffn" in name:
            tensor.add_(0.3)
        if "tau" in name:
            tensor.mul_(1.5)


def predict(network: Any, batch: Any) -> np.ndarray[Any, Any]:
    """Return what chemprop predicts with the columns that a model takes, [molecules, outputs]."""
    mp, graph = network.message_passing, batch.bmg
    wide_e = mp.hparams["d_e"]
    graph.V, graph.E, kept = graph.V[:, : mp.hparams["d_v"]], graph.E[:, :wide_e], (graph.V, graph.E)
    width = network.predictor.input_dim - mp.output_dim
    with torch.no_grad():
        result = network.eval()(graph, batch.V_d if mp.W_d is not None else None, batch.X_d if width else None)
    graph.V, graph.E = kept
    return np.asarray(result.numpy())


def lightning_checkpoint(folder: Path) -> bytes:
    """Train for an epoch and return the checkpoint that Lightning writes, with the states of the optimizer."""
    loader = build_dataloader(MoleculeDataset([MoleculeDatapoint.from_smi(s, y=np.ones(1)) for s in SMILES]), 4)
    trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_progress_bar=False, accelerator="cpu", default_root_dir=folder
    )
    network = model(batch_norm=True)
    trainer.fit(network, loader, loader)
    trainer.save_checkpoint(folder / "last.ckpt")
    return (folder / "last.ckpt").read_bytes()


def main() -> None:
    """Write the archive."""
    batch = all_features()
    graph = batch.bmg
    columns = {
        "V": graph.V.numpy().astype(np.float32),
        "E": graph.E.numpy().astype(np.float32),
        "edge_index": graph.edge_index.numpy().astype(np.int32),
        "counts": np.bincount(graph.batch.numpy(), minlength=len(SMILES)).astype(np.int32),
        "V_d": batch.V_d.numpy().astype(np.float32),
        "X_d": batch.X_d.numpy().astype(np.float32),
    }
    with (
        zipfile.ZipFile(VECTORS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        tempfile.TemporaryDirectory() as at,
    ):

        def put(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)

        def array(name: str, value: np.ndarray[Any, Any]) -> None:
            buffer = io.BytesIO()
            np.save(buffer, value)
            put(f"{name}.npy", buffer.getvalue())

        for name, value in columns.items():
            array(f"graphs/{name}", value)
        for seed, (name, make) in enumerate(CASES.items()):
            torch.manual_seed(seed)
            network = make()
            stir(network)
            file = Path(at) / f"{name}.pt"
            save_model(file, network, COLUMNS.get(name))
            wanted = predict(network, batch)
            wanted = wanted[..., 0] if name in MEANS else wanted.reshape(len(SMILES), -1)
            array(name, wanted)
            put(f"{name}.pt", file.read_bytes())
        for name, make in REFUSED.items():
            save_model(Path(at) / "refused.pt", make())
            put(f"refused/{name}.pt", (Path(at) / "refused.pt").read_bytes())
        torch.manual_seed(99)
        put("lightning.ckpt", lightning_checkpoint(Path(at)))
        array("lightning", predict(MPNN.load_from_checkpoint(Path(at) / "last.ckpt"), batch))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

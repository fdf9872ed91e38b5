"""Train the model of the molecules example with PyTorch Geometric.

The model predicts each heavy atom's Gasteiger partial charge from the atom's
features and its bonds. One command trains it on the ``train-*.parquet`` files,
measures it on the molecules of ``held-back.parquet``, which training never
sees, beside two simpler models, prints the figures and writes the model folder with
`graphscore.export.from_pyg`:

* *linear*: least squares on an atom's own features; knows nothing of bonds.
* *GCN*: three ``GCNConv`` layers of the same width; it averages an atom with its
  neighbours and so cannot distinguish them.
* *SAGE*: three ``SAGEConv`` layers (mean of the neighbours, and a weight of its
  own for the atom itself). This is the model that is written.

Epochs and learning rate were chosen by four-fold cross-validation within the
training files, never by the held-back molecules; the last weights are taken. The
seed is fixed: the same versions on the same kind of processor make the same weights.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, SAGEConv

from graphscore.export import from_pyg

FloatArray = npt.NDArray[np.float64]

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "jobs" / "examples" / "molecules"
HELD_BACK_FILE = "held-back.parquet"
CARD_BEGIN, CARD_END = "<!-- figures: written by train.py -->\n", "<!-- end of figures -->\n"


@dataclass(frozen=True)
class Hyperparameters:
    """What the weights depend on, besides data and versions."""

    seed: int = 20
    threads: int = 2
    hidden: int = 64
    layers: int = 3
    epochs: int = 120
    graphs_per_step: int = 64
    peak_learning_rate: float = 1e-2


@dataclass(frozen=True)
class Figures:
    """How well one model predicts the held-back atoms."""

    model: str
    parameters: int
    r2: float
    mean_absolute_error: float


class NodeRegressor(nn.Module):
    """Convolutions with ReLU between them; one number a node.

    Args:
        conv: the layer's class, called with its input and output width.
        widths: features, then the width of each layer.
    """

    def __init__(self, conv: type[nn.Module], widths: Sequence[int]) -> None:
        """Make one layer for each pair of neighbouring widths."""
        super().__init__()
        self.convs = nn.ModuleList(conv(inputs, outputs) for inputs, outputs in pairwise(widths))

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the predictions ``[nodes]`` for features ``[nodes x width]``."""
        for conv in self.convs[:-1]:
            x = conv(x, edge_index).relu()
        prediction: Tensor = self.convs[-1](x, edge_index).squeeze(-1)
        return prediction


def read_graphs(paths: Sequence[Path]) -> list[Data]:
    """Return one graph a row of the files, in order; ``y`` holds the charges."""
    columns = ["node_feat", "edge_index", "charge"]
    return [
        Data(
            x=torch.tensor(row["node_feat"], dtype=torch.float32),
            edge_index=torch.tensor(row["edge_index"], dtype=torch.int64),
            y=torch.tensor(row["charge"], dtype=torch.float32),
        )
        for path in paths
        for row in pq.read_table(path, columns=columns).to_pylist()
    ]


def stack(graphs: Sequence[Data], name: str) -> FloatArray:
    """Return one attribute of all graphs' nodes, one after another."""
    return np.concatenate([graph[name].numpy() for graph in graphs]).astype(np.float64)


def fit(model: NodeRegressor, graphs: Sequence[Data], settings: Hyperparameters) -> None:
    """Train in place: mean squared error, Adam, one cycle of the learning rate."""
    loader: Any = DataLoader(
        list(graphs),
        batch_size=settings.graphs_per_step,
        shuffle=True,
        generator=torch.Generator().manual_seed(settings.seed),
    )
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=settings.peak_learning_rate,
        total_steps=settings.epochs * len(loader),
    )
    for _ in range(settings.epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch.x, batch.edge_index), batch.y)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()


@torch.no_grad()
def predict(model: NodeRegressor, graphs: Sequence[Data]) -> FloatArray:
    """Return the predictions for all nodes, graph after graph."""
    scores = [model(graph.x, graph.edge_index).numpy() for graph in graphs]
    return np.concatenate(scores).astype(np.float64)


def train_convolutions(
    conv: type[nn.Module],
    graphs: Sequence[Data],
    settings: Hyperparameters,
) -> NodeRegressor:
    """Return a trained model of the settings' depth and width."""
    torch.manual_seed(settings.seed)
    features = graphs[0].num_node_features
    model = NodeRegressor(conv, [features, *[settings.hidden] * (settings.layers - 1), 1])
    began = time.monotonic()
    fit(model, graphs, settings)
    print(f"{conv.__name__}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return model


def predict_linear(train: Sequence[Data], held_back: Sequence[Data]) -> FloatArray:
    """Return least-squares predictions from an atom's own features and an intercept."""

    def design(graphs: Sequence[Data]) -> FloatArray:
        x = stack(graphs, "x")
        return np.column_stack([x, np.ones(len(x))])

    weights, *_ = np.linalg.lstsq(design(train), stack(train, "y"), rcond=None)
    return np.asarray(design(held_back) @ weights)


def measure(name: str, parameters: int, predicted: FloatArray, target: FloatArray) -> Figures:
    """Return R2 (``1 - residual / total`` sum of squares over all atoms) and mean error."""
    residual = np.square(target - predicted).sum()
    total = np.square(target - target.mean()).sum()
    error = np.abs(target - predicted).mean()
    return Figures(name, parameters, float(1 - residual / total), float(error))


def compare(
    train: Sequence[Data],
    held_back: Sequence[Data],
    settings: Hyperparameters,
) -> tuple[NodeRegressor, list[Figures]]:
    """Train all three models; return the SAGE one and the figures of each."""
    target = stack(held_back, "y")
    linear = predict_linear(train, held_back)
    figures = [measure("linear, own features", train[0].num_node_features + 1, linear, target)]
    for name, conv in (("plain GCN", GCNConv), ("SAGE (this model)", SAGEConv)):
        model = train_convolutions(conv, train, settings)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        figures.append(measure(name, parameters, predict(model, held_back), target))
    return model, figures


def format_figures(figures: Sequence[Figures], train: int, held_back: int) -> str:
    """Return the figures as a Markdown table with a sentence on top."""
    rows = [f"| {f.model} | {f.parameters:,} | {f.r2:.4f} | {f.mean_absolute_error:.4f} |" for f in figures]
    head = [
        f"Trained on {train:,} molecules, measured on the atoms of {held_back:,} held-back ones.",
        "",
        "| model | parameters | R2 | mean absolute error (e) |",
        "| --- | ---: | ---: | ---: |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def write_model(model: NodeRegressor, graphs: Sequence[Data], table: str, out: Path) -> None:
    """Export the model, compared on one of the graphs too, and write the figures into the card if there is one."""
    example = Data(x=graphs[0].x, edge_index=graphs[0].edge_index)
    from_pyg(model, out, example=example, level="node", outputs=["charge"], name="molecule-charge")
    card = out / "README.md"
    if card.is_file():
        before, _, rest = card.read_text(encoding="utf-8").partition(CARD_BEGIN)
        _, _, after = rest.partition(CARD_END)
        card.write_text(before + CARD_BEGIN + table + CARD_END + after, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the figures, write the model folder; return the exit code."""
    parser = argparse.ArgumentParser(description="Train the model of the molecules example.")
    parser.add_argument("--data", type=Path, default=EXAMPLE / "data", help="folder of Parquet")
    parser.add_argument("--out", type=Path, default=EXAMPLE / "model", help="the model folder")
    options = parser.parse_args(arguments)

    settings = Hyperparameters()
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(mode=True)
    train = read_graphs(sorted(options.data.glob("train-*.parquet")))
    held_back = read_graphs([options.data / HELD_BACK_FILE])
    model, figures = compare(train, held_back, settings)
    table = format_figures(figures, len(train), len(held_back))
    print(table, end="")
    write_model(model, train, table, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

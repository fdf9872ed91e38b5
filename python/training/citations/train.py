"""Train the model of the citations example with PyTorch Geometric, and export it.

The model is the graph convolutional network of Kipf and Welling, "Semi-supervised classification with graph
convolutional networks", ICLR 2017 (https://arxiv.org/abs/1609.02907), with the settings of its section 5.2, and with
the seed and the rule for ending of the code that came with it (https://github.com/tkipf/gcn, gcn/train.py). It learns
the topic of a paper from its words and its citations, with the topics of 140 papers known. One command trains it on the
papers of `train`, ends by those of `validation`, measures it on those of `test`, beside the same network without
citations, prints the figures and writes the model folder with `graphscore.export.from_pyg`.

The seed is fixed: the same versions on the same kind of processor make the same weights. `--seeds` trains it with
others and prints their accuracy, and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from graphscore.export import from_pyg

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "jobs" / "examples" / "citations"
CARD_BEGIN, CARD_END = "<!-- figures: written by train.py -->\n", "<!-- end of figures -->\n"
TOPICS = (
    "theory",
    "reinforcement_learning",
    "genetic_algorithms",
    "neural_networks",
    "probabilistic_methods",
    "case_based",
    "rule_learning",
)


@dataclass(frozen=True)
class Hyperparameters:
    """What the weights depend on, besides data and versions."""

    seed: int = 123
    threads: int = 2
    hidden: int = 16
    dropout: float = 0.5
    learning_rate: float = 1e-2
    weight_decay: float = 5e-4
    """Of the first layer."""
    epochs: int = 200
    patience: int = 10
    """Training ends at an epoch whose loss on validation is above the mean of so many epochs before it."""


@dataclass(frozen=True)
class Figures:
    """The share of papers whose topic one model finds."""

    model: str
    parameters: int
    epochs: int
    validation: float
    test: float


class GCN(nn.Module):
    """Two layers with dropout before each and ReLU between them; a probability of each topic.

    Args:
        features: words of a paper.
        topics: outputs.
        settings: hidden width and dropout.
    """

    def __init__(self, features: int, topics: int, settings: Hyperparameters) -> None:
        """Make both layers."""
        super().__init__()
        self.dropout = settings.dropout
        self.conv1 = GCNConv(features, settings.hidden)
        self.conv2 = GCNConv(settings.hidden, topics)

    def logits(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return ``[papers x topics]`` for features ``[papers x words]``."""
        x = dropout(x, self.dropout, training=self.training)
        x = self.conv1(x, edge_index).relu()
        x = dropout(x, self.dropout, training=self.training)
        scores: Tensor = self.conv2(x, edge_index)
        return scores

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return probabilities ``[papers x topics]``."""
        return self.logits(x, edge_index).softmax(dim=-1)


def read_graph(path: Path) -> Data:
    """Return the one graph of the file; ``y`` is the topic of each paper, `split` a name for each."""
    table = pq.read_table(path)
    topics = table["topic"][0].as_py()
    features = table["node_feat"].combine_chunks().flatten()
    words = np.asarray(features.flatten()).reshape(len(features), -1)
    edges = np.array(table["edge_index"][0].as_py())
    return Data(
        x=torch.tensor(words),
        edge_index=torch.tensor(edges),
        y=torch.tensor([TOPICS.index(topic) for topic in topics]),
        split=np.array(table["split"][0].as_py()),
    )


def papers(graph: Data, side: str) -> Tensor:
    """Return which papers are on a side of the split."""
    return torch.from_numpy(graph.split == side)


def fit(model: GCN, graph: Data, settings: Hyperparameters) -> int:
    """Train in place; return the epochs that it took."""
    optimizer = torch.optim.Adam(
        [
            {"params": model.conv1.parameters(), "weight_decay": settings.weight_decay},
            {"params": model.conv2.parameters(), "weight_decay": 0},
        ],
        lr=settings.learning_rate,
    )
    train = papers(graph, "train")
    losses: list[float] = []
    for epoch in range(1, settings.epochs + 1):
        model.train()
        optimizer.zero_grad()
        loss = cross_entropy(model.logits(graph.x, graph.edge_index)[train], graph.y[train])
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(validation_loss(model, graph, settings))
        if epoch > settings.patience and losses[-1] > np.mean(losses[-settings.patience - 1 : -1]):
            return epoch
    return settings.epochs


@torch.no_grad()
def validation_loss(model: GCN, graph: Data, settings: Hyperparameters) -> float:
    """Return the cross entropy on validation with the penalty on the weights of the first layer."""
    side = papers(graph, "validation")
    logits = model.eval().logits(graph.x, graph.edge_index)
    penalty = sum(parameter.square().sum() / 2 for parameter in model.conv1.parameters())
    return (cross_entropy(logits[side], graph.y[side]) + settings.weight_decay * penalty).item()


@torch.no_grad()
def accuracy(model: GCN, graph: Data, side: str) -> float:
    """Return the share of papers of a side whose topic has the largest score."""
    chosen = model.eval()(graph.x, graph.edge_index).argmax(dim=-1)
    which = papers(graph, side)
    return (chosen == graph.y)[which].double().mean().item()


def trained(name: str, graph: Data, settings: Hyperparameters) -> tuple[GCN, Figures]:
    """Return a trained model and its figures."""
    torch.manual_seed(settings.seed)
    model = GCN(graph.num_node_features, len(TOPICS), settings)
    epochs = fit(model, graph, settings)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    sides = [accuracy(model, graph, side) for side in ("validation", "test")]
    return model, Figures(name, parameters, epochs, *sides)


def format_figures(figures: Sequence[Figures]) -> str:
    """Return the figures as a Markdown table with a sentence on top."""
    head = [
        "Trained on 140 papers, ended by 500: the share of these, and of 1,000 of test, whose topic is found.",
        "",
        "| model | parameters | epochs | validation | test |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        f"| {f.model} | {f.parameters:,} | {f.epochs} | {100 * f.validation:.1f} % | {100 * f.test:.1f} % |"
        for f in figures
    ]
    return "\n".join([*head, *rows]) + "\n"


def write_figures(card: Path, table: str) -> None:
    """Write the figures into the card, if there is one."""
    if card.is_file():
        before, _, rest = card.read_text(encoding="utf-8").partition(CARD_BEGIN)
        _, _, after = rest.partition(CARD_END)
        card.write_text(before + CARD_BEGIN + table + CARD_END + after, encoding="utf-8")


def try_seeds(graph: Data, seeds: int) -> None:
    """Print the accuracy on test of models of other seeds."""
    found = [100 * trained(f"seed {seed}", graph, Hyperparameters(seed=seed))[1].test for seed in range(seeds)]
    print(f"test: {np.mean(found):.2f} +- {np.std(found):.2f} % ({min(found):.1f} to {max(found):.1f}), {seeds} seeds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the figures, write the model folder; return the exit code."""
    parser = argparse.ArgumentParser(description="Train the model of the citations example.")
    parser.add_argument("--data", type=Path, default=EXAMPLE / "data" / "cora.parquet", help="the Parquet file")
    parser.add_argument("--out", type=Path, default=EXAMPLE / "model", help="the model folder")
    parser.add_argument("--seeds", type=int, default=0, help="try so many seeds, from 0 on, and write nothing")
    options = parser.parse_args(arguments)

    settings = Hyperparameters()
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(mode=True)
    graph = read_graph(options.data)
    if options.seeds:
        try_seeds(graph, options.seeds)
        return 0
    apart = graph.clone()
    apart.edge_index = graph.edge_index[:, :0]
    _, alone = trained("without citations", apart, settings)
    model, figures = trained("GCN (this model)", graph, settings)
    table = format_figures([alone, figures])
    print(table, end="")
    example = Data(x=graph.x, edge_index=graph.edge_index)
    from_pyg(model, options.out, example=example, level="node", outputs=TOPICS, name="cora-topics")
    write_figures(options.out / "README.md", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

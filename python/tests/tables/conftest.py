"""Models that tables are scored with."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphscore
from tables.arrow_graphs import write_steps


@pytest.fixture(scope="module")
def scorer(model_folder: Path) -> graphscore.TableScorer:
    """gcn 3-8-1."""
    return graphscore.load(model_folder)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, graphscore.TableScorer]:
    """A model of each level that reads every column: x 3, edge_attr 2, edge_type 5, graph_attr 4."""
    folder = tmp_path_factory.mktemp("steps")
    return {level: graphscore.load(write_steps(folder / level, level)) for level in ("node", "edge", "graph")}

"""What a module of the zoo is exported with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch_geometric.data import Data

EDGES = [(0, 1), (1, 0), (1, 2), (2, 3), (3, 3), (4, 0), (4, 1), (5, 4), (0, 1), (2, 5)]
NODES = 7  # the last one without edges


@dataclass(frozen=True)
class Case:
    """A module that must be exported."""

    make: Callable[[], torch.nn.Module]
    example: Any
    level: str
    width: int = 1
    ops: tuple[str, ...] = ()
    """Operations that must be among the steps."""
    keywords: dict[str, Any] = field(default_factory=dict)


def edges() -> torch.Tensor:
    """[2, E]."""
    return torch.tensor(EDGES).T.contiguous()


def floats(*shape: int) -> torch.Tensor:
    """Standard normal numbers, the same ones for a shape each time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def integers(rows: int, *sizes: int) -> torch.Tensor:
    """Categories below each of sizes: [rows, len(sizes)]."""
    generator = torch.Generator().manual_seed(rows)
    return torch.stack([torch.randint(0, size, (rows,), generator=generator) for size in sizes], dim=1)


def arguments(width: int = 4, **more: Any) -> dict[str, Any]:
    """An example as a mapping."""
    return {"x": floats(NODES, width), "edge_index": edges(), **more}


def data(width: int = 4, **more: Any) -> Data:
    """An example as a Data object."""
    return Data(**arguments(width, **more))


def batch() -> torch.Tensor:
    """The graph of each node: all of one."""
    return torch.zeros(NODES, dtype=torch.long)


def trained(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A module with weights and running statistics that are not those of a new one."""
    torch.manual_seed(7)
    module = make()
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif name.endswith(("running_mean", "bias", "mean_scale")) or ".norm" in name:
                tensor.normal_(0.1, 0.5)
    return module

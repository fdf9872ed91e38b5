"""Models of graphscore/2 for the benchmark, one for each operation and each level; and what each costs the engine.

Run as a script, ``operations.py IN WORK``: one batch of the molecules in IN, with features of edges, is scored by every
model, and one line of JSON has the CPU time of a graph in us by operation. All values are 64 wide; "none" is the model
that the others add their operation to.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rival import batches, files, unpack
from safetensors.numpy import save_file

import graphscore
from graphscore import _malloc
from graphscore._ops import OPERATIONS

FEATURES: Final = 16
EDGE_FEATURES: Final = 4
WIDTH: Final = 64
HEADS: Final = 4
GRAPHS: Final = 700  # about a request of 1 MiB
CALLS: Final = 9
SQUARE: Final = (WIDTH, WIDTH)

Step = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """Steps behind h, values of nodes, and e, values of edges; the last one is `o`, of a level and a width."""

    steps: Sequence[Step]
    tensors: Mapping[str, tuple[int, ...]]
    level: str = "node"
    width: int = WIDTH
    edges: bool = False
    """It reads features of edges."""


def step(op: str, *inputs: str, name: str = "o", **keys: object) -> Step:
    """Return a step."""
    return {"name": name, "op": op, "inputs": list(inputs), **keys}


def one(op: str, *inputs: str, level: str = "node", width: int = WIDTH, edges: bool = False, **keys: Any) -> Network:
    """Return a network of one operation. A key whose value is a shape is that of a tensor with the key's name."""
    shapes = {key: value for key, value in keys.items() if isinstance(value, tuple)}
    shapes |= {f"{key}.{i}": shape for key, value in keys.items() if is_shapes(value) for i, shape in enumerate(value)}
    named: dict[str, Any] = {
        key: key
        if isinstance(value, tuple)
        else [f"{key}.{i}" for i in range(len(value))]
        if is_shapes(value)
        else value
        for key, value in keys.items()
    }
    return Network([step(op, *inputs, **named)], shapes, level, width, edges)


def is_shapes(value: object) -> bool:
    """Whether a key has shapes of several tensors."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], tuple)


def convolutions() -> dict[str, Network]:
    """Operations that pass messages."""
    heads = (HEADS, WIDTH // HEADS)
    pna: dict[str, Any] = {
        "aggregators": ["mean", "min", "max", "std"],
        "scalers": ["identity", "amplification", "attenuation"],
    }
    square: dict[str, Any] = dict.fromkeys(("weight_query", "weight_key", "weight_value", "weight_skip"), SQUARE)
    return {
        "gcn": one("gcn", "h", weight=SQUARE),
        "sage": one("sage", "h", neighbor=SQUARE, root=SQUARE),
        "graph_conv": one("graph_conv", "h", weight_rel=SQUARE, weight_root=SQUARE),
        "gin": one("gin", "h"),
        "gine": one("gine", "h", edge_attr="e", edges=True),
        "gat": one("gat", "h", weight=SQUARE, att_src=heads, att_dst=heads, heads=HEADS),
        "gatv2": one("gatv2", "h", weight_l=SQUARE, weight_r=SQUARE, att=heads, heads=HEADS),
        "transformer": one("transformer", "h", heads=HEADS, **square),
        "pna": one(
            "pna",
            "h",
            **pna,
            pre_weights=[(WIDTH, 2 * WIDTH)],
            pre_biases=[(WIDTH,)],
            post_weights=[(WIDTH, 13 * WIDTH)],
            post_biases=[(WIDTH,)],
            weight=SQUARE,
            bias=(WIDTH,),
        ),
        "edge_linear": one("edge_linear", "h", edge_attr="e", weight=(WIDTH, 2 * WIDTH), level="edge", edges=True),
        "directed_message": one("directed_message", "e", level="edge", edges=True),
        "reverse": one("reverse", "e", level="edge", edges=True),
        "paired": one("paired", "e", level="edge", edges=True),
        "sum_edges": one("sum_edges", "e", edges=True),
    }


def row_by_row() -> dict[str, Network]:
    """Operations on each row."""
    vector = (WIDTH,)
    scaled: dict[str, Any] = {"weight": vector, "bias": vector}
    return {
        "linear": one("linear", "h", weight=SQUARE),
        "embedding": one("embedding", "x", columns=[0, 1], tables=[(64, WIDTH), (64, WIDTH)]),
        "batch_norm": one("batch_norm", "h", running_mean=vector, running_var=vector, **scaled),
        "layer_norm": one("layer_norm", "h", mode="node", **scaled),
        "graph_norm": one("graph_norm", "h", mean_scale=vector, **scaled),
        "instance_norm": one("instance_norm", "h"),
        "pair_norm": one("pair_norm", "h"),
        "l2_normalize": one("l2_normalize", "h"),
        "activation": one("activation", "h", function="silu"),
        "prelu": one("prelu", "h", weight=(1,)),
        **{op: one(op, "h", "h") for op in ("add", "subtract", "multiply", "divide", "maximum", "minimum")},
        "concatenate": one("concatenate", "h", "h", width=2 * WIDTH),
        "slice": one("slice", "h", start=0, stop=WIDTH // 2, width=WIDTH // 2),
        "take": one("take", "h", columns=list(range(WIDTH))),
        "constant": one("constant", "h", value=1.0, width=1),
        "softmax": one("softmax", "h"),
        "log_softmax": one("log_softmax", "h"),
        "dot": one("dot", "h", "h", width=1),
    }


def readouts() -> dict[str, Network]:
    """Operations between nodes, edges and graphs."""
    pools = ("sum_pool", "mean_pool", "max_pool", "min_pool")
    pooled = step("mean_pool", "h", name="g")
    return {
        **{op: one(op, "h", level="graph") for op in pools},
        "attention_pool": one("attention_pool", "h", "h", level="graph"),
        "spread": Network([pooled, step("spread", "g", kind="node")], {}),
        "gather": one("gather", "h", end="source", level="edge"),
    }


def networks() -> dict[str, Network]:
    """Return a network for each operation; raise ValueError where one has none."""
    found = {**convolutions(), **row_by_row(), **readouts()}
    if missing := OPERATIONS.keys() - found.keys():
        raise ValueError(f"there is no network for {', '.join(sorted(missing))}: add it to operations.py")
    return {"none": Network([step("slice", "h", start=0, stop=WIDTH)], {}), **dict(sorted(found.items()))}


def levels() -> dict[str, Network]:
    """A network for each level: a layer of GCN, then scores of nodes, edges or graphs."""
    conv, shapes = step("gcn", "h", name="c", weight="conv"), {"conv": SQUARE}
    ends = [step("gather", "c", name=end, end=end) for end in ("source", "target")]
    return {
        "node": Network([conv, step("activation", "c", function="relu")], shapes),
        "edge": Network([conv, *ends, step("multiply", "source", "target")], shapes, "edge"),
        "graph": Network([conv, step("mean_pool", "c")], shapes, "graph"),
    }


def write(folder: Path, network: Network) -> Path:
    """Write the model folder of a network, with weights from a fixed seed."""
    random = np.random.default_rng(0)
    shapes = {"h.weight": (WIDTH, FEATURES), **network.tensors, "out.weight": (1, network.width)}
    first = [step("linear", "x", name="h", weight="h.weight")]
    if network.edges:
        shapes["e.weight"] = (WIDTH, EDGE_FEATURES)
        first.append(step("linear", "edge_attr", name="e", weight="e.weight"))
    used = {name for one_step in network.steps for name in one_step["inputs"]}
    if not used & {"h"}:
        first, shapes = [s for s in first if s["name"] != "h"], {k: v for k, v in shapes.items() if k != "h.weight"}
    config = {
        "format": "graphscore/2",
        "name": "benchmark",
        "level": network.level,
        "inputs": {
            "x": FEATURES,
            "edge_attr": EDGE_FEATURES if network.edges else 0,
            "edge_type": 0,
            "graph_attr": 0,
            "edge_weight": False,
        },
        "outputs": ["score"],
        "weights": ["model.safetensors"],
        "ignored": [],
        "steps": [*first, *network.steps, step("linear", "o", name="out", weight="out.weight")],
    }
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: random.random(shape, np.float32) / 8 for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    return folder


def molecules(source: Path) -> graphscore.GraphBatch:
    """Return one batch, with whole features, and edges that are grouped by target."""
    table = next(batches(files(source)[0], GRAPHS))
    offsets, x, sources, targets = unpack(table, FEATURES)
    order = np.argsort(targets, kind="stable")
    sources, targets = sources[order], targets[order]
    return graphscore.GraphBatch(
        node_counts=np.diff(offsets).astype(np.uint32),
        features=np.abs(np.rint(x)).astype(np.float32) % WIDTH,
        in_degrees=np.bincount(targets, minlength=len(x)).astype(np.uint32),
        sources=sources.astype(np.uint32),
        edge_features=np.eye(EDGE_FEATURES, dtype=np.float32)[(sources + targets) % EDGE_FEATURES],
    )


def cost(engine: graphscore.Engine, batch: graphscore.GraphBatch) -> float:
    """CPU time of a graph in us, the median of a few calls. Raises ValueError where a graph is not scored."""
    if failed := engine.score(batch).failed:
        raise ValueError(f"graphs are not scored: {failed[0]}")
    spent = []
    for _ in range(CALLS):
        begun = time.thread_time_ns()
        engine.score(batch)
        spent.append(time.thread_time_ns() - begun)
    return statistics.median(spent) / 1e3 / batch.graphs


def main(source: str, work: str) -> None:
    """Measure every operation."""
    _malloc.keep_freed_memory()  # as the workers do
    batch = molecules(Path(source))
    costs = {}
    for name, network in networks().items():
        model = graphscore.load_model(write(Path(work) / f"operation-{name}", network))
        costs[name] = cost(graphscore.Engine(model), batch)
    print(json.dumps(costs))


if __name__ == "__main__":
    main(*sys.argv[1:])

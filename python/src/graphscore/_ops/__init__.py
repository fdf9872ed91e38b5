"""The operations of models. A further one is a module here, and a line in OPERATIONS.

A module begins with the formula, where it is from, and the shapes. It has a function `read` that takes the StepSpec
of a step of config.json and returns a Step, and an Operation that names the keys of such steps:

- `read(spec)` asks for everything in config.json and in the weights, and checks it: `spec.value(0, "node")` is the
  first input, which must have a row a node; `spec.optional_value("edge_attr", "edge", "edge_in")` is one that a key
  names; `spec.weight("weight", "out", "in")` a tensor whose second dimension is the width of the first input;
  `spec.number`, `flag`, `count`, `choice` are parameters. Each raises ModelError with step, key and value, so that
  nothing is left to find out when graphs are scored. What does not depend on the graphs is computed here.
- the Step that it returns has the kind and width of the value, and `compile(compiler)`, which asks the compiler for
  dense products and elementwise functions: `compiler.product(weight.T)`, `compiler.tested("exp", exp)`. Never
  `@` or a function of numpy that is not exact (exp, tanh, log ...) untested: their last bits depend on a row's place.
- a step of which each element follows from those at its place may return `rowwise` too, and one that ends with a dense
  product `finishing`: the rows of the second are then made by the first while they are near the processor.
- what `compile` returns is called for each chunk of graphs as `run(values, graphs)`; `_step.Function` is its
  contract. Sums over edges, nodes and graphs are those of `graphs.derive(edges_of_nodes)` and its kin
  (`_segments.Segments`) or sparse products (`_graphs.Adjacency`): both add in the order of the input, and over many
  edges in float64.

Tests: one or more cases in tests/make_operation_vectors.py, which tests/engines/test_operations.py compares with what
the steps return, alone and in batches, and a row in README.md.
"""

from __future__ import annotations

from typing import Final

from graphscore._ops import (
    activation,
    arithmetic,
    batch_norm,
    columns,
    directed,
    embedding,
    ends,
    gat,
    gatv2,
    gcn,
    gin,
    gine,
    graph_conv,
    graph_norm,
    l2_normalize,
    layer_norm,
    linear,
    pna,
    pool,
    prelu,
    sage,
    softmax,
    transformer,
)
from graphscore._ops._spec import EDGE_WEIGHT, Scope, StepSpec, Value
from graphscore._ops._step import Compiler, Finishing, Function, Operation, Rowwise, Step

__all__ = [
    "EDGE_WEIGHT",
    "OPERATIONS",
    "Compiler",
    "Finishing",
    "Function",
    "Operation",
    "Rowwise",
    "Scope",
    "Step",
    "StepSpec",
    "Value",
]

OPERATIONS: Final[dict[str, Operation]] = {
    "activation": activation.OPERATION,
    "add": arithmetic.ADD,
    "attention_pool": pool.ATTENTION,
    "batch_norm": batch_norm.OPERATION,
    "concatenate": columns.CONCATENATE,
    "constant": columns.CONSTANT,
    "directed_message": directed.DIRECTED_MESSAGE,
    "divide": arithmetic.DIVIDE,
    "dot": ends.DOT,
    "edge_linear": directed.EDGE_LINEAR,
    "embedding": embedding.OPERATION,
    "gat": gat.OPERATION,
    "gather": ends.GATHER,
    "gatv2": gatv2.OPERATION,
    "gcn": gcn.OPERATION,
    "gin": gin.OPERATION,
    "gine": gine.OPERATION,
    "graph_conv": graph_conv.OPERATION,
    "graph_norm": graph_norm.GRAPH_NORM,
    "instance_norm": graph_norm.INSTANCE_NORM,
    "l2_normalize": l2_normalize.OPERATION,
    "layer_norm": layer_norm.OPERATION,
    "linear": linear.OPERATION,
    "log_softmax": softmax.LOG_SOFTMAX,
    "max_pool": pool.MAX,
    "maximum": columns.MAXIMUM,
    "mean_pool": pool.MEAN,
    "min_pool": pool.MIN,
    "minimum": columns.MINIMUM,
    "multiply": arithmetic.MULTIPLY,
    "pair_norm": graph_norm.PAIR_NORM,
    "paired": directed.PAIRED,
    "pna": pna.OPERATION,
    "prelu": prelu.OPERATION,
    "reverse": directed.REVERSE,
    "sage": sage.OPERATION,
    "slice": columns.SLICE,
    "softmax": softmax.SOFTMAX,
    "spread": ends.SPREAD,
    "subtract": arithmetic.SUBTRACT,
    "sum_edges": directed.SUM_EDGES,
    "sum_pool": pool.SUM,
    "take": columns.TAKE,
    "transformer": transformer.OPERATION,
}
"""What a step's `op` in config.json may be."""

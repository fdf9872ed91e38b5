"""Message passing over bonds or atoms, as chemprop.nn.BondMessagePassing and AtomMessagePassing compute it.

Dropout does nothing in prediction. `x` is an atom's features, followed by its additional descriptors where there are
some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graphscore.export.chemprop._activation import Activation
from graphscore.export.chemprop._checkpoint import MOST_LAYERS, Parameters
from graphscore.export.chemprop._steps import Steps

_MODULE: Final = "message_passing"
_REACTIONS: Final = frozenset({(165, 28), (106, 28), (75, 28), (66, 4)})
"""Features of atoms and bonds in condensed graphs of reactions, for chemprop's featurizers v1, v2, organic and RIGR."""


@dataclass(frozen=True)
class Widths:
    """Columns of the inputs and of what message passing returns for an atom."""

    x: int
    edges: int
    atoms: int


def message_passing(steps: Steps, parameters: Parameters) -> tuple[str, Widths]:
    """Add the steps from atoms and bonds to a row an atom, and return its name."""
    kind = parameters.class_name()
    if kind not in ("BondMessagePassing", "AtomMessagePassing"):
        raise parameters.error(
            f"cls is {kind or 'absent'}, which has no operation here; known are BondMessagePassing, AtomMessagePassing"
        )
    hidden, activation = steps.rows(f"{_MODULE}.W_o"), Activation(parameters)
    by_bonds = kind == "BondMessagePassing"
    features = steps.columns(f"{_MODULE}.W_o") - steps.rows(f"{_MODULE}.W_h")
    wide, narrow = ("W_i", features) if by_bonds else ("W_h", steps.rows(f"{_MODULE}.W_h"))
    edges = steps.columns(f"{_MODULE}.{wide}") - narrow
    described = steps.columns(f"{_MODULE}.W_d") - hidden if parameters.get("d_vd") else 0
    if features < 1 or edges < 1 or described < 0:
        raise steps.checkpoint.error(f"the shapes of {_MODULE}.W_i, W_h and W_o do not fit each other")
    for key, width in (("d_v", features), ("d_e", edges), ("d_h", hidden), ("d_vd", described)):
        if isinstance(said := parameters.get(key), int) and said != width:
            raise parameters.error(f"{key} is {said}, but W_i, W_h and W_o have shapes for {width}; export it again")
    if (features, edges) in _REACTIONS:
        raise steps.checkpoint.error(
            f"it takes {features} features an atom and {edges} a bond, which are those of reactions; only models of one"
            " molecule can be exported"
        )
    atoms = steps.add("atoms", "slice", "x", start=0, stop=features) if described else "x"
    scaled, scalers = f"{_MODULE}.graph_transform", parameters.modules("graph_transform", "GraphTransform")
    if scalers.scaler("V_transform", "ScaleTransform"):
        atoms = steps.scaled("atoms", atoms, f"{scaled}.V_transform", features)
    bonds = "edge_attr"
    if scalers.scaler("E_transform", "ScaleTransform"):
        bonds = steps.scaled("bonds", bonds, f"{scaled}.E_transform", edges)
    run = _Bonds if by_bonds else _Atoms
    depth = parameters.count("depth", minimum=1, maximum=MOST_LAYERS)
    if depth == 1:  # nothing is passed on: W_h is there and not used
        steps.checkpoint.pass_over(f"{_MODULE}.W_h.")
        edges = edges if by_bonds else 0
    passing = run(steps, activation, atoms, bonds, bias=parameters.flag("bias"))
    message = passing.run(depth, undirected=parameters.flag("undirected"))
    value = steps.linear("atoms_out", steps.add("atoms_in", "concatenate", atoms, message), f"{_MODULE}.W_o")
    value = activation.add(steps, "hidden", value, f"{_MODULE}.tau")
    if described:
        extra = steps.add("atom_descriptors", "slice", "x", start=features, stop=features + described)
        if parameters.scaler("V_d_transform", "ScaleTransform"):
            extra = steps.scaled("atom_descriptors", extra, f"{_MODULE}.V_d_transform", described)
        value = steps.add("hidden_described", "concatenate", value, extra)
        value, hidden = steps.linear("atoms_described", value, f"{_MODULE}.W_d"), steps.rows(f"{_MODULE}.W_d")
    return value, Widths(features + described, edges, hidden)


@dataclass(frozen=True)
class _Passing:
    """What messages pass over: the names of the values of atoms and bonds."""

    steps: Steps
    activation: Activation
    atoms: str
    bonds: str
    bias: bool


class _Bonds(_Passing):
    """A value for each directed bond."""

    def run(self, depth: int, *, undirected: bool) -> str:
        steps, tau = self.steps, f"{_MODULE}.tau"
        weights = steps.weights(f"{_MODULE}.W_i", bias=self.bias)
        first = steps.add("h0", "edge_linear", self.atoms, edge_attr=self.bonds, **weights)
        value = self.activation.add(steps, "a0", first, tau)
        for step in range(1, depth):
            if undirected:
                back = steps.add(f"back{step}", "reverse", value)
                value = steps.add(f"both{step}", "add", value, back)
                value = steps.add(f"u{step}", "multiply", value, value=0.5)
            message = steps.add(f"m{step}", "directed_message", value)
            value = steps.linear(f"w{step}", message, f"{_MODULE}.W_h", bias=self.bias)
            value = self.activation.add(steps, f"a{step}", steps.add(f"h{step}", "add", value, first), tau)
        return self.steps.add("m", "sum_edges", value)


class _Atoms(_Passing):
    """A value for each atom: those of all directed bonds that leave it."""

    def run(self, depth: int, *, undirected: bool) -> str:
        steps, tau = self.steps, f"{_MODULE}.tau"
        first = steps.linear("h0", self.atoms, f"{_MODULE}.W_i", bias=self.bias)
        value = self.activation.add(steps, "a0", first, tau)
        if depth > 1:
            bonds = steps.add("bond_sums", "sum_edges", steps.add("pairs", "paired", self.bonds))
        for step in range(1, depth):
            message = self._sent(f"m{step}", value, undirected=undirected)
            message = steps.add(f"both{step}", "concatenate", message, bonds)
            value = steps.linear(f"w{step}", message, f"{_MODULE}.W_h", bias=self.bias)
            value = self.activation.add(steps, f"a{step}", steps.add(f"h{step}", "add", value, first), tau)
        return self._sent("m", value, undirected=False)

    def _sent(self, name: str, value: str, *, undirected: bool) -> str:
        """Add the sum over the bonds that point to each atom; undirected: of the means of both atoms of a bond."""
        steps = self.steps
        sent = steps.add(f"{name}_from", "gather", value, end="source")
        if undirected:
            back = steps.add(f"{name}_to", "gather", value, end="target")
            sent = steps.add(f"{name}_both", "multiply", steps.add(f"{name}_ends", "add", sent, back), value=0.5)
        return steps.add(name, "sum_edges", sent)

"""Features of atoms and bonds.

An atom's features follow from a few properties of it, which are the key of a table of rows: a molecule is a list of row
numbers, and the features of a whole block of molecules are one lookup in numpy.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rdkit import Chem

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

VERSION: Final = 1  # in the ledger of a part; the next one when a featurizer has other values for a molecule
_MOST_ROWS: Final = 1 << 16


class Rows(dict[Hashable, int]):
    """A table of feature rows by key; a new key gets the row that `make` computes."""

    def __init__(self, width: int, make: Callable[[Any, Floats], None]) -> None:
        super().__init__()
        self._width = width
        self._make = make
        self._rows: list[Floats] = []

    def __missing__(self, key: Hashable) -> int:
        row = np.zeros(self._width, np.float32)
        self._make(key, row)
        number = self[key] = len(self._rows)
        self._rows.append(row)
        return number

    def take(self, numbers: array[int]) -> Floats:
        """Return the rows with these numbers. After that, rows may have other numbers."""
        if not numbers:
            return np.zeros((0, self._width), np.float32)
        taken = np.asarray(self._rows).take(np.frombuffer(numbers, np.int32), axis=0)
        if len(self._rows) > _MOST_ROWS:
            self.clear()
            self._rows.clear()
        return taken


@dataclass(frozen=True)
class Block:
    """Graphs side by side: `atoms` and `bonds` of each, `begins` and `ends` of all bonds, and features."""

    atoms: Integers
    bonds: Integers
    begins: Integers
    ends: Integers
    node_feat: Floats
    edge_attr: Floats | None


class Featurizer:
    """Collects molecules and returns their features in blocks.

    Attributes:
        pairs: whether bond k is the edges 2k and 2k + 1; else all bonds are edges from begin to end, then all back.
    """

    def __init__(
        self,
        atom_rows: Rows,
        atom_keys: Callable[[Sequence[Chem.Atom], str], Iterable[Hashable]],
        bond_rows: Rows | None = None,
        bond_keys: Callable[[Sequence[Chem.Bond], str], Iterable[Hashable]] | None = None,
    ) -> None:
        self._atom_rows, self._atom_keys = atom_rows, atom_keys
        self._bond_rows, self._bond_keys = bond_rows, bond_keys
        self.pairs = bond_rows is not None
        self._begin()

    def _begin(self) -> None:
        self._atoms, self._bonds, self._begins, self._ends = array("i"), array("i"), array("i"), array("i")
        self._atom_counts, self._bond_counts = array("i"), array("i")

    @property
    def atoms(self) -> int:
        """Atoms of the molecules that wait."""
        return len(self._atoms)

    def add(self, molecule: Chem.Mol, smiles: str) -> None:
        """Add a molecule."""
        atoms = list(molecule.GetAtoms())
        bonds = list(molecule.GetBonds())
        self._atoms.extend(map(self._atom_rows.__getitem__, self._atom_keys(atoms, smiles)))
        self._begins.extend(map(_begin, bonds))
        self._ends.extend(map(_end, bonds))
        if self._bond_rows is not None and self._bond_keys is not None:
            self._bonds.extend(map(self._bond_rows.__getitem__, self._bond_keys(bonds, smiles)))
        self._atom_counts.append(len(atoms))
        self._bond_counts.append(len(bonds))

    def take(self) -> Block:
        """Return the molecules that wait, and forget them."""
        edge_attr = None
        if self._bond_rows is not None:
            edge_attr = np.repeat(self._bond_rows.take(self._bonds), 2, axis=0)
        block = Block(
            atoms=_integers(self._atom_counts),
            bonds=_integers(self._bond_counts),
            begins=_integers(self._begins),
            ends=_integers(self._ends),
            node_feat=self._atom_rows.take(self._atoms),
            edge_attr=edge_attr,
        )
        self._begin()
        return block


def _integers(values: array[int]) -> Integers:
    return np.asarray(values, np.int32).astype(np.int64)


_begin: Final = Chem.Bond.GetBeginAtomIdx
_end: Final = Chem.Bond.GetEndAtomIdx
_Hybridization: Final = Chem.HybridizationType
_Type: Final = Chem.BondType


def _places(choices: Iterable[Any]) -> dict[Any, int]:
    return {choice: place for place, choice in enumerate(choices)}


# chemprop 2, chemprop/featurizers/atom.py, MultiHotAtomFeaturizer.v2: each has one place more, for any other value.
_CHEMPROP_ATOM: Final = (
    _places([*range(1, 37), 53]),  # atomic number
    _places(range(6)),  # degree, with hydrogens
    _places([-1, -2, 1, 2, 0]),  # formal charge
    _places(range(4)),  # chiral tag
    _places(range(5)),  # hydrogens
    _places(
        [
            _Hybridization.S,
            _Hybridization.SP,
            _Hybridization.SP2,
            _Hybridization.SP2D,
            _Hybridization.SP3,
            _Hybridization.SP3D,
            _Hybridization.SP3D2,
        ]
    ),
)
_CHEMPROP_ATOM_WIDTH: Final = sum(len(choices) + 1 for choices in _CHEMPROP_ATOM) + 2
# chemprop/featurizers/bond.py, MultiHotBondFeaturizer: the first place is for the bond that is not there.
_CHEMPROP_BOND: Final = _places([_Type.SINGLE, _Type.DOUBLE, _Type.TRIPLE, _Type.AROMATIC])
_CHEMPROP_BOND_WIDTH: Final = 14
_STEREOS: Final = 6


def _chemprop_atom_keys(atoms: Sequence[Chem.Atom], smiles: str) -> Iterator[Hashable]:
    atom = Chem.Atom
    # No SMILES without @, and without an extension of CXSMILES, has a chiral atom. The call costs as much as three.
    chiral: Iterable[Any] = map(atom.GetChiralTag, atoms) if "@" in smiles or "|" in smiles else repeat(0)
    return zip(
        map(atom.GetAtomicNum, atoms),
        map(atom.GetTotalDegree, atoms),
        map(atom.GetFormalCharge, atoms),
        chiral,
        map(atom.GetTotalNumHs, atoms),
        map(atom.GetHybridization, atoms),
        map(atom.GetIsAromatic, atoms),
        map(atom.GetMass, atoms),
        strict=False,
    )


def _chemprop_atom(key: Sequence[Any], row: Floats) -> None:
    start = 0
    for value, choices in zip(key, _CHEMPROP_ATOM, strict=False):
        row[start + choices.get(value, len(choices))] = 1
        start += len(choices) + 1
    aromatic, mass = key[-2:]
    row[start] = aromatic
    row[start + 1] = 0.01 * mass


def _chemprop_bond_keys(bonds: Sequence[Chem.Bond], smiles: str) -> Iterator[Hashable]:
    bond = Chem.Bond
    # Likewise: without / and \ no bond has a stereo.
    marked = "/" in smiles or "\\" in smiles or "|" in smiles
    stereo: Iterable[Any] = map(bond.GetStereo, bonds) if marked else repeat(0)
    return zip(
        map(bond.GetBondType, bonds),
        map(bond.GetIsConjugated, bonds),
        map(bond.IsInRing, bonds),
        stereo,
        strict=False,
    )


def _chemprop_bond(key: Sequence[Any], row: Floats) -> None:
    kind, conjugated, in_ring, stereo = key
    if (place := _CHEMPROP_BOND.get(kind)) is not None:
        row[1 + place] = 1
    start = 1 + len(_CHEMPROP_BOND)
    row[start] = conjugated
    row[start + 1] = in_ring
    row[start + 2 + min(int(stereo), _STEREOS)] = 1


# jobs/examples/molecules/README.md has the list.
_ELEMENTS: Final = _places([6, 7, 8, 16, 15, 9, 17, 35, 53])
_MOLECULES_WIDTH: Final = len(_ELEMENTS) + 7


def _molecules_keys(atoms: Sequence[Chem.Atom], _: str) -> Iterator[Hashable]:
    atom = Chem.Atom
    return zip(
        map(atom.GetAtomicNum, atoms),
        map(atom.GetDegree, atoms),
        map(atom.GetTotalNumHs, atoms),
        map(atom.GetFormalCharge, atoms),
        map(atom.GetIsAromatic, atoms),
        map(atom.IsInRing, atoms),
        map(atom.GetHybridization, atoms),
        strict=True,
    )


def _molecules_atom(key: Sequence[Any], row: Floats) -> None:
    number, degree, hydrogens, charge, aromatic, in_ring, hybridization = key
    row[_ELEMENTS.get(number, len(_ELEMENTS))] = 1
    row[len(_ELEMENTS) + 1 :] = (
        degree / 4,
        hydrogens / 4,
        charge,
        aromatic,
        in_ring,
        hybridization == _Hybridization.SP2,
    )


def featurizer(name: str) -> Featurizer:
    """Return the featurizer that `--features` names."""
    if name == "chemprop-v2":
        return Featurizer(
            Rows(_CHEMPROP_ATOM_WIDTH, _chemprop_atom),
            _chemprop_atom_keys,
            Rows(_CHEMPROP_BOND_WIDTH, _chemprop_bond),
            _chemprop_bond_keys,
        )
    return Featurizer(Rows(_MOLECULES_WIDTH, _molecules_atom), _molecules_keys)

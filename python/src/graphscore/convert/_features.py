"""Features of atoms and bonds.

Most features of an atom follow from a few properties of it, which are the key of a table of rows: a molecule is a list
of row numbers, and the features of a whole block of molecules are one lookup in numpy. What follows from the atoms and
bonds around one, an atom's degree and what is in a ring, numpy computes for the block as well.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from graphscore.convert._binary import Parts, is_atom, is_bond, known, parts

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

VERSION: Final = 2  # in the ledger of a part; the next one when the same rows make a part of other values or bytes
_MOST_ROWS: Final = 1 << 16
_MOST_SPAN: Final = 1 << 24  # bytes of a table of pairs of atoms; beyond it they are sorted


class Rows:
    """A table of feature rows by key; a new key gets the row that `make` fills for the atom or bond that has it.

    Args:
        width: features of a row.
        make: fills a row of zeros.
        is_record: whether bytes are a key; what is not bytes always is.
    """

    def __init__(self, width: int, make: Callable[[Any, Floats], None], is_record: Callable[[bytes], bool]) -> None:
        self._width = width
        self._make = make
        self._is_record = is_record
        self._numbers: dict[Hashable, int] = {}
        self._rows: list[Floats] = []

    def numbers(self, keys: Sequence[Hashable], one: Callable[[int], Any]) -> list[int] | None:
        """Return the numbers of rows; None where bytes among the keys are no record.

        Args:
            keys: of all atoms or bonds of a molecule.
            one: returns the atom or bond at a place among them.
        """
        try:
            return list(map(self._numbers.__getitem__, keys))
        except KeyError:
            new = {key: place for place, key in enumerate(keys) if key not in self._numbers}
        if any(isinstance(key, bytes) and not self._is_record(key) for key in new):
            return None
        for key, place in new.items():
            self._add(one(place))
            self._numbers[key] = len(self._numbers)
        return [self._numbers[key] for key in keys]

    def _add(self, one: Any) -> None:
        row = np.zeros(self._width, np.float32)
        self._make(one, row)
        self._rows.append(row)

    def take(self, numbers: array[int]) -> Floats:
        """Return the rows with these numbers."""
        return np.asarray(self._rows, np.float32).reshape(-1, self._width).take(_integers(numbers), axis=0)

    def trim(self) -> None:
        """Begin anew where there are very many rows: no numbers may be used after that."""
        if len(self._rows) > _MOST_ROWS:
            self._numbers.clear()
            self._rows.clear()


class BondRows(Rows):
    """Rows of bonds. The key of a bond has its two ends as well."""

    def __init__(self, width: int, make: Callable[[Any, Floats], None]) -> None:
        super().__init__(width, make, is_bond)
        self._ends = array("i")

    def _add(self, one: Chem.Bond) -> None:
        super()._add(one)
        self._ends.extend((one.GetBeginAtomIdx(), one.GetEndAtomIdx()))

    def ends(self, numbers: array[int]) -> tuple[Integers, Integers]:
        """Return the atoms, within their molecules, where bonds with these numbers begin and where they end."""
        begins, ends = _integers(self._ends).reshape(-1, 2).take(_integers(numbers), axis=0).T
        return begins, ends

    def trim(self) -> None:
        """Begin anew likewise."""
        super().trim()
        if not self._rows:
            del self._ends[:]


@dataclass(frozen=True)
class Kind:
    """What `--features` names.

    Attributes:
        atom_width: features of an atom.
        atom: fills those that follow from the atom alone, in zeros.
        around: fills the others of all atoms, from the number of each one's bonds and whether it is in a ring.
        bond_width: features of a bond, 0 for none.
        bond: fills those that follow from the bond alone, in zeros.
        bond_in_ring: where it is 1 for a bond in a ring.
    """

    atom_width: int
    atom: Callable[[Chem.Atom, Floats], None]
    around: Callable[[Floats, Integers, Flags], None]
    bond_width: int
    bond: Callable[[Chem.Bond, Floats], None]
    bond_in_ring: int


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

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._atom_rows = Rows(kind.atom_width, kind.atom, is_atom)
        self._bond_rows = BondRows(kind.bond_width, kind.bond)
        self.pairs = kind.bond_width > 0
        self._binary = known()
        self._begin()

    def _begin(self) -> None:
        self._atoms, self._bonds = array("i"), array("i")
        self._atom_counts, self._bond_counts = array("i"), array("i")
        self._ring_atoms, self._ring_sizes, self._ring_counts = array("i"), array("i"), array("i")

    @property
    def atoms(self) -> int:
        """Atoms of the molecules that wait."""
        return len(self._atoms)

    def add(self, molecule: Chem.Mol) -> None:
        """Add a molecule."""
        found = parts(molecule) if self._binary else None
        if found is None or not self._add(molecule, found):
            self._add(molecule, _asked(molecule))

    def _add(self, molecule: Chem.Mol, found: Parts[Any]) -> bool:
        """Add the parts of a molecule; return False, and add none, where bytes among its keys are no record."""
        atoms = self._atom_rows.numbers(found.atoms, molecule.GetAtomWithIdx)
        bonds = self._bond_rows.numbers(found.bonds, molecule.GetBondWithIdx)
        if atoms is None or bonds is None:
            return False
        self._atoms.extend(atoms)
        self._bonds.extend(bonds)
        self._atom_counts.append(len(atoms))
        self._bond_counts.append(len(bonds))
        for ring in found.rings:
            self._ring_atoms.extend(ring)
            self._ring_sizes.append(len(ring))
        self._ring_counts.append(len(found.rings))
        return True

    def take(self) -> Block:
        """Return the molecules that wait, and forget them."""
        atoms, bonds = _integers(self._atom_counts), _integers(self._bond_counts)
        begins, ends = self._bond_rows.ends(self._bonds)
        first = np.cumsum(atoms) - atoms
        node_feat = self._atom_rows.take(self._atoms)
        these, those = begins + np.repeat(first, bonds), ends + np.repeat(first, bonds)
        degrees = np.bincount(np.concatenate([these, those]), minlength=len(node_feat))
        ring_atoms, next_ones = self._rings(first)
        in_ring = np.zeros(len(node_feat), np.bool_)
        in_ring[ring_atoms] = True
        self._kind.around(node_feat, degrees, in_ring)
        edge_attr = None
        if self.pairs:
            of_bonds = self._bond_rows.take(self._bonds)
            most = int(atoms.max(initial=1))
            found = _included(_pairs(these, those, most), _pairs(ring_atoms, next_ones, most))
            of_bonds[:, self._kind.bond_in_ring] = found
            edge_attr = np.repeat(of_bonds, 2, axis=0)
        self._atom_rows.trim()
        self._bond_rows.trim()
        self._begin()
        return Block(atoms, bonds, begins, ends, node_feat, edge_attr)

    def _rings(self, first: Integers) -> tuple[Integers, Integers]:
        """Return the atoms of all rings, as numbers in the block, and beside each the next one of its ring."""
        sizes = _integers(self._ring_sizes)
        rings = np.repeat(first, _integers(self._ring_counts))
        members = _integers(self._ring_atoms) + np.repeat(rings, sizes)
        ends = np.cumsum(sizes)
        next_ones = np.arange(1, len(members) + 1)
        next_ones[ends - 1] = ends - sizes
        return members, members[next_ones]


def _pairs(one: Integers, other: Integers, most: int) -> Integers:
    """Return a number for each two atoms of a molecule, of `most` atoms, the same for both orders."""
    smaller = np.minimum(one, other)
    return smaller * most + np.maximum(one, other) - smaller


def _included(values: Integers, among: Integers) -> Flags:
    """Return which of the values are among others."""
    span = int(among.max(initial=0)) - int(among.min(initial=0))
    return np.isin(values, among, kind="table" if span <= _MOST_SPAN else "sort")


def _asked(molecule: Chem.Mol) -> Parts[Hashable]:
    """Return the parts of a molecule by RDKit's getters."""
    atoms = map(molecule.GetAtomWithIdx, range(molecule.GetNumAtoms()))
    bonds = map(molecule.GetBondWithIdx, range(molecule.GetNumBonds()))
    return Parts(
        atoms=[tuple(ask(atom) for ask in _ASKED_OF_ATOMS) for atom in atoms],
        bonds=[tuple(ask(bond) for ask in _ASKED_OF_BONDS) for bond in bonds],
        rings=molecule.GetRingInfo().AtomRings(),
    )


_ASKED_OF_ATOMS: Final = (
    Chem.Atom.GetAtomicNum,
    Chem.Atom.GetFormalCharge,
    Chem.Atom.GetChiralTag,
    Chem.Atom.GetTotalNumHs,
    Chem.Atom.GetHybridization,
    Chem.Atom.GetIsAromatic,
    Chem.Atom.GetMass,
)
_ASKED_OF_BONDS: Final = (
    Chem.Bond.GetBeginAtomIdx,
    Chem.Bond.GetEndAtomIdx,
    Chem.Bond.GetBondType,
    Chem.Bond.GetIsConjugated,
    Chem.Bond.GetStereo,
)


def _integers(values: array[int]) -> Integers:
    return np.asarray(values, np.int32).astype(np.int64)


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
_CONJUGATED: Final = 1 + len(_CHEMPROP_BOND)
_STEREOS: Final = 6
# The degree, with hydrogens: `around` moves the mark from the number of hydrogens by the number of bonds.
_DEGREES: Final = len(_CHEMPROP_ATOM[0]) + 1
_MOST_DEGREE: Final = len(_CHEMPROP_ATOM[1])


def _chemprop_atom(atom: Chem.Atom, row: Floats) -> None:
    hydrogens = atom.GetTotalNumHs()
    values = (
        atom.GetAtomicNum(),
        min(hydrogens, _MOST_DEGREE),
        atom.GetFormalCharge(),
        atom.GetChiralTag(),
        hydrogens,
        atom.GetHybridization(),
    )
    start = 0
    for value, choices in zip(values, _CHEMPROP_ATOM, strict=True):
        row[start + choices.get(value, len(choices))] = 1
        start += len(choices) + 1
    row[start] = atom.GetIsAromatic()
    row[start + 1] = 0.01 * atom.GetMass()


def _chemprop_around(rows: Floats, degrees: Integers, _: Flags) -> None:
    marks = rows[:, _DEGREES : _DEGREES + _MOST_DEGREE + 1]
    total = np.minimum(marks.argmax(axis=1) + degrees, _MOST_DEGREE)
    marks[:] = 0
    marks[np.arange(len(marks)), total] = 1


def _chemprop_bond(bond: Chem.Bond, row: Floats) -> None:
    if (place := _CHEMPROP_BOND.get(bond.GetBondType())) is not None:
        row[1 + place] = 1
    row[_CONJUGATED] = bond.GetIsConjugated()
    row[_CONJUGATED + 2 + min(int(bond.GetStereo()), _STEREOS)] = 1


# jobs/examples/molecules/README.md has the list.
_ELEMENTS: Final = _places([6, 7, 8, 16, 15, 9, 17, 35, 53])
_MOLECULES_WIDTH: Final = len(_ELEMENTS) + 7
_MOLECULES_DEGREE, _MOLECULES_IN_RING = len(_ELEMENTS) + 1, len(_ELEMENTS) + 5


def _molecules_atom(atom: Chem.Atom, row: Floats) -> None:
    row[_ELEMENTS.get(atom.GetAtomicNum(), len(_ELEMENTS))] = 1
    row[_MOLECULES_DEGREE + 1 : _MOLECULES_IN_RING] = (
        atom.GetTotalNumHs() / 4,
        atom.GetFormalCharge(),
        atom.GetIsAromatic(),
    )
    row[_MOLECULES_IN_RING + 1] = atom.GetHybridization() == _Hybridization.SP2


def _molecules_around(rows: Floats, degrees: Integers, in_ring: Flags) -> None:
    rows[:, _MOLECULES_DEGREE] = degrees / 4
    rows[:, _MOLECULES_IN_RING] = in_ring


def _no_bond(_: Chem.Bond, __: Floats) -> None:
    """Fill nothing."""


_KINDS: Final = {
    "chemprop-v2": Kind(
        _CHEMPROP_ATOM_WIDTH, _chemprop_atom, _chemprop_around, _CHEMPROP_BOND_WIDTH, _chemprop_bond, _CONJUGATED + 1
    ),
    "molecules": Kind(_MOLECULES_WIDTH, _molecules_atom, _molecules_around, 0, _no_bond, 0),
}


def featurizer(name: str) -> Featurizer:
    """Return the featurizer that `--features` names."""
    return Featurizer(_KINDS[name])

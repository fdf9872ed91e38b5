"""Atoms, bonds and rings of a molecule from RDKit's binary form, in one call where each getter is one an atom.

The form is that of RDKit's Code/GraphMol/MolPickler.cpp, and it is read with care: what is not as expected, byte for
byte, is not read at all, and RDKit's getters are asked. The record of an atom has all that RDKit keeps of it
(number, charge, chiral tag, hybridization, hydrogens, valences, isotope), that of a bond likewise: records are keys of
features, whose values are not decoded here but asked of the first atom or bond with that record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rdkit import Chem

Key = TypeVar("Key")

_NO_CONFORMERS: Final = int(Chem.PropertyPickleOptions.NoConformers)
_VERSIONS: Final = frozenset({(16, 2), (16, 3), (16, 4)})  # of the form: RDKit 2024.9 to 2026.9
_PREFIX: Final = b"\xef\xbe\xad\xde\0\0\0\0"  # 0xDEADBEEF, then the tag of a version
_COUNTS: Final = 20  # where the numbers of atoms and bonds begin, of four bytes each
_FLAGS_AND_TAG: Final = b"\x80\x01"  # then atoms follow
_ATOMS: Final = _COUNTS + 8 + len(_FLAGS_AND_TAG)
_BONDS_TAG, _RINGS_TAG, _END_TAG = 0x0B, 0x42, 0x16
_MOST: Final = 255  # of more atoms, or of more bonds, the form has indices of four bytes

# An atom is its number, flags (aromatic, no implicit hydrogens; the others make it longer), and four bytes of flags of
# which each bit of the first is one byte more: charge, chiral tag, hybridization, hydrogens, valences, radicals.
_ATOM_BYTES: Final = bytes(6 + ones.bit_count() for ones in range(256))
_ATOM_FLAGS: Final = frozenset({0x00, 0x20, 0x40, 0x60})
_NOT_READ: Final = 0x01  # of the first
_NO_ISOTOPE: Final = b"\0\0\0"  # and nothing else that makes it longer
# A bond is the two atoms, flags, and a byte for each of three of them: type, direction, stereo. After stereo comes a
# list of the atoms that it is relative to, which is no part of the record.
_BOND_BYTES: Final = bytes(3 + (flags & 0x0E).bit_count() for flags in range(256))
_BOND_FLAGS: Final = 0x6E  # those, aromatic and conjugated
_STEREO: Final = 0x02


@dataclass(slots=True)
class Parts(Generic[Key]):
    """A molecule: a key for each atom and for each bond with its two ends, and the atoms of each ring.

    Of two atoms, or bonds, with the same key RDKit's getters return the same, but for what follows from the others
    around them: an atom's degree, and what is in a ring.
    """

    atoms: list[Key]
    bonds: list[Key]
    rings: Sequence[Sequence[int]]


def is_atom(record: bytes) -> bool:
    """Return whether bytes are the record of an atom. Check each that is new: `parts` does not."""
    return record[1] in _ATOM_FLAGS and not record[2] & _NOT_READ and record[3:6] == _NO_ISOTOPE


def is_bond(record: bytes) -> bool:
    """Return whether bytes are the record of a bond. Check each that is new: `parts` does not."""
    return not record[2] & ~_BOND_FLAGS


def known() -> bool:
    """Return whether this RDKit writes a form that is read here."""
    head = Chem.MolFromSmiles("C").ToBinary(_NO_CONFORMERS)
    version = (int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little"))
    return bool(head.startswith(_PREFIX)) and version in _VERSIONS


def parts(molecule: Chem.Mol) -> Parts[bytes] | None:
    """Return the parts of a molecule, where all records are of atoms and bonds; None where that is not so for sure.

    Call it only where `known`.
    """
    atoms, bonds = molecule.GetNumAtoms(), molecule.GetNumBonds()
    if max(atoms, bonds) > _MOST:
        return None
    data: bytes = molecule.ToBinary(_NO_CONFORMERS)
    counts = atoms.to_bytes(4, "little") + bonds.to_bytes(4, "little")
    if data[_COUNTS:_ATOMS] != counts + _FLAGS_AND_TAG:
        return None
    try:
        return _parts(data, atoms, bonds)
    except IndexError:
        return None


def _parts(data: bytes, atoms: int, bonds: int) -> Parts[bytes] | None:
    """Cut the form in parts. Raises IndexError where it ends early."""
    at, sizes = _ATOMS, _ATOM_BYTES
    of_atoms = []
    for _ in range(atoms):
        end = at + sizes[data[at + 2]]
        of_atoms.append(data[at:end])
        at = end
    if data[at] != _BONDS_TAG:
        return None
    at, sizes = at + 1, _BOND_BYTES
    of_bonds = []
    for _ in range(bonds):
        flags = data[at + 2]
        end = at + sizes[flags]
        of_bonds.append(data[at:end])
        at = end + 1 + data[end] if flags & _STEREO else end
    if data[at] != _RINGS_TAG:
        return None
    count = int.from_bytes(data[at + 1 : at + 5], "little")
    at += 5
    rings = []
    for _ in range(count):
        end = at + 1 + data[at]
        rings.append(data[at + 1 : end])
        at = end
    whole = len(data) == at + 1 and data[at] == _END_TAG
    return Parts(of_atoms, of_bonds, rings) if whole else None

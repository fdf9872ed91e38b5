"""SMILES to molecules, parsed as chemprop parses them, or the reason why not."""

from __future__ import annotations

import logging
import re
from typing import Final

from rdkit import Chem, rdBase

from graphscore.convert._settings import Reject

_CUT: Final = 200
# RDKit needs more than a minute for 75,000 characters of rings, and nothing ends it: the length is a bound on the time.
_CHARACTERS_AN_ATOM: Final = 10
_ALWAYS_PARSED: Final = 1000
_LONGEST_HEADER: Final = 10_000
_TIME: Final = re.compile(r"^\[\d\d:\d\d:\d\d\] ")
_POSITION: Final = re.compile(r"check for mistakes around position (\d+)")
_QUOTED: Final = re.compile(r"( while parsing: | for input: ).*", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class _Heard(logging.Handler):
    """Keeps what RDKit logs, instead of writing it to stderr."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class Parser:
    """Parses SMILES as `chemprop.utils.make_mol` does with its defaults: sanitized, explicit hydrogens removed.

    Args:
        max_atoms: a molecule of more atoms is rejected, and a SMILES of more than 1,000 characters and 10 an atom.
    """

    def __init__(self, max_atoms: int) -> None:
        self._max_atoms = max_atoms
        self._longest = max(_ALWAYS_PARSED, _CHARACTERS_AN_ATOM * max_atoms)
        self._parameters = Chem.SmilesParserParams()
        self._heard = _Heard()
        logger = logging.getLogger("rdkit")
        logger.handlers, logger.propagate = [self._heard], False
        rdBase.LogToPythonLogger()

    def parse(self, line: int, smiles: str | None) -> Chem.Mol | Reject:
        """Return the molecule of a row."""
        if smiles is None or not smiles.strip():
            return Reject(line, "", "empty_smiles", "the SMILES is empty")
        if len(smiles) > self._longest:
            most = f"at most {self._longest:,} are parsed with --max-atoms {self._max_atoms:,}"
            return self._reject(line, smiles, "too_long", f"{len(smiles):,} characters, and {most}")
        molecule: Chem.Mol | None = None
        self._heard.messages.clear()
        if not _CONTROL.search(smiles):
            molecule = Chem.MolFromSmiles(smiles, self._parameters)
        if molecule is None:
            return self._reject(line, smiles, "unparsable", self._reason(smiles))
        atoms = molecule.GetNumAtoms()
        if 0 < atoms <= self._max_atoms:
            return molecule
        if not atoms:
            return self._reject(line, smiles, "empty_smiles", "the SMILES has no atom")
        limit = f"{atoms:,} atoms, and --max-atoms is {self._max_atoms:,}"
        return self._reject(line, smiles, "too_many_atoms", limit)

    @staticmethod
    def _reject(line: int, smiles: str, code: str, reason: str) -> Reject:
        shown = smiles if len(smiles) <= _CUT else smiles[:_CUT] + "..."
        return Reject(line, shown, code, reason)

    def _reason(self, smiles: str) -> str:
        """Return RDKit's first message in one line, with the position of a mistake."""
        messages = self._heard.messages
        if _CONTROL.search(smiles):
            return "a control character"
        if not messages:
            return "RDKit does not parse it"
        first = _QUOTED.sub("", _TIME.sub("", messages[0])).removeprefix("SMILES Parse Error: ")
        place = next((found[1] for message in messages if (found := _POSITION.search(message))), None)
        return " ".join(first.split())[:_CUT] + (f" at character {place}" if place else "")


def is_molecule(text: str) -> bool:
    """Return whether a text is the SMILES of a molecule."""
    with rdBase.BlockLogs():
        return 0 < len(text) <= _LONGEST_HEADER and " " not in text and Chem.MolFromSmiles(text) is not None

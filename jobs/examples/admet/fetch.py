"""Fetch the checkpoints of ADMET-AI 2.0.1 (MIT) from the Python package index, by the hash of its wheel.

    python fetch.py FOLDER

Afterwards FOLDER holds the wheel, and in `models` the ten checkpoints, as they are in it. Nothing of the wheel is
installed or run. A folder that has them already is left as it is, once the hash of its wheel is found to be right.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "admet_ai-2.0.1-py3-none-any.whl"
SHA256 = "fef3527f637abb00d272cf824e8eef0136fe31ebde6c56881f1a8c02c0417806"
REQUIREMENT = f"admet-ai==2.0.1 --hash=sha256:{SHA256}\n"
INSIDE = "admet_ai/resources/models/"
CHECKPOINTS = 10
ARGUMENTS = 2


def download(folder: Path) -> Path:
    """Return the wheel, from the package index where the folder does not have it."""
    wheel = folder / WHEEL
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
            fetch(Path(temporary), folder)
            (Path(temporary) / WHEEL).replace(wheel)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        sys.exit(
            f"fetch.py: {wheel} is not the wheel of the package index: its SHA-256 is another; remove it and repeat."
        )
    return wheel


def fetch(temporary: Path, folder: Path) -> None:
    """Have pip put the wheel into a temporary folder."""
    required = temporary / "requirements.txt"
    required.write_text(REQUIREMENT, encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--dest",
        str(temporary),
        "-r",
        str(required),
    ]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if "DO NOT MATCH THE HASHES" in done.stderr:
        sys.exit(
            f"fetch.py: {WHEEL} of the package index is not the expected one: its SHA-256 is another, so it is damaged"
            " or not the original; repeat the command."
        )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.strip()] or ["pip said nothing"]
        said = errors[-1].strip().removeprefix("ERROR: ")
        sys.exit(
            f"fetch.py: {WHEEL} could not be fetched from the Python package index: {said}\n"
            f"Without a network, copy the wheel to {folder} and repeat the command."
        )


def unpack(wheel: Path, models: Path) -> None:
    """Copy the checkpoints out of the wheel."""
    if len(list(models.glob("*/*.pt"))) == CHECKPOINTS:
        return
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(INSIDE) and name.endswith(".pt"):
                place = models / name.removeprefix(INSIDE)
                place.parent.mkdir(parents=True, exist_ok=True)
                unfinished = place.with_name(f"{place.name}.tmp")
                unfinished.write_bytes(archive.read(name))
                unfinished.replace(place)


def main() -> None:
    """Fetch into the folder that is named."""
    if len(sys.argv) != ARGUMENTS:
        sys.exit("usage: python fetch.py FOLDER")
    folder = Path(sys.argv[1])
    try:
        unpack(download(folder), folder / "models")
    except OSError as error:
        sys.exit(f"fetch.py: {error.filename or folder}: {error.strerror or error}; repeat the command.")


if __name__ == "__main__":
    main()

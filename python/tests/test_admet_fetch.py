"""jobs/examples/admet/fetch.py: what goes wrong is one sentence, and leaves nothing that looks whole."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FETCH = Path(__file__).resolve().parents[2] / "jobs" / "examples" / "admet" / "fetch.py"
WHEEL = "admet_ai-2.0.1-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: admet-ai\nVersion: 2.0.1\n"


def fetch(*arguments: object, **environment: str) -> str:
    """Run the script, which fails, and return what it says."""
    done = subprocess.run(
        [sys.executable, str(FETCH), *map(str, arguments)],
        env=os.environ | {"PIP_CONFIG_FILE": os.devnull} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not done.stdout
    return done.stderr


def test_without_a_network(tmp_path: Path) -> None:
    said = fetch(tmp_path / "new", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0")
    assert said.startswith(f"fetch.py: {WHEEL} could not be fetched from the Python package index: No matching")
    assert said.endswith(f"Without a network, copy the wheel to {tmp_path / 'new'} and repeat the command.\n")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("size", [None, 100])
def test_an_index_with_another_wheel_or_half_of_one(size: int | None, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / WHEEL, "w") as wheel:
        wheel.writestr("admet_ai-2.0.1.dist-info/METADATA", METADATA)
    (links / WHEEL).write_bytes((links / WHEEL).read_bytes()[:size])
    said = fetch(tmp_path / "new", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(links))
    assert said == (
        f"fetch.py: {WHEEL} of the package index is not the expected one: its SHA-256 is another, so it is damaged"
        " or not the original; repeat the command.\n"
    )
    assert not list((tmp_path / "new").iterdir())


def test_a_wheel_that_was_copied_and_is_truncated(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"PK\x03\x04")
    assert fetch(tmp_path) == (
        f"fetch.py: {tmp_path / WHEEL} is not the wheel of the package index: its SHA-256 is another; remove it and"
        " repeat.\n"
    )
    assert not (tmp_path / "models").exists()


def test_a_folder_that_cannot_be_made_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert fetch(tmp_path / "file") == f"fetch.py: {tmp_path / 'file'}: File exists; repeat the command.\n"
    assert fetch() == "usage: python fetch.py FOLDER\n"

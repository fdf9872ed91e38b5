"""The suite on real collections: TU sets and Cora. `make test-data DATA=...` runs it, `make test` does not."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", type=Path, required=True, help="folder that holds tu/ and planetoid/")


@pytest.fixture(scope="session")
def data(request: pytest.FixtureRequest) -> Path:
    folder = Path(request.config.getoption("--data")).resolve()
    assert (folder / "tu").is_dir(), f"{folder} holds no tu/: name the folder of the collections with --data"
    return folder

"""What the scores depend on: versions and the BLAS kernel."""

from __future__ import annotations

import platform

import grpc
import numpy as np
import scipy
from threadpoolctl import threadpool_info

from graphscore._version import __version__


def versions() -> dict[str, str]:
    """Versions by name, of this package, Python and the libraries that compute or carry scores."""
    return {
        "graphscore": __version__,
        "grpcio": grpc.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "scipy": scipy.__version__,
    }


def blas() -> str:
    """Return the BLAS that numpy uses, its version and its kernel, e.g. 'openblas 0.3.31 Haswell'."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # SciPy may bring a second one, which nothing here calls.
    libraries.sort(key=lambda library: "numpy" not in library["filepath"])
    for library in libraries:
        parts = (library["internal_api"], library["version"], library.get("architecture"))
        return " ".join(str(part) for part in parts if part)
    return "unknown"

"""Versions of what carries scores; those of what computes them are the engine's (`Engine.info`)."""

from __future__ import annotations

import platform

import grpc

from graphscore._version import __version__


def versions() -> dict[str, str]:
    """Return the versions of this package, Python and gRPC, by name."""
    return {"graphscore": __version__, "grpcio": grpc.__version__, "python": platform.python_version()}

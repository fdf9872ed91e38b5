"""One graph a request over one shared connection, the old way: a plain server of gcn.proto, called by graphscore.

Run as a script: ``oldway.py STUBS IN OUT LIMIT`` starts `rivals/naive/naive_server.py` as it was given, lets
`graphscore run --protocol gcn` score so many graphs through it, and prints the run record. STUBS is the folder of
the stubs that grpc_tools makes of gcn.proto.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARY = HERE.parents[1] / "bin" / "graphscore"


def main(stubs: str, source: str, out: str, limit: str) -> int:
    """Start the server, score, stop the server."""
    with socket.socket() as held:  # bound and not listening: the server may listen there, nobody else is assigned it
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        return score(f"127.0.0.1:{held.getsockname()[1]}", stubs, source, out, limit)


def score(address: str, stubs: str, source: str, out: str, limit: str) -> int:
    """Serve at the address and score through it; returns the run's exit code."""
    command = [sys.executable, str(HERE / "rivals" / "naive" / "naive_server.py"), address, "dense"]
    path = os.pathsep.join([stubs, os.environ.get("PYTHONPATH", "")])
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
    try:
        assert server.stdout is not None
        server.stdout.readline()
        run = [str(BINARY), "run", "--input", source, "--server", address, "--protocol", "gcn", "--output", out]
        return subprocess.run(
            [*run, "--limit", limit, "--model-version", "naive", "--json", "--quiet"], check=False
        ).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

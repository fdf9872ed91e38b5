"""Serve a model, again and again, as a supervisor does.

usage: supervise.py MODEL    (prints the address)
"""

import os
import socket
import subprocess
import sys

# Bound for as long as this process lives, and not listening: only the servers started here can listen there.
held = socket.socket()
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
held.bind(("127.0.0.1", 0))
port = held.getsockname()[1]
command = [sys.executable, "-m", "graphscore", "serve", "--model", sys.argv[1], "--listen", f"127.0.0.1:{port}"]
first = True
# The lifeline ends the server with this process.
read, write = os.pipe()
while True:
    server = subprocess.Popen(
        [*command, "--lifeline-fd", str(read)], pass_fds=[read], stderr=subprocess.PIPE, text=True
    )
    for line in server.stderr:
        if first and "serving " in line:
            print(f"serving 127.0.0.1:{port}", flush=True)
            first = False
    server.wait()

"""Serve a model, again and again, as a supervisor does.

usage: supervise.py MODEL    (prints the address)
"""

import os
import socket
import subprocess
import sys

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
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

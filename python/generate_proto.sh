#!/bin/sh
# Makes the message modules of ../proto again: src/graphscore/_proto/*_pb2.py and their stubs.
# Usage: ./generate_proto.sh [PYTHON]   (default .venv/bin/python, with the `proto` extra installed)
# grpcio-tools is pinned in constraints.txt, so the same input makes the same bytes.
set -eu
cd "$(dirname "$0")"
python=${1:-.venv/bin/python}
out=src/graphscore/_proto
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$python" -m grpc_tools.protoc -I ../proto --python_out="$tmp" --pyi_out="$tmp" \
    gcn/gcn.proto graphscore/v1/scoring.proto
rm -f "$out"/*_pb2.py "$out"/*_pb2.pyi
# Flat: the modules do not import each other. The names in the descriptors stay those of ../proto.
cp "$tmp"/gcn/gcn_pb2.py "$tmp"/gcn/gcn_pb2.pyi "$out"/
cp "$tmp"/graphscore/v1/scoring_pb2.py "$tmp"/graphscore/v1/scoring_pb2.pyi "$out"/
chmod 644 "$out"/*_pb2.py "$out"/*_pb2.pyi

"""A server of gcn.proto as its users have one: no graphscore, no health, no thought for speed. GCN in float32.

usage: naive_server.py MODEL_FOLDER [missing|extra]    (with the stubs of grpc_tools on PYTHONPATH)
"""

import json
import sys
from concurrent import futures
from pathlib import Path

import gcn_pb2
import gcn_pb2_grpc
import grpc
import numpy as np
from safetensors.numpy import load_file

folder, fault = Path(sys.argv[1]), (sys.argv[2:] or [""])[0]
config, tensors = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")


def score(x, source, target):
    a = np.eye(len(x), dtype=np.float32)
    np.add.at(a, (target, source), 1)
    scale = 1 / np.sqrt(a.sum(1))
    a *= scale[:, None] * scale
    for layer in config["layers"]:
        x = a @ (x @ tensors[layer["weight"]].T) + tensors[layer["bias"]]
        if layer["activation"] == "relu":
            x = np.maximum(x, 0)
    return x[:, 0]


class GCNServicer(gcn_pb2_grpc.GCNServiceServicer):
    def ProcessGraph(self, request, context):
        place = {node.id: i for i, node in enumerate(request.nodes)}
        x = np.array([node.features for node in request.nodes], np.float32)
        source = np.array([place[edge.source_id] for edge in request.edges], np.int64)
        target = np.array([place[edge.target_id] for edge in request.edges], np.int64)
        scores = {node.id: float(s) for node, s in zip(request.nodes, score(x, source, target))}
        if fault == "missing":
            scores.popitem()
        if fault == "extra":
            scores["ghost"] = 1.0
        return gcn_pb2.GCNResult(node_scores=scores)


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    gcn_pb2_grpc.add_GCNServiceServicer_to_server(GCNServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"started 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()

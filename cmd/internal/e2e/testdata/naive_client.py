"""A client of gcn.proto as its users have one. Prints a line for each graph: its scores by node id, as JSON.

usage: naive_client.py ADDRESS GRAPHS.parquet COUNT    (with the stubs of grpc_tools on PYTHONPATH)
"""

import json
import sys

import gcn_pb2
import gcn_pb2_grpc
import grpc
import pyarrow.parquet as pq

rows = pq.read_table(sys.argv[2], columns=["graph_id", "node_feat", "edge_index"]).slice(0, int(sys.argv[3])).to_pylist()
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = gcn_pb2_grpc.GCNServiceStub(channel)
    for row in rows:
        nodes = [gcn_pb2.Node(id=f"atom {i}", features=f) for i, f in enumerate(row["node_feat"])]
        edges = [gcn_pb2.Edge(source_id=f"atom {s}", target_id=f"atom {t}") for s, t in zip(*row["edge_index"])]
        result = stub.ProcessGraph(gcn_pb2.GraphData(nodes=nodes, edges=edges))
        scores = {name.removeprefix("atom "): score for name, score in result.node_scores.items()}
        print(json.dumps({"graph": row["graph_id"], "scores": scores}))

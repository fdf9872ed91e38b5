"""The gRPC server: a servicer takes bytes, the codec turns them into batches, an engine scores them.

This module imports nothing: `logs` and `lifeline` are used before numpy and grpc are imported.
"""

"""Cases of operation_vectors.json: modules of PyTorch Geometric and the steps that compute them."""

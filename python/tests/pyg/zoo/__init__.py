"""Modules as people write them, to be exported or refused. Nothing here is imported without PyTorch Geometric."""

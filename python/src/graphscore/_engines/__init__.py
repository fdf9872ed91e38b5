"""Engines: what computes a model. Each is a module of its own; servers and callers use them through one protocol."""

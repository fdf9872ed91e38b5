"""Rows of an Arrow table -> batches -> scores as Arrow: the library's side of what readers and writers are in Go.

Context: a library that takes pyarrow tables must reject the graphs that a run rejects, with its codes and messages,
and Go's reader cannot be called from Python. Decision: every check of readers/row.go and pipeline/graph/builder.go
is made here again, over whole columns at once; only rows that are rejected are looked at one by one. Price: two
places to change; TestLibraryOnFaults (cmd/internal/e2e) compares them, fault by fault and form by form. This is the
only part that imports pyarrow.

The way of a block of rows: `binding` (which column is what) -> `column` (lists and values in numpy arrays) ->
`reading`, `further` (sizes, features, edges: a `found.Found`) -> `checking` (graphs side by side, and `faults`) ->
the engine -> `writing`. `scoring` runs it.
"""

"""Rows of an Arrow table -> batches -> scores as Arrow: the library's side of what readers and writers are in Go.

Every check, code and message is that of the Go reader (pipeline/graph/builder.go, readers/row.go), over whole columns
at once; only rows that are rejected are looked at one by one. The only part that imports pyarrow.
"""

// Package graph holds many graphs side by side in columns, and says which of them cannot be scored.
//
// Words:
//
//   - A graph is nodes with float32 features, directed edges source -> target, optional edge weights, an id.
//   - A [Batch] is many graphs in columns. A graph never becomes an object of its own.
//   - [Scores] are the answer to a batch: one row of outputs a node.
//   - A [Rejection] is a graph that cannot be scored, with its place in the input and a stable [Code].
//
// The package imports the standard library only: every other package of the pipeline speaks through it.
package graph

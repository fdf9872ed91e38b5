// Package verify reads an output back and says what is wrong with it.
//
// Words:
//
//   - A [Finding] is one thing that is wrong. A part that has one is not looked at any further: what follows in it
//     would be found wrong as well.
//   - The input of an output, where it is given, is read again graph by graph: every graph must be in its part, or in
//     the quarantine, once and in order.
//   - The sample is a share of the scored graphs, drawn by a hash of their place in the input, so the same each time,
//     that are scored again.
//
// Scores of the sample must have the same bits where what scores now (engine, BLAS kernel, versions) is what the
// newest run record that scored the part names, and else be |a-b| <= 1e-5 max(1,|b|).
//
// Without the input, graphs are counted by their rows: that finds parts with too many graphs, but not those with too
// few, as a graph without nodes has no rows.
//
// It runs in one goroutine, holds one block of one part and one batch of the input, and changes nothing.
package verify

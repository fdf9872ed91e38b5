// Package part is the format of parts and of their quarantine files, written and read.
//
// A part is a Parquet file of flat required columns: the ids of what a row belongs to, which is a node, an edge or a graph
// by the level of the model, and one float32 column per output of the model ([Contents]). A [Spec] says which shard it is
// made from. Its [Footer] says which input, model and [Settings] it comes from and what became of every graph. It has no
// clock, host or run id. An [Encoder] writes parts, a [Reader] reads them back.
//
// # Why pages are made here
//
// Context: the column writers of arrow/go v15 build one zstd encoder per page and core, hash every value of a
// column with a dictionary, repeat a graph's id for each of its nodes, drop errors of dictionary pages, and list
// the encodings of a column whose dictionary was given up in the random order of a Go map, so that equal rows
// make different bytes. Decision: values are laid out as pages here: plain, as runs of dictionary indices (graph
// ids), or as packed indices of the dictionary 0, 1, 2, ... (node ids that are numbers below 65,536). One encoder
// per part compresses them; arrow's page writer and metadata builders write headers and footer. Rows are cut into
// blocks (pages) and row groups by their number and plain size alone. Price: some 400 lines, and the tests that
// compare them with the readers of other makers.
package part

// Package writers turns scores into files, and reads these files back.
//
// Words:
//
//   - The [Output] is the folder of a run, held by one run at a time through its _lock.
//   - A [Part] is the output file of one shard: a Parquet file of flat required columns, graph_id, node_id and
//     one float32 column per output of the model. A [Spec] says what a part must hold.
//   - The [Ledger] is what the footer of a part says of it: which input, model and [Settings] it comes from and
//     what became of every graph. It has no clock, host or run id, so equal work gives equal bytes.
//   - The quarantine file of a part, _quarantine/<part>.jsonl, has one line for every graph that was not scored.
//   - The [RunRecord] of a run, _runs/<id>.json, is the only file that speaks of time and machines.
//
// # What stands is whole
//
// Every file is written beside its place under a name that ends in .tmp, synced, closed and renamed, and then
// its folder is synced. The quarantine file gets its name before its part does, so a part that is there has its
// quarantine file beside it. Where a part is redone and one of the two versions has a quarantine file, the old
// part is removed first: a process that dies in between leaves no part, never an old part beside the quarantine
// of a new one. A quarantine file whose part is not there is left from such a death; the next run that writes
// the part replaces it, and [Output.Finish] removes what then is left.
//
// # Why pages are made here
//
// Context: the column writers of arrow/go v15 build one zstd encoder per page and core, hash every value of a
// column with a dictionary, repeat a graph's id for each of its nodes, drop errors of dictionary pages, and list
// the encodings of a column whose dictionary was given up in the random order of a Go map, so that equal rows
// give different bytes. Decision: values are laid out as pages here: plain, as runs of dictionary indices (graph
// ids), or as packed indices of the dictionary 0, 1, 2, ... (node ids that are numbers below 65,536). One encoder
// per part compresses them; arrow's page writer and metadata builders write headers and footer. Rows are cut into
// blocks (pages) and row groups by their number and plain size alone. Price: some 400 lines, and the tests that
// hold them against readers of other makers.
package writers

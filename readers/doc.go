// Package readers finds input files, plans shards from their footers and reads graphs of the layout `rows`
// (one graph a row) from Parquet and Arrow IPC into [graph.Batch].
//
// Words:
//
//   - An [Input] is what the user names: a file, a folder or a glob. Its root is the folder given, the folder
//     of a file given, or a glob up to its first wildcard.
//   - A [File] is one input file; its Rel is the path under its root. A group is a row group of a Parquet file
//     or a record batch of an Arrow file.
//   - A [Shard] is a run of groups of one file, a part is the name of its output.
//   - A [Plan] is all of them, in order, with the files that cannot be read and why ([FileError]).
//   - A [Source] reads one shard. It holds one block of rows at a time, and fills batches again that come back.
//
// # What is read
//
// The format is found by content: Parquet, Arrow IPC file, Arrow IPC stream. Of a folder every file is taken that
// has the name of such a file (.parquet, .pq, .parq, .arrow, .feather, .ipc, .arrows) or the content of one.
// A folder that a glob matches is taken like one that is named. Files that are named, or matched by a glob, are always
// taken. Nothing is skipped silently: [LeftOut] has what a rule left out. Links are followed inside a root; what
// is named may be any link. Tables with a log are a [PlanError], folders that are not finished an [UnfinishedError].
//
// The columns of an input have one list, in package graph. A [Config] maps them to names of the files.
//
// Ids of bytes that are not UTF-8 come with each bad byte as \xNN.
//
// Features and types of edges and features of graphs are for some models alone: [Wanted] says what is read of a shard,
// and a file that lacks one of them is planned and refused by [Plan.Open], as [Plan.Lacking] says before. The plan does
// not follow the model: a file is cut by the bytes of the columns that were read before there were others.
//
// # Where things are
//
//   - find.go and walk.go find files, with the globs of glob.go, the tables of logs.go and what unfinished.go knows of
//     writers; plan.go and part.go make shards of them.
//   - begun.go is a shard whose first batch was looked at before anybody wants its graphs.
//   - layout.go says what a layout is: how the graphs of an input are stored in its files. rows.go is the one that
//     exists; row.go makes graphs of its rows, further.go with what only some models read, which wanted.go is about.
//   - internal/column has the columns that are read, internal/parquet and internal/arrow decode into them.
//
// # Decisions
//
// Parquet footers are parsed by arrow/go, after a walk over the thrift that compares every length in it with
// the size of the footer. Pages are read in internal/parquet: of thousands of mutated files arrow/go v15 read a third with wrong
// values and no error (cut pages, zeroed pages, encodings that it lacks), ended the process in its own goroutines
// and allocated what forged lengths claim. Here a page's counts must agree with its levels, its values and the
// footer, a checksum is checked where there is one, and it runs in the caller's goroutine. It is also three
// times as fast, as a page of dictionary numbers needs no detour. The price is the code of that package. What arrow/go cannot read is refused all the same, by name, so that a file
// that this program takes is one that others take.
//
// Arrow IPC is read as streams of buffers, a few rows at a time, for the same reasons and because a record
// batch may be as large as the file: memory must not follow it.
package readers

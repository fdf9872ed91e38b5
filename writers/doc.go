// Package writers is the output of a run: one folder of parts, held by one run at a time, or shared by the tasks of an
// array job.
//
// Words:
//
//   - The [Output] is the folder of a run, open for writing and locked through its _lock. A [View] is its read side.
//   - A [Part] is the output file of one shard. Package part has its format: columns, footer, quarantine lines.
//   - A [Plan] says what a run wants its output to hold. [Output.Reconcile] compares it with the parts that exist;
//     [Compare] does the same without a lock.
//   - The quarantine file of a part, _quarantine/<part>.jsonl, has one line for every graph that was not scored.
//   - The record of a run, _runs/<id>.json, is in package record. It and the lock are the only files that speak of time
//     and machines: equal work has equal bytes in all others.
//
// README.md beside this file specifies every file of an output.
//
// # Atomicity
//
// Every file goes through package atomic: written beside its place under a name that ends in .tmp, synced, closed and
// renamed, and then its folder is synced. The quarantine file is renamed before its part, so a part that exists has
// its quarantine file beside it. Where a part is redone and one of the two versions has a quarantine file, the old
// part is removed first: a process that dies in between leaves no part, never an old part beside the quarantine
// of a new one. A quarantine file whose part does not exist is left from such a death; the next run that writes
// the part replaces it, and [Output.Finish] removes what then is left.
//
// # Beside others
//
// [OpenTask] opens an output for one of several processes that fill it at once. Context: engines start a task twice, and file
// systems have locks that do not hold, so no correctness may rest on a lock. Decision: a part is named without replacing
// any; who finds one there compares ledgers, and drops its own where they are the same. Nothing is swept, superseded or
// pruned, and _SUCCESS is not written, until [Open] has the output alone. Price: two tasks that make the same part do its
// work twice; and a part whose quarantine file another process has replaced in the instant between its two names is not
// whole, which whoever compares it next notices.
//
// # Not seen is not absent
//
// What is asked of the disk goes through [atomic.Looks], which tells a name that nothing has from one that could not be
// looked for. The latter ends the run with the path: a part that nobody can see is not taken for missing, its quarantine
// file is not swept, and _SUCCESS is not written. A part is whole only with the quarantine file that it was committed
// with ([part.QuarantineFault]): one that matches and is not whole is made anew.
package writers

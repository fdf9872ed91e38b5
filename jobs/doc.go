// Package jobs reads job files.
//
// A [Job] says what to score: input, output, and the model (scored by workers on this machine) or the servers
// that have it. It is one YAML file; unknown keys and unparsable values are errors with line, column and a
// caret. Relative paths in it count from the folder of the file. A job may also be put together from flags:
// then the same Validate holds, and relative paths count from the working folder.
//
// A job whose input or output path has a {date} is partitioned: each [Date] of its [Calendar] is a run of its own,
// over the job that [Job.On] returns. {date} is 2006-01-02, {date:LAYOUT} any layout of package time. A brace with a
// comma is a glob; any other brace is a mistake there. Dates follow the wall clock of the job's timezone, so that
// no two have the same folder: see [Calendar].
//
// [Gates] say what an output must pass to be given its _SUCCESS. They are no part of what the parts are made from: a
// gate that is loosened costs no rescoring.
package jobs

// Package jobs reads job files.
//
// A [Job] says what to score: input, output, and the model (scored by workers on this machine) or the servers
// that have it. It is one YAML file; unknown keys and unparsable values are errors with line, column and a
// caret. Relative paths in it count from the folder of the file. A job may also be put together from flags:
// then the same Validate holds, and relative paths count from the working folder.
package jobs

// Package docs holds the tests of the Markdown files of the repository: `make docs-check`. They need what `make build`
// leaves, bin/graphscore and python/.venv, with the packages of the extra "test".
//
// In every Markdown file, relative links and anchors must exist, a link named after a test must lead to its file, and
// code blocks are run, those of one file in order and from the top of a copy of the checkout:
//
//   - sh: by bash, until a command fails. `make run` scores the example; of other targets it is checked that they exist.
//   - python: as a program, or as a doctest where it has prompts.
//   - sql: by DuckDB, in the folder of the file.
//
// A comment in the line before a block or a table says more:
//
//	<!-- docs: not run: REASON -->  the block is left out, which is counted and listed
//	<!-- docs: output -->           what the block before printed; times, speeds and sizes are not compared, ... is any lines
//	<!-- docs: job -->              a job file, which must be valid
//	<!-- docs: file NAME -->        likewise, and it is written where the blocks are run
//	<!-- docs: keys NAME -->        a table whose first column has all keys of a JSON object and no others
package docs

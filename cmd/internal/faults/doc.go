// Package faults holds the tests that make every system call of graphscore on its output fail, one after the other, and
// kill it at each, and runs over servers, links and inputs that fail: `make test-faults`. They need bin/graphscore,
// linux/amd64 and the right to use ptrace, and no Python: a server in the test scores.
package faults

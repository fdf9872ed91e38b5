//go:build race

package writers

// stride is how many steps lie between two at which a process dies or a disk fails, and what the number of mutations is
// divided by. The race detector makes a test of all of them take ten times as long, in one goroutine: without it each is
// tried.
const stride = 8

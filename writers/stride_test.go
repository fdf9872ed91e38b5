//go:build !race

package writers

// stride is how many steps lie between two at which a process dies or a disk fails, and what the number of mutations is
// divided by: each is tried.
const stride = 1

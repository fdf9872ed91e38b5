// Package e2e holds the tests of the built binary with real Python workers: `make test-e2e`. They need what
// `make build` leaves, bin/graphscore and python/.venv, with the packages of the extra "test".
package e2e

package submit

import (
	"slices"

	"graphscore/pipeline/exit"
)

// Permanent returns the exit codes that a shard would end with again. Every other one may pass: a scorer that was not
// there, an error of I/O, a lock, a signal, a machine that vanished. jobs/deploy has them for each engine. The caller owns
// the slice.
func Permanent() []int {
	return []int{
		exit.Other, exit.Partly, exit.CheckFailed, exit.Usage, exit.NoInput, exit.NotThere, exit.Bug,
		exit.CannotCreate, exit.Contract, exit.Auth, exit.Config,
	}
}

// MayPass reports whether a shard that ended with the code may be tried again.
func MayPass(code int) bool { return !slices.Contains(Permanent(), code) }

// Package backfill runs a job for many dates over one session.
//
// [New] checks what was asked for and lists the dates; [Backfill.Execute] selects those that are due by what their
// output folders hold, runs each as an execution of its own (package run), and sums them up. All dates share one
// pool of workers and the limits of one run. A date that fails does not keep the others from being run, unless the
// scorer is gone: every other date would fail alike.
package backfill

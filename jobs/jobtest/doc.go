// Package jobtest builds what a job works on, for the tests of those that run jobs: files of graphs, servers that score
// them or break their contract, and a view of the parts that come out. Nothing but tests imports it.
package jobtest

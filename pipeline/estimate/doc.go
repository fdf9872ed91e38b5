// Package estimate says what a run will cost before it begins. It is arithmetic: it opens no file and calls no
// server, and its clock is given to it.
//
// Words:
//
//   - A [Group] is what the footer of an input says of some rows: how many graphs, nodes, edges, and from these
//     how many bytes they take in requests. Sums over groups are therefore counts, not guesses, wherever footers
//     count; sizes of single graphs are not known.
//   - A [Range] is a likely value between two bounds.
//   - A [Piece] is some rows of a group that [Calibrate] has scored for a try; a [Sample] is what came of it.
//   - A [Calibration] knows from samples what a byte costs, and projects it onto all groups.
//
// # Why strata
//
// Context: graphs per second of the first files say nothing where a few giant graphs are among many small ones,
// and bytes per second of giants say little of small ones. Decision: groups are sorted by the mean size of their
// graphs and cut into strata of equal bytes; each stratum is sampled on its own, more than once, and its time is
// projected by bytes within it. Price: some more rounds. The spread of rounds of one stratum, pooled over all, and
// what runs are known to differ from samples, is the range: it holds in nine of ten runs.
//
// All samples together are the input once at most, unless it is small: a calibration takes hardly longer than the run.
// Each fills its stages before it scores, which a run does once, so that short samples would make all look slower:
// that time is in the range once at least, and as often as it was measured at most.
package estimate

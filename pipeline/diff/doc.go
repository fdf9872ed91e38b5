// Package diff says what changed between two outputs.
//
// Words:
//
//   - OLD and NEW are output folders; a side is one of them.
//   - A graph is a run of rows with one graph id. Where scores are those of nodes, the row whose node id is that of the
//     run's first row begins the next graph, as node ids are unique within a graph; where they are those of graphs, every
//     row is one. Graphs without rows are not seen.
//   - A node is known by graph and node id, an edge by graph, source, target and its place among those with the same,
//     as edges may repeat.
//   - A place is an input under its folder: the parts of one input, in the order of its row groups, are one stream
//     of graphs, however it was cut into parts.
//   - A mover is a node, edge or graph whose score changed, by how much it did.
//   - Leftovers are graphs that did not meet their like in the stream of the same place.
//
// # How graphs find each other
//
// The streams of a place are read in lockstep: as long as graph ids agree nothing is looked up or kept. Where they
// do not, both streams are read ahead up to a window until they agree again, and what comes before becomes
// leftovers. Leftovers go to temporary files, cut by a hash of the graph id so that each piece fits in memory, and
// are joined there by graph id: those of the same place first, the others in the order of the outputs. So equal
// plans cost one pass over both sides, and any renaming or order still has the right answer, in memory that does
// not grow with the outputs. It does with the largest graph: all of its ids and scores, on both sides, and an entry of a
// map for each of its rows where these come in another order. One graph is all rows of one id in a row, at level edge
// always, at level node as long as no node id of its first row comes again: so a file whose graphs all have the same id
// is held whole. With `columns: {graph_id: none}` in the job each graph has an id of its own.
//
// # Distributions
//
// Scores of a side are counted in bins that are equally wide in the order of float32 bit patterns between the
// smallest and the largest score of both sides: 2^20 bins for up to four outputs, fewer for more. Scores that share
// a bin differ by less than one part in 2,000 at most, and by nothing where the range of the scores is narrow.
// A bin that holds a limit of PSI and more than one in 10,000 scores of a side is cut until each of its scores has a bin
// of its own, in one or two more readings of the scores: so tied scores are counted exactly.
//
// PSI, the population stability index, is the sum over the ten quantile bins of OLD (equal limits make fewer bins) of
//
//	(new - old) * ln(new / old)
//
// where old and new are the shares of both sides in a bin (N. Siddiqi, Credit Risk Scorecards, 2006). Below 0.1 is
// commonly read as no shift, above 0.25 as a large one. An empty bin counts as a share of 0.0001, whatever the number
// of scores, so that a bin that one side leaves empty adds at most 9.2, and 0.69 where the other has a tenth.
//
// A limit is a score of OLD, and where scores are tied many share it. PSI is the mean over what equals a limit counting
// below it and above it, and over the smallest score at which k tenths of OLD are reached and the smallest at which
// they are exceeded. So a small shift of tied scores upwards has the PSI of one downwards, and so have scores with the
// other sign; a single convention would see but one of the two.
//
// KS is the statistic of the two-sample Kolmogorov-Smirnov test: the largest distance between the empirical
// distribution functions of both sides (Hodges, Arkiv för Matematik 3, 1958), as scipy.stats.ks_2samp returns it.
//
// Both look at all scores of a side, those of new and missing graphs too; mean and maximum change only at nodes,
// edges or graphs that both sides have.
package diff

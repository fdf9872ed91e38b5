// Package report describes what a run did and what came out: one page for a person, or the same content as text or
// JSON for a script.
//
// Words:
//
//   - A [Report] is the content, made by [Build] from the run records and the parts of an output. Nothing in it
//     depends on when or where it is made: the same files make the same report.
//   - The run is what the record says, the newest one unless another is named. The output is what exists now:
//     parts of earlier runs, which later ones skipped, count as well.
//   - [Dates] is the content of a report on a folder of outputs, as those of the dates of a backfill, made by
//     [BuildDates].
//   - [Report.WriteHTML] makes one page without network, scripts or fonts of its own. Plots are SVG within it.
//
// Build reads every part twice, a page at a time: first for ranges and counts by the upper half of each score's
// bits, then for exact quantiles and histograms. Its memory depends on the number of outputs of the model and of
// parts, not on that of graphs.
//
// # Why two passes
//
// Context: quantiles of a stream in bounded memory are an estimate (t-digest, DDSketch), and scores that are close
// together far from zero, or spread over many powers of ten, are where estimates go wrong unseen. Decision: a
// float32 has 32 bits, so two passes of 65,536 counters find every quantile exactly, in any order of parts.
// Price: a second reading, two more for every 16 outputs after the first 16, and one or two of the scores that PSI wants
// exact. At most [ShownOutputs] outputs are shown, the rest is said to be left out.
package report

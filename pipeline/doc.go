// Package pipeline moves graphs from sources through one scorer into sinks, and counts every one of them.
//
// A [Shard] is the unit of reading and of commit. [Run] works on a few shards at once. For each of them one
// goroutine reads batches and cuts them into requests, every request is scored in a goroutine of its own,
// and one goroutine collects the answers in the order of the input and hands them to the sink:
//
//	Source.Next -> cut -> [bytes in flight] -> Scorer.Score x N -> collect, in order -> Sink.Write -> Commit
//
// Two bounds hold memory: the bytes of requests that are read and not yet written, and the number of calls
// under way. A request counts against the bytes until its scores are written, so that a slow head of the
// line stops the reader. Reading acquires in input order: the head of the line always has its bytes, hence
// the bound cannot deadlock.
//
// Three kinds of trouble end in three places. A graph that cannot be scored is a [graph.Rejection] and goes to
// the sink. An error of a source refuses its shard, the others go on. An error of the scorer or of a sink ends
// the run; what is committed stays.
//
// [Patient] is a decorator over a [Scorer]. It repeats calls that may succeed later, and finds the graphs of a batch that
// the scorer refuses or fails on. Its words: a suspect is a batch whose failure may be the fault of a graph in it. An
// examination scores it one call at a time, in halves, until the graphs at fault stand alone. A known good graph shows
// whether the scorer is well, so that none is blamed for what every graph would meet. A [Gate] keeps suspects apart from
// what is scored beside them, and lets as much through as the scorer bears.
package pipeline

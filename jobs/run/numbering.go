package run

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// numbering finds files whose edges seem to count nodes from 1. It is safe for concurrent use.
type numbering struct {
	mu    sync.Mutex
	files map[*readers.File]edgeEnds
}

// edgeEnds is what the edges of a file say of how nodes are counted.
type edgeEnds struct {
	fromOne  int64 // graphs with an edge to or from node n of n nodes, and none from or to 0
	fromZero bool  // an edge to node 0, or far out of range
}

// of passes the graphs of a shard on to its sink, and looks at them.
func (n *numbering) of(file *readers.File, sink pipeline.Sink) pipeline.Sink {
	return &numberedSink{Sink: sink, numbering: n, file: file}
}

// hint says in a sentence of which files the edges seem to count from 1, "" where there are none.
func (n *numbering) hint() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var files []string
	for file, ends := range n.files {
		if ends.fromOne > 0 && !ends.fromZero {
			files = append(files, file.Path)
		}
	}
	if len(files) == 0 {
		return ""
	}
	slices.Sort(files)
	others := ""
	if len(files) > 1 {
		others = fmt.Sprintf(" and %s more", display.Plural(int64(len(files)-1), "file"))
	}
	return fmt.Sprintf("the edges of %s%s seem to count nodes from 1, and are wrong in every graph: nodes count from 0, subtract 1", files[0], others)
}

// numberedSink is the sink of one shard.
type numberedSink struct {
	pipeline.Sink
	numbering *numbering
	file      *readers.File
	ends      edgeEnds
}

func (s *numberedSink) Write(ctx context.Context, b *graph.Batch, scores *graph.Scores) error {
	for g := 0; g < b.Graphs() && !s.ends.fromZero; g++ {
		first, end := b.NodeRange(g)
		s.ends.fromZero = first < end && b.InDegree[first] > 0
	}
	return s.Sink.Write(ctx, b, scores)
}

func (s *numberedSink) Reject(ctx context.Context, r graph.Rejection) error {
	switch {
	case r.FromOne:
		s.ends.fromOne++
	case r.Code == graph.EdgeOutOfRange:
		s.ends.fromZero = true
	}
	return s.Sink.Reject(ctx, r)
}

func (s *numberedSink) Close() error {
	s.numbering.mu.Lock()
	if s.numbering.files == nil {
		s.numbering.files = map[*readers.File]edgeEnds{}
	}
	ends := s.numbering.files[s.file]
	ends.fromOne += s.ends.fromOne
	ends.fromZero = ends.fromZero || s.ends.fromZero
	s.numbering.files[s.file] = ends
	s.numbering.mu.Unlock()
	return s.Sink.Close()
}

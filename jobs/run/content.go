package run

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/readers/extract"
)

// content is what a reader finds in a row: a hash of the graph, or of why it is none.
type content struct {
	row  int64
	hash [sha256.Size]byte
}

// allContents are those of the graphs of all parts.
func (in *OutputInput) allContents(ctx context.Context, held []heldPart) (all []content, err error) {
	for i := range held {
		found, err := in.contents(ctx, &held[i])
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// same compares a copy of graphs with those in the input, as a reader finds both: want are those. The error is an
// *extract.Error where they are not the same.
func (in *OutputInput) same(ctx context.Context, held []heldPart, want []content, file string) error {
	cfg := in.reader
	cfg.Inputs, cfg.Require, cfg.Limit, cfg.Fingerprint = []readers.Input{{Path: file}}, "", 0, readers.FingerprintFast
	plan, err := readers.NewPlan(ctx, cfg)
	if err != nil {
		return err
	}
	if len(plan.Refused) > 0 {
		return differs(plan.Refused[0].Reason)
	}
	at := 0
	for i := range plan.Shards {
		source, err := plan.Open(ctx, &plan.Shards[i], wantedBy(*held[0].footer.Settings))
		if err != nil {
			return err
		}
		err = each(ctx, source, named(plan.Shards[i].File), func(c content) error {
			if at == len(want) || c.hash != want[at].hash {
				return differs(fmt.Sprintf("row %d of the copy is another graph", c.row))
			}
			at++
			return nil
		})
		if err := errors.Join(err, source.Close()); err != nil {
			return err
		}
	}
	if at != len(want) {
		return differs(fmt.Sprintf("it has %d graphs, and %d are in quarantine", at, len(want)))
	}
	return nil
}

func differs(what string) error {
	return &extract.Error{Path: "the input", Reason: "the Arrow library makes something else of them (" + what + "): nothing was written"}
}

// contents are those of the graphs of a part that are exported. Only their row groups are read.
func (in *OutputInput) contents(ctx context.Context, h *heldPart) (found []content, err error) {
	for i := 0; i < len(h.rows); {
		j := i
		for j < len(h.rows) && h.groups[j] == h.groups[i] {
			j++
		}
		wanted := h.rows[i:j]
		group := *h.footer
		group.FirstGroup, group.LastGroup = h.groups[i], h.groups[i]
		source, _, err := in.Open(ctx, &group)
		if err != nil {
			return nil, err
		}
		err = each(ctx, source, named(in.file(h.footer.Input)), func(c content) error {
			if _, is := slices.BinarySearch(wanted, c.row); is {
				found = append(found, c)
			}
			return nil
		})
		if err := errors.Join(err, source.Close()); err != nil {
			return nil, err
		}
		i = j
	}
	if len(found) != len(h.rows) {
		return nil, &ExportError{Reason: fmt.Sprintf("the input %q has only %d of the %d graphs in quarantine", h.footer.Input, len(found), len(h.rows))}
	}
	return found, nil
}

// file is the file of a part, which must be planned.
func (in *OutputInput) file(input string) *readers.File { return in.shards[input][0].File }

// named reports whether graphs have ids of their own; others have one of file and row, which a copy changes.
func named(f *readers.File) bool {
	return slices.ContainsFunc(f.Columns, func(c readers.Column) bool { return c.Role == graph.InputGraphID.String() })
}

// each visits the contents of a source in the order of its rows.
func each(ctx context.Context, source pipeline.Source, named bool, visit func(content) error) error {
	for {
		b, err := source.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var found []content
		for g := range b.Graphs() {
			found = append(found, content{b.Rows[g], hashOf(b, g, named)})
		}
		for i := range b.Rejected {
			found = append(found, content{b.Rejected[i].Row, hashOfRejected(&b.Rejected[i], named)})
		}
		slices.SortFunc(found, func(a, b content) int { return cmp.Compare(a.row, b.row) })
		for _, c := range found {
			if err := visit(c); err != nil {
				return err
			}
		}
	}
}

// hashOf is that of all that a scorer gets of a graph, and of its ids.
func hashOf(b *graph.Batch, g int, named bool) [sha256.Size]byte {
	h := sha256.New()
	nodes, end := b.NodeRange(g)
	edges, last := b.EdgeRange(g)
	words(h, uint32(end-nodes), uint32(last-edges))
	if named {
		text(h, b.IDs.Text(nil, g))
	}
	for _, v := range b.Features[nodes*b.Width : end*b.Width] {
		words(h, math.Float32bits(v))
	}
	words(h, b.InDegree[nodes:end]...)
	for _, s := range b.Sources[edges:last] {
		words(h, s-b.NodeOffsets[g])
	}
	if b.Weights != nil {
		for _, v := range b.Weights[edges:last] {
			words(h, math.Float32bits(v))
		}
	}
	for _, v := range b.EdgeFeatures[edges*b.EdgeWidth : last*b.EdgeWidth] {
		words(h, math.Float32bits(v))
	}
	if b.EdgeTypes != nil {
		words(h, b.EdgeTypes[edges:last]...)
	}
	for _, v := range b.GraphFeatures[g*b.GraphWidth : (g+1)*b.GraphWidth] {
		words(h, math.Float32bits(v))
	}
	if b.NodeIDs != nil {
		for i := nodes; i < end; i++ {
			text(h, b.NodeIDs.Text(nil, i))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// hashOfRejected is that of why a reader makes no graph of a row.
func hashOfRejected(r *graph.Rejection, named bool) [sha256.Size]byte {
	h := sha256.New()
	if named {
		text(h, fmt.Append(nil, r.GraphID))
	}
	text(h, []byte(r.Code))
	text(h, []byte(r.Message))
	words(h, uint32(r.Nodes), uint32(r.Edges))
	return [sha256.Size]byte(h.Sum(nil))
}

// words and text write to a hash, which never fails.
func words(h hash.Hash, values ...uint32) {
	for _, v := range values {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], v)
		h.Write(b[:])
	}
}

func text(h hash.Hash, t []byte) {
	words(h, uint32(len(t)))
	h.Write(t)
}

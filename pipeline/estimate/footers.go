package estimate

import "math"

// Range is a likely value and its likely bounds.
type Range struct {
	Low    float64 `json:"low"`
	Likely float64 `json:"likely"`
	High   float64 `json:"high"`
}

// Plus adds two ranges whose ends may meet.
func (r Range) Plus(s Range) Range { return Range{r.Low + s.Low, r.Likely + s.Likely, r.High + s.High} }

// Times scales a range.
func (r Range) Times(x float64) Range { return Range{r.Low * x, r.Likely * x, r.High * x} }

// exactly is a range without doubt.
func exactly(x float64) Range { return Range{x, x, x} }

// Group is what a footer says of some rows of the input.
type Group struct {
	// Rows is the number of graphs.
	Rows int64
	// Nodes and Edges are those of all its graphs, -1 where the footer does not say.
	Nodes, Edges int64
	// Bytes is what its graphs take in requests.
	Bytes int64
	// Counted: Nodes, Edges and Bytes were counted. Else Bytes is a guess.
	Counted bool
}

// mean is the mean size of a graph, in bytes.
func (g Group) mean() float64 {
	if g.Rows == 0 {
		return 0
	}
	return float64(g.Bytes) / float64(g.Rows)
}

// Total adds groups up. Nodes or Edges are -1 where one group does not say, Counted is true where all are.
func Total(groups []Group) Group {
	t := Group{Counted: true}
	for _, g := range groups {
		t.Rows, t.Bytes, t.Counted = t.Rows+g.Rows, t.Bytes+g.Bytes, t.Counted && g.Counted
		t.Nodes, t.Edges = sumKnown(t.Nodes, g.Nodes), sumKnown(t.Edges, g.Edges)
	}
	return t
}

func sumKnown(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// Limits is how a run cuts what it reads.
type Limits struct {
	// RequestBytes is the size up to which graphs share a request.
	RequestBytes int64
	// BatchBytes is about how much a source yields at once: no request reaches over it.
	BatchBytes int64
	// OneByOne: every graph goes alone.
	OneByOne bool
}

// fill is how full the batches of a source are in the mean: it stops once they are three quarters full.
const fill = 0.875

// Requests is the number of scoring calls for the groups of a shard. Low is what full requests would take; graphs
// of one size, cut where batches of the source end, make the likely number.
func Requests(groups []Group, l Limits) Range {
	var sum Range
	var small Group // what shares batches
	flush := func() {
		if small.Rows > 0 {
			sum = sum.Plus(requests(small, l))
		}
		small = Group{}
	}
	for _, g := range groups {
		small.Rows, small.Bytes = small.Rows+g.Rows, small.Bytes+g.Bytes
		if small.Bytes >= l.BatchBytes {
			flush()
		}
	}
	flush()
	return Range{math.Ceil(sum.Low), math.Ceil(sum.Likely), math.Ceil(sum.High)}
}

func requests(g Group, l Limits) Range {
	rows, mean, limit := float64(g.Rows), max(g.mean(), 1), float64(l.RequestBytes)
	if l.OneByOne || limit <= 1 {
		return exactly(rows)
	}
	low := min(rows, float64(g.Bytes)/limit)
	if mean >= limit { // some of these may be small enough to share one
		return Range{low, rows, rows}
	}
	share := math.Floor(limit / mean)
	batch := max(1, fill*float64(l.BatchBytes)/mean)
	likely := rows / batch * math.Ceil(batch/share)
	return Range{low, min(rows, max(low, likely)), min(rows, likely+rows/batch+1)}
}

// TooLarge bounds the number of graphs that no message can hold. A group that holds more than its rows could at
// the limit has at least one; each of them takes more than the limit out of its group. Where groups are not
// counted the bounds are a guess as well.
func TooLarge(groups []Group, messageBytes int64) (least, most int64) {
	for _, g := range groups {
		if g.Bytes <= messageBytes || messageBytes < 1 {
			continue
		}
		most += min(g.Rows, g.Bytes/messageBytes)
		if g.mean() > float64(messageBytes) {
			least++
		}
	}
	return least, most
}

// Form is what the bytes of a part depend on.
type Form struct {
	// Values is the number of values a row, of scores and of an embedding.
	Values int
	// NodeColumns is the number of columns of node ids: one where a row is a node, two where it is an edge, none where it is
	// a graph.
	NodeColumns int
	// TextGraphIDs and TextNodeIDs: the ids are texts, else integers.
	TextGraphIDs, TextNodeIDs bool
}

// What the columns of a part take, compressed, in bytes: scores hardly shrink, numbers of nodes nearly vanish where they
// ascend. The ends of edges do not.
func (f Form) perRow() Range {
	score, ids := Range{3.0, 3.5, 4.1}, Range{}
	switch {
	case f.NodeColumns == 1 && f.TextNodeIDs:
		ids = Range{0.5, 3, 12}
	case f.NodeColumns == 1:
		ids = Range{0.02, 0.1, 2}
	case f.NodeColumns == 2 && f.TextNodeIDs:
		ids = Range{1, 6, 24}
	case f.NodeColumns == 2:
		ids = Range{0.3, 2, 10}
	}
	return score.Times(float64(f.Values)).Plus(ids)
}

func (f Form) perGraph() Range {
	if f.TextGraphIDs {
		return Range{1, 5, 40}
	}
	return Range{0.1, 1, 8}
}

// perPart is head, footer and ledger of a part.
const perPart = 4 << 10

// Output is the size of the parts, before anything is scored. rows must be known.
func Output(graphs, rows int64, parts int, f Form) Range {
	return f.perRow().Times(float64(rows)).Plus(f.perGraph().Times(float64(graphs))).Plus(exactly(float64(parts * perPart)))
}

// Price is what so many seconds cost at a price per hour.
func Price(seconds Range, perHour float64) Range { return seconds.Times(perHour / 3600) }

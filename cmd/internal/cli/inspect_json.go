package cli

import (
	"graphscore/jobs/run"
	"graphscore/pipeline/graph"
	"graphscore/writers/record"
)

// inspection is what inspect found, as --json prints it. Every key is always there.
type inspection struct {
	ending
	Files      []inspectedFile      `json:"files"`
	Refused    []record.RefusedFile `json:"refused"`
	Ignored    []string             `json:"ignored"`
	Unfinished []string             `json:"unfinished"`
	LeftOut    record.LeftOut       `json:"left_out"`
	Layout     string               `json:"layout"`
	Shards     int                  `json:"shards"`
	// FeatureWidth is the number of features of a node, 0 where it is not known.
	FeatureWidth int `json:"feature_width"`
	// EdgeFeatureWidth and GraphFeatureWidth are those of edge_attr and graph_attr, 0 where there are none or they are bytes.
	EdgeFeatureWidth  int    `json:"edge_feature_width"`
	GraphFeatureWidth int    `json:"graph_feature_width"`
	GraphID           string `json:"graph_id"`
	NodeID            string `json:"node_id"`
	// Graphs can be scored, and Nodes and Edges are theirs; QuarantinedByCode counts the others.
	Graphs            int64                `json:"graphs"`
	Nodes             int64                `json:"nodes"`
	Edges             int64                `json:"edges"`
	QuarantinedByCode map[graph.Code]int64 `json:"quarantined_by_code"`
	NodesOfAGraph     inspectedSizes       `json:"nodes_of_a_graph"`
	EdgesOfAGraph     inspectedSizes       `json:"edges_of_a_graph"`
}

// inspectedFile is one file that can be read.
type inspectedFile struct {
	File      string            `json:"file"`
	Format    string            `json:"format"`
	Bytes     int64             `json:"bytes"`
	Rows      int64             `json:"rows"`
	RowGroups int               `json:"row_groups"`
	Columns   []inspectedColumn `json:"columns"`
}

// inspectedColumn is one column of a file. ReadAs is "" for one that is ignored.
type inspectedColumn struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	ReadAs string `json:"read_as"`
}

// inspectedSizes are the sizes of graphs. A share of all is not larger than its bound.
type inspectedSizes struct {
	Mean float64 `json:"mean"`
	Half int     `json:"half_at_most"`
	Most int     `json:"most"`
	P90  int     `json:"p90_at_most"`
	P99  int     `json:"p99_at_most"`
}

func newInspection(in *run.Input, found *run.Scanned, width inputWidths, refused []record.RefusedFile, nodes, edges *histogram) *inspection {
	p, c := in.Plan, &found.Result.Counts
	o := &inspection{
		Files: []inspectedFile{}, Refused: append([]record.RefusedFile{}, refused...), Ignored: append([]string{}, p.LeftOut.Other...),
		Unfinished: append([]string{}, p.LeftOut.Unfinished...), LeftOut: in.LeftOut(), Layout: p.Layout, Shards: len(p.Shards),
		FeatureWidth: width.node, EdgeFeatureWidth: width.edge, GraphFeatureWidth: width.graph, GraphID: p.GraphIDs.String(), NodeID: p.NodeIDs.String(), Graphs: c.Scored, Nodes: c.Nodes, Edges: c.Edges,
		QuarantinedByCode: map[graph.Code]int64{}, NodesOfAGraph: nodes.sizes(), EdgesOfAGraph: edges.sizes(),
	}
	for code, n := range c.Codes {
		o.QuarantinedByCode[code] = n
	}
	for _, f := range p.Files {
		file := inspectedFile{File: f.Path, Format: f.Format.String(), Bytes: f.Size, Rows: f.Rows, RowGroups: f.Groups, Columns: []inspectedColumn{}}
		for _, col := range f.Columns {
			file.Columns = append(file.Columns, inspectedColumn{col.Name, col.Type, col.Role})
		}
		o.Files = append(o.Files, file)
	}
	return o
}

func (h *histogram) sizes() inspectedSizes {
	if h.count == 0 {
		return inspectedSizes{}
	}
	return inspectedSizes{
		Mean: float64(h.sum) / float64(h.count), Half: h.quantile(0.5), P90: h.quantile(0.9), P99: h.quantile(0.99), Most: h.most,
	}
}

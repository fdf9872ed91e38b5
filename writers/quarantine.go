package writers

import (
	"graphscore/pipeline/graph"
)

const (
	partSuffix       = ".parquet"
	quarantineSuffix = ".jsonl"
)

// quarantineName is the quarantine file of a part.
func quarantineName(part string) string { return quarantineDir + "/" + part + quarantineSuffix }

// quarantined is a line of a quarantine file. Nothing in it depends on the moment.
type quarantined struct {
	GraphID  any        `json:"graph_id"` // int64, string or null
	File     string     `json:"file"`
	RowGroup int        `json:"row_group"`
	Row      int64      `json:"row"`
	Code     graph.Code `json:"code"`
	Message  string     `json:"message"`
	Nodes    int64      `json:"nodes"`
	Edges    int64      `json:"edges"`
}

func quarantineLine(input string, r graph.Rejection) []byte {
	return append(plainJSON(quarantined{
		GraphID: r.GraphID, File: input, RowGroup: r.RowGroup, Row: r.Row,
		Code: r.Code, Message: r.Message, Nodes: r.Nodes, Edges: r.Edges,
	}), '\n')
}

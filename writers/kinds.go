package writers

import "graphscore/pipeline/graph"

// StandingKinds gives the kinds of ids of the first of the parts that stands, Int64 for both where none does.
func (o *Output) StandingKinds(parts []string) (graphIDs, nodeIDs graph.IDKind) {
	for _, part := range parts {
		l, err := o.ledger(part)
		if err != nil {
			continue // Reconcile says what is wrong with it
		}
		if l.Settings.GraphID == graph.String.String() {
			graphIDs = graph.String
		}
		if l.Settings.NodeID == graph.String.String() {
			nodeIDs = graph.String
		}
		return graphIDs, nodeIDs
	}
	return graph.Int64, graph.Int64
}

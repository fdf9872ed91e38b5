package writers

import "graphscore/pipeline/graph"

// StandingKinds gives the kinds of ids of the first of the parts that stands, Int64 for both where none does.
func (o *Output) StandingKinds(parts []string) (graphIDs, nodeIDs graph.IDKind) {
	return o.standingKinds(parts)
}

// StandingKinds is [Output.StandingKinds] of a folder that is not locked: Int64 for both where it does not exist.
func StandingKinds(dir string, parts []string) (graphIDs, nodeIDs graph.IDKind, err error) {
	root, err := openThere(dir)
	if err != nil || root == nil {
		return graph.Int64, graph.Int64, err
	}
	defer func() { _ = root.Close() }() // it was only read
	graphIDs, nodeIDs = (&Output{root: root}).standingKinds(parts)
	return graphIDs, nodeIDs, nil
}

func (o *Output) standingKinds(parts []string) (graphIDs, nodeIDs graph.IDKind) {
	for _, part := range parts {
		l, err := o.ledger(part)
		if err != nil {
			continue // Reconcile says what is wrong with it
		}
		return l.Settings.Kinds()
	}
	return graph.Int64, graph.Int64
}

// Kinds are the types of graph and node ids that the settings name.
func (s *Settings) Kinds() (graphIDs, nodeIDs graph.IDKind) {
	if s.GraphID == graph.String.String() {
		graphIDs = graph.String
	}
	if s.NodeID == graph.String.String() {
		nodeIDs = graph.String
	}
	return graphIDs, nodeIDs
}

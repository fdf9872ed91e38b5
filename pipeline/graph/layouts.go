package graph

// The layouts of an input: how files hold graphs. Package readers reads them.
const (
	// LayoutAuto is the layout that the files have.
	LayoutAuto = "auto"
	// LayoutRows has one graph a row.
	LayoutRows = "rows"
)

// Layouts returns the names that a job may have.
func Layouts() []string { return []string{LayoutAuto, LayoutRows} }

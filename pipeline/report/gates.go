package report

// gates lists how the gates of the job ended.
func (b *builder) gates() {
	if b.record == nil {
		return
	}
	for _, g := range b.record.Gates {
		b.report.Gates = append(b.report.Gates, Gate{g.Name, g.Output, g.Limit, g.Value, g.Passed, g.Message})
	}
}

// failedGates are the names of those that failed.
func (b *builder) failedGates() (names []string) {
	for _, g := range b.report.Gates {
		if !g.Passed {
			names = append(names, g.Name)
		}
	}
	return names
}

// Result is how the gate ended, in a word.
func (g Gate) Result() string {
	if g.Passed {
		return "passed"
	}
	return "failed"
}

// Found writes the value, a dash where nothing was measured.
func (g Gate) Found() string {
	if g.Passed && g.Value == 0 && g.Output == "" && g.Message != "" {
		return "–"
	}
	return g.amount(g.Value)
}

// Bound writes the limit.
func (g Gate) Bound() string { return g.amount(g.Limit) }

func (g Gate) amount(v float64) string {
	switch g.Name {
	case "quarantine_rate":
		return amount(v, "share")
	case "max_input_age":
		return amount(v, "seconds")
	case "min_graphs":
		return amount(v, "graphs")
	}
	return short4(v)
}

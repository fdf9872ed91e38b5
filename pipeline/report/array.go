package report

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// shardsListed is how many shards of an array have a line of their own; all are in the run record.
const shardsListed = 50

// arrayFacts say of each shard of an array what it did, where and on which BLAS kernel; none for a run of one process.
func arrayFacts(members []record.Member) []Fact {
	var facts []Fact
	for i := range members {
		m := &members[i]
		if i == shardsListed {
			return append(facts, Fact{"more shards", fmt.Sprintf("%s: see array in the run record", display.Plural(int64(len(members)-i), "shard"))})
		}
		value := fmt.Sprintf("%s scored, %s quarantined in %.1f s on %s, exit code %d", humanize.Comma(m.Counts.Scored),
			humanize.Comma(m.Counts.Quarantined), m.Seconds, m.Host, m.ExitCode)
		if m.BLAS != "" {
			value += ", " + m.BLAS
		}
		facts = append(facts, Fact{fmt.Sprintf("shard %d/%d", m.Index, m.Count), value})
	}
	return facts
}

package backfill

import (
	"sync"
	"time"

	"graphscore/pipeline"
)

// meter adds up the progress of dates. Its methods are safe for concurrent use.
type meter struct {
	mu    sync.Mutex
	under map[*pipeline.Progress]bool // dates under way
	ended Tally                       // the sum of those that have ended
}

// Tally is how far a backfill is.
type Tally struct {
	// Dates have ended, of which so many Failed.
	Dates, Failed int
	// First is when the first scoring request of any date began, zero before it.
	First time.Time
	pipeline.Reading
}

// Rows is the number of graphs that were scored or quarantined.
func (t *Tally) Rows() int64 { return t.Scored + t.Quarantined }

func (m *meter) begin(p *pipeline.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.under == nil {
		m.under = map[*pipeline.Progress]bool{}
	}
	m.under[p] = true
}

func (m *meter) end(p *pipeline.Progress, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.under, p)
	m.ended.Dates++
	if failed {
		m.ended.Failed++
	}
	m.ended.count(p)
}

// read is the sum over all dates.
func (m *meter) read() Tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.ended
	for p := range m.under {
		t.count(p)
	}
	return t
}

func (t *Tally) count(p *pipeline.Progress) {
	t.Add(p.Read())
	if first := p.FirstRequest(); t.First.IsZero() || !first.IsZero() && first.Before(t.First) {
		t.First = first
	}
}

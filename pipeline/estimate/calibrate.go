package estimate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Piece is the first rows of a group.
type Piece struct {
	// Group is its place in the list given to Calibrate.
	Group int
	Rows  int64
}

// Sample is what came of scoring some pieces.
type Sample struct {
	// Rows = those scored and Quarantined.
	Rows, Quarantined int64
	// Bytes is what the scored graphs took in requests, 0 where nothing was scored.
	Bytes int64
	// Output is the size that the scores would have in parts, without what a part takes that has none.
	Output int64
	// Filling is the time before the first request: a run has it once, or not beside its start-up.
	Filling time.Duration
	// Peak is the largest memory that the work has taken so far, in bytes; 0 where it is not known.
	Peak int64
	// Unread lists the pieces, by place, that could not be read: nothing is known of them.
	Unread []int
}

// Config says how much Calibrate may do. The zero value of a field means its default.
type Config struct {
	// Budget is about how long samples are scored. Default 5 s.
	Budget time.Duration
	// Strata is the number of classes by size of graphs, Rounds the number of samples of each. Defaults 3 and 2.
	Strata, Rounds int
	// Pieces is the largest number of pieces of a sample. Default 64.
	Pieces int
	// Now is the clock. Required.
	Now func() time.Time
}

// WithDefaults returns a copy with every unset field at its default.
func (c Config) WithDefaults() Config {
	c.Budget = cmp.Or(c.Budget, 5*time.Second)
	c.Strata, c.Rounds, c.Pieces = cmp.Or(c.Strata, 3), cmp.Or(c.Rounds, 2), cmp.Or(c.Pieces, 64)
	return c
}

// Validate names the first field that is out of range. It is for a Config with defaults.
func (c Config) Validate() error {
	if c.Now == nil {
		return fmt.Errorf("estimate: the clock (Now) is missing")
	}
	if c.Budget < 0 || c.Strata < 1 || c.Rounds < 1 || c.Pieces < 1 {
		return fmt.Errorf("estimate: budget %v, strata %d, rounds %d and pieces %d must be positive",
			c.Budget, c.Strata, c.Rounds, c.Pieces)
	}
	return nil
}

// round is one sample and what it took.
type round struct {
	stratum int
	bytes   float64 // of its graphs in requests, as far as is known
	seconds float64
	filling float64 // of these, before the first request
	sample  Sample
}

// stratum is a class of groups by the mean size of their graphs.
type stratum struct {
	groups []int // places in the list
	total  Group
}

// Calibration knows what groups cost. It does not change.
type Calibration struct {
	strata []stratum
	rounds []round
	total  Group
}

// firstBytes is what the first try scores: little, as nothing is known yet.
const firstBytes = 64 << 10

// leastSample is what a sample may be even where all samples are then more than the input, in bytes: else they score it
// once at most, so that a calibration takes hardly longer than the run.
const leastSample = 4 << 20

// Calibrate scores samples of the groups, spread over all of them, and measures what they take. score blocks until
// its pieces are scored; it is called by one goroutine, and its error ends the calibration. The first tries, which
// grow until they take a twentieth of the budget, only warm up. Without rows, or where no sample could be read,
// nothing can be measured: the calibration is nil.
func Calibrate(ctx context.Context, cfg Config, groups []Group, score func(context.Context, []Piece) (Sample, error)) (*Calibration, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Calibration{strata: stratify(groups, cfg.Strata), total: Total(groups)}
	if c.total.Rows == 0 {
		return nil, ctx.Err()
	}
	try := func(pieces []Piece) (round, error) {
		begun := cfg.Now()
		s, err := score(ctx, pieces)
		if err != nil {
			return round{}, fmt.Errorf("scoring a sample: %w", err)
		}
		seconds := max(cfg.Now().Sub(begun).Seconds(), 1e-9)
		filling := min(max(s.Filling.Seconds(), 0), seconds)
		return round{bytes: weigh(groups, pieces, s), seconds: seconds, filling: filling, sample: s}, nil
	}
	speed, err := warmUp(cfg, groups, c, try)
	if err != nil {
		return nil, err
	}
	each := cfg.Budget.Seconds() / float64(len(c.strata)*cfg.Rounds)
	for k := range cfg.Rounds {
		for i := range c.strata {
			s := &c.strata[i]
			want := min(speed*each, s.most(cfg))
			r, err := try(s.pieces(groups, want, k, cfg))
			if err != nil {
				return nil, err
			}
			if r.stratum = i; r.bytes == 0 {
				continue
			}
			c.rounds = append(c.rounds, r)
			speed = r.bytes / r.seconds
		}
	}
	if len(c.rounds) == 0 {
		return nil, nil
	}
	return c, nil
}

// warmUp tries larger and larger samples until they take long enough to measure a speed, in bytes a second.
func warmUp(cfg Config, groups []Group, c *Calibration, try func([]Piece) (round, error)) (float64, error) {
	s := &c.strata[len(c.strata)/2]
	for want := float64(firstBytes); ; want *= 4 {
		r, err := try(s.pieces(groups, want, 0, cfg))
		if err != nil {
			return 0, err
		}
		if r.seconds >= cfg.Budget.Seconds()/20 || want >= float64(s.total.Bytes) {
			return r.bytes / r.seconds, nil
		}
	}
}

// weigh is the size of a sample in the unit in which groups are weighed: what was scored, and as much for each
// graph that was not. Where groups are only guessed it is their share. It is 0 where nothing could be read.
func weigh(groups []Group, pieces []Piece, s Sample) float64 {
	var planned float64
	counted := true
	for i, p := range pieces {
		if slices.Contains(s.Unread, i) {
			continue
		}
		planned += groups[p.Group].mean() * float64(p.Rows)
		counted = counted && groups[p.Group].Counted
	}
	if len(s.Unread) == len(pieces) {
		return 0
	}
	if !counted || s.Bytes == 0 {
		return max(planned, 1)
	}
	return float64(s.Bytes) * float64(s.Rows) / float64(max(s.Rows-s.Quarantined, 1))
}

// stratify sorts groups by the mean size of their graphs and cuts them into classes of about equal bytes.
func stratify(groups []Group, n int) []stratum {
	var order []int
	var all float64
	for i, g := range groups {
		if g.Rows > 0 {
			order = append(order, i)
			all += float64(max(g.Bytes, 1))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(groups[a].mean(), groups[b].mean()) })
	var strata []stratum
	var before float64
	class := -1
	for _, i := range order {
		g := groups[i]
		g.Bytes = max(g.Bytes, 1)
		if at := int((before + float64(g.Bytes)/2) / all * float64(n)); at > class { // by the middle of the group
			class = at
			strata = append(strata, stratum{})
		}
		s := &strata[len(strata)-1]
		s.groups = append(s.groups, i)
		s.total.Rows, s.total.Bytes = s.total.Rows+g.Rows, s.total.Bytes+g.Bytes
		before += float64(g.Bytes)
	}
	return strata
}

// most is how much of the stratum a sample may be: its share of a round, or all where that is little.
func (s *stratum) most(cfg Config) float64 {
	all := float64(s.total.Bytes)
	return min(all, max(all/float64(cfg.Rounds), leastSample))
}

// pieces takes rows of about so many bytes, from groups that are evenly spread over the stratum; k shifts where.
func (s *stratum) pieces(groups []Group, want float64, k int, cfg Config) []Piece {
	n := min(len(s.groups), cfg.Pieces)
	chosen := make([]int, n)
	for j := range chosen {
		at := (float64(j) + (float64(k)+0.5)/float64(cfg.Rounds)) / float64(n)
		chosen[j] = s.groups[min(int(at*float64(len(s.groups))), len(s.groups)-1)]
	}
	// As few pieces as will do, each as much of its group as is wanted, from the spread order below.
	share := want / 4 // four pieces or more, so that one odd group does not speak for all
	var out []Piece
	for _, j := range spread(n) {
		g := groups[chosen[j]]
		rows := min(g.Rows, int64(max(1, min(share, want)/max(g.mean(), 1))))
		out = append(out, Piece{Group: chosen[j], Rows: rows})
		if want -= float64(rows) * max(g.mean(), 1); want <= 0 {
			break
		}
	}
	return out
}

// spread returns 0..n-1 so that any beginning of it is spread over the whole: 0, n/2, n/4, 3n/4, ...
func spread(n int) []int {
	out := make([]int, 0, n)
	seen := make([]bool, n)
	for parts := 1; len(out) < n; parts *= 2 {
		for i := range parts {
			if at := i * n / parts; !seen[at] {
				seen[at] = true
				out = append(out, at)
			}
		}
	}
	return out
}

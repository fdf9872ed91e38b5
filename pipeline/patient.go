package pipeline

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"graphscore/pipeline/graph"
)

// Patience says how a Patient goes on where a call fails. The zero value of a field means its default.
type Patience struct {
	// Budget is the time from the first failure of a batch after which no further attempt is made, if no graph of the run
	// was scored meanwhile. Default 60 s.
	Budget time.Duration
	// Pause is the first pause, MaxPause the longest that we choose. Defaults 100 ms and 5 s.
	Pause, MaxPause time.Duration
	// Deadline is that of a call. A suspect's has at most that; a call with one graph has up to ten times that, where one
	// of its size, and of more than 16 KiB, takes longer. Default 60 s.
	Deadline time.Duration
	// OneGraph says that a call carries one graph: what is known good is then one as well.
	OneGraph bool
	// Within returns a context whose calls by the next scorer have that deadline. Default: the context as it is.
	Within func(ctx context.Context, d time.Duration) context.Context
	// Gate is that of all that score over the same connection. Default: one of its own, for one worker.
	Gate *Gate
	// Workers are the processes that score, nil where they are not ours.
	Workers Workers
	// Progress counts retries and suspects. Default: not counted.
	Progress *Progress
	// Log gets a line for every retry and every graph at fault. Default: nothing is logged.
	Log *slog.Logger
}

// WithDefaults returns a copy with every unset field at its default.
func (c Patience) WithDefaults() Patience {
	setDefault((*int64)(&c.Budget), int64(time.Minute))
	setDefault((*int64)(&c.Pause), int64(100*time.Millisecond))
	setDefault((*int64)(&c.MaxPause), int64(5*time.Second))
	setDefault((*int64)(&c.Deadline), int64(time.Minute))
	if c.Within == nil {
		c.Within = func(ctx context.Context, _ time.Duration) context.Context { return ctx }
	}
	if c.Gate == nil {
		c.Gate = NewGate(1)
	}
	if c.Workers == nil {
		c.Workers = elsewhere{}
	}
	if c.Progress == nil {
		c.Progress = &Progress{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// elsewhere is workers that are not ours.
type elsewhere struct{}

func (elsewhere) Ended(context.Context, string) (string, graph.Fault) {
	return "", graph.NoFault
}
func (elsewhere) Hung(context.Context, string, time.Time) {}
func (elsewhere) Excuse(bool)                             {}

// Patient scores with next and goes on where a call fails, as its error says.
//
//   - [Retryable]: it is made again after a pause that grows and is drawn at random, or as long as the error's
//     [Pushback] says. At least one more attempt is made, however short the budget.
//   - [Refusing]: the halves of the batch are scored instead, and so on, until the graphs that cause it are alone.
//   - [Suspicious]: the batch is a suspect, and is examined. Its calls are made one at a time, see [Gate]. Where it
//     fails again, its halves are scored, and so on, until the graphs at fault are alone. One that fails twice in a row
//     alone, with no other call under way unless it raises, is at fault if a known good graph is scored after it.
//
// A batch that is larger than what the gate lets through at present is scored in halves, and so on. A scorer that is full
// is sent less and less, down to one graph: only then may that be a suspect.
//
// The graphs that cause a failure are in Scores.Failed. A scorer that does not score the known good graph either is not
// well, whatever it is sent: a failure then means nothing, and attempts go on until the budget is over and no graph of
// the run was scored in all that time. Only then does Patient return the error.
func Patient(next Scorer, cfg Patience) Scorer { return &patient{next: next, cfg: cfg.WithDefaults()} }

type patient struct {
	next Scorer
	cfg  Patience
}

func (p *patient) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	return (&trial{patient: p}).score(ctx, b)
}

// verdict is what a failed call means for its batch.
type verdict uint8

const (
	final   verdict = iota // it ends the run
	again                  // another attempt may succeed
	refused                // a graph in it is refused
	struck                 // a graph in it may be at fault
)

// failure is a failed call.
type failure struct {
	verdict
	err   error
	began time.Time
	after time.Duration // no attempt before that
	had   time.Duration // until it failed, for a suspect

	suspicion graph.Suspicion // empty where it is refused
	code      graph.Code      // of the graph, should it be alone
	message   string

	asked bool     // a known good graph was sent after it ...
	by    string   // ... was scored by that process ...
	good  *failure // ... or failed so
}

// judge says what the error of a call means.
func judge(err error, began time.Time) *failure {
	f := &failure{err: err, began: began}
	var refusing Refusing
	if errors.As(err, &refusing) {
		if code, message, is := refusing.Refused(); is {
			f.verdict, f.code, f.message = refused, code, message
			return f
		}
	}
	var pushback Pushback
	if errors.As(err, &pushback) {
		f.after = pushback.RetryAfter()
	}
	var suspicious Suspicious
	if errors.As(err, &suspicious) {
		f.suspicion = suspicious.Suspicion()
		f.message = f.suspicion.Message
	}
	f.code = f.suspicion.Fault.Code()
	var retryable Retryable
	switch {
	case f.suspicion.Fault != graph.NoFault && f.suspicion.Fault != graph.FaultPressure:
		f.verdict = struck
	case errors.As(err, &retryable) && retryable.Retryable():
		f.verdict = again
	}
	return f
}

// strain is why less should be sent after a failure.
func (f *failure) strain() strain {
	switch {
	case f.verdict == refused:
		return noStrain
	case f.suspicion.Fault == graph.FaultHung:
		return strainLate
	case f.suspicion.Fault == graph.FaultMemory:
		return strainMemory
	case f.suspicion.Fault == graph.FaultPressure:
		return strainFull
	case f.after > 0:
		return strainBusy
	}
	return noStrain
}

// trial is the attempts at one batch and its parts. One goroutine uses it.
type trial struct {
	*patient
	attempts int
	pauses   *backoff.ExponentialBackOff // nil before the first pause
	waited   time.Duration               // how long it has waited at the gate
	first    time.Time                   // of the failures that the budget counts, as of now; zero where there is none
	unwell   time.Time                   // when a known good graph failed first, zero where it was scored since
	alone    bool                        // nothing else may be under way
	fault    graph.Fault                 // what the suspect failed with last
	moves    int                         // times that another server was well, and not the one that failed
	hurries  int                         // times that a graph had less time than it takes
	busy     int                         // times that a scorer was not well for a while after a call that hung
}

// maxExcused is how many failures beside suspects say nothing against a batch: one that would fail for ever is at fault.
const maxExcused = 5

// score makes ordinary calls until the batch is scored, is found to be a suspect, or ends the run.
func (t *trial) score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	var pressed, excused int
	for {
		if b.Graphs() > 1 && !t.cfg.Gate.fits(b.Bytes()) {
			return t.halves(ctx, b, t.Score)
		}
		s, overlapped, f := t.call(ctx, b)
		switch {
		case f == nil:
			return s, nil
		case ctx.Err() != nil, f.verdict == final:
			return nil, cmp.Or(ctx.Err(), f.err)
		case f.verdict == refused:
			return t.divide(ctx, b, f, t.Score)
		case overlapped && beside(f) && excused < maxExcused:
			excused++
			if err := t.again(ctx, b, f); err != nil {
				return nil, err
			}
			continue
		case f.verdict == struck:
			return t.suspected(ctx, b, f)
		}
		full := f.suspicion.Fault == graph.FaultPressure
		if full && b.Graphs() == 1 {
			if pressed++; pressed == 2 {
				t.alone = true
				return t.suspected(ctx, b, f)
			}
		}
		switch {
		case full && t.over():
			return nil, t.givingUp(f)
		case full: // it is sent less and less
		case t.spent():
			if _, err := t.well(ctx, b, f); err != nil {
				return nil, err
			}
			return t.suspected(ctx, b, f)
		}
		if err := t.again(ctx, b, f); err != nil {
			return nil, err
		}
	}
}

// again waits before the next attempt, and counts it.
func (t *trial) again(ctx context.Context, b *graph.Batch, f *failure) error {
	if err := t.pause(ctx, b, f); err != nil {
		return err
	}
	t.cfg.Progress.Retries.Add(1)
	return nil
}

// beside reports whether a suspect that is scored at the same time may have caused a failure: it cost the worker.
func beside(f *failure) bool {
	return f.suspicion.Fault == graph.FaultCrashed || f.suspicion.Fault == graph.NoFault
}

// call makes an ordinary call. overlapped reports whether a suspect's was under way at the same time.
func (t *trial) call(ctx context.Context, b *graph.Batch) (s *graph.Scores, overlapped bool, f *failure) {
	gate := t.cfg.Gate
	arrived := time.Now()
	mark, err := gate.enter(ctx)
	t.waited += time.Since(arrived)
	if err != nil {
		return nil, false, &failure{err: err}
	}
	defer func() { overlapped = gate.leave(mark) }()
	t.attempts++
	o := outcome{bytes: b.Bytes(), graphs: b.Graphs(), began: time.Now(), deadline: t.cfg.Deadline}
	callCtx := t.numbered(ctx)
	if d := gate.allowed(b, o.deadline); d > o.deadline {
		callCtx = t.cfg.Within(callCtx, d)
	}
	s, err = t.next.Score(callCtx, b)
	o.took = time.Since(o.began)
	if err == nil {
		t.cfg.Progress.allow(gate.scored(o, true))
		return s, false, nil
	}
	f = judge(err, o.began)
	if ctx.Err() != nil {
		return nil, false, f
	}
	t.noted(ctx, o, f)
	if f.suspicion.Fault == graph.FaultHung {
		t.cfg.Workers.Hung(ctx, f.suspicion.Address, o.began)
	}
	return nil, false, f
}

// noted takes note of a failed call, and of what may be sent from now on.
func (t *trial) noted(ctx context.Context, o outcome, f *failure) {
	now, less := t.cfg.Gate.failed(o, f)
	t.cfg.Progress.allow(now)
	if less {
		t.cfg.Log.InfoContext(ctx, "the scorer is sent less at once", "calls", now.calls, "request_bytes", now.bytes, "error", f.err)
	}
}

// attemptKey is that of the number of the call in the contexts of calls.
type attemptKey struct{}

// Attempt is the number of the call in ctx among those that a [Patient] makes for a batch, its parts and the known good
// graphs between them: 1 for the first, and for one that no Patient makes.
func Attempt(ctx context.Context) int {
	if n, again := ctx.Value(attemptKey{}).(int); again {
		return n
	}
	return 1
}

// numbered returns the context of the next call, which is ctx itself for the first.
func (t *trial) numbered(ctx context.Context) context.Context {
	if t.attempts <= 1 {
		return ctx
	}
	return context.WithValue(ctx, attemptKey{}, t.attempts)
}

// now is the time that the budget counts: it does not go on while others have their turn at the gate.
func (t *trial) now() time.Time { return time.Now().Add(-t.waited) }

// spent reports whether the budget is over. It begins with the first failure that is asked about.
func (t *trial) spent() bool {
	if t.first.IsZero() {
		t.first = t.now()
		return false
	}
	return t.now().Sub(t.first) >= t.cfg.Budget
}

// pause waits before the next attempt.
func (t *trial) pause(ctx context.Context, b *graph.Batch, f *failure) error {
	if t.pauses == nil {
		t.pauses = backoff.NewExponentialBackOff()
		t.pauses.InitialInterval, t.pauses.MaxInterval = t.cfg.Pause, t.cfg.MaxPause
	}
	pause := max(t.pauses.NextBackOff(), f.after)
	t.cfg.Log.WarnContext(ctx, "scoring again", "shard", shardName(ctx), "attempt", t.attempts, "pause", pause, "graphs", b.Graphs(), "error", f.err)
	return sleep(ctx, pause)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// divide scores the halves of a batch of which a graph is at fault. A graph alone has failed.
func (t *trial) divide(ctx context.Context, b *graph.Batch, f *failure, score func(context.Context, *graph.Batch) (*graph.Scores, error)) (*graph.Scores, error) {
	if b.Graphs() == 1 {
		return &graph.Scores{Failed: []graph.Failure{{Code: f.code, Message: f.message}}}, nil
	}
	return t.halves(ctx, b, score)
}

// halves scores the halves of a batch of several graphs.
func (t *trial) halves(ctx context.Context, b *graph.Batch, score func(context.Context, *graph.Batch) (*graph.Scores, error)) (*graph.Scores, error) {
	middle := b.Graphs() / 2
	left, err := score(ctx, b.Slice(0, middle))
	if err != nil {
		return nil, err
	}
	right, err := score(ctx, b.Slice(middle, b.Graphs()))
	if err != nil {
		return nil, err
	}
	return join(left, right, b, middle)
}

// join puts the scores of b's first graphs and of the others together. A side of which every graph failed has
// no values: its rows are filled with zeros. The error is a *ContractError.
func join(left, right *graph.Scores, b *graph.Batch, middle int) (*graph.Scores, error) {
	outputs, width := max(left.Outputs, right.Outputs), max(left.EmbeddingWidth, right.EmbeddingWidth)
	level := max(left.Level, right.Level)
	rows, split := b.ScoreRows(level), 0
	if middle < b.Graphs() {
		split, _ = b.ScoreRange(level, middle)
	}
	s := &graph.Scores{
		Level: level, Outputs: outputs, Values: make([]float32, rows*outputs), Failed: left.Failed,
		EmbeddingWidth: width, Embedding: graph.NoEmbedding(rows, width),
	}
	for _, side := range []struct {
		scores   *graph.Scores
		from, to int // rows
		graphs   int
	}{{left, 0, split, middle}, {right, split, rows, b.Graphs() - middle}} {
		switch n := side.to - side.from; {
		case len(side.scores.Failed) == side.graphs:
		case side.scores.Level != level && n > 0:
			return nil, &ContractError{Field: "the level of the scores", Got: int(side.scores.Level), Want: int(level)}
		case side.scores.Outputs != outputs && n > 0:
			return nil, &ContractError{Field: "the number of outputs", Got: side.scores.Outputs, Want: outputs}
		case len(side.scores.Values) != n*outputs:
			return nil, &ContractError{Field: "the number of scores", Got: len(side.scores.Values), Want: n * outputs}
		case len(side.scores.Embedding) != n*width:
			return nil, &ContractError{Field: "the number of values of the embedding", Got: len(side.scores.Embedding), Want: n * width}
		default:
			copy(s.Values[side.from*outputs:], side.scores.Values)
			copy(s.Embedding[side.from*width:], side.scores.Embedding)
		}
	}
	for _, f := range right.Failed {
		f.Graph += middle
		s.Failed = append(s.Failed, f)
	}
	s.Timing.Pack = left.Timing.Pack + right.Timing.Pack
	s.Timing.Model = left.Timing.Model + right.Timing.Model
	return s, nil
}

package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/grpclog"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/local"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/slots"
	"graphscore/readers"
)

// Served describes what scores: for a run by a [Session], for a plan by [Describe].
type Served struct {
	// Model is what scores. InFeatures is 0 where the protocol cannot describe it.
	Model graph.Model
	// MessageBytes is the largest message that both sides take.
	MessageBytes int64
	// Addresses are those of the workers or servers, empty before a connection.
	Addresses []string
}

// Wanted is what readers read for the model, with so many features of a node. Where nothing describes the model, it is what
// readers read before models said so.
func (s Served) Wanted(width int) readers.Wanted {
	w := readers.Wanted{Width: width, Inputs: s.Model.Inputs, EdgeRows: s.Model.Level == graph.EdgeLevel}
	if s.Model.InFeatures == 0 {
		w.Inputs = graph.Inputs{Weights: true}
	}
	return w
}

// Session is a connection and, for a job with a model folder, the workers behind it. Its methods are safe for
// concurrent use, but for Close.
type Session struct {
	Served

	memory  *slots.Memory    // what the workers share, nil where columns go inline
	pool    *local.Pool      // nil where servers run elsewhere, as are workers
	workers pipeline.Workers // those of the pool, nil where it is
	conn    *grpc.ClientConn
	cfg     remote.Config
	gate    *pipeline.Gate // of all runs over the session

	ending sync.Once
	ended  error // of the connection
}

// preflight bounds the wait for servers that do not answer yet; a shorter retry budget counts here as well.
const preflight = 10 * time.Second

// Connect starts so many local workers where the job wants them, connects, and asks what scores. The caller closes
// the session.
func Connect(ctx context.Context, cfg Config, workers int) (*Session, error) {
	s := &Session{}
	if err := s.connect(ctx, cfg, workers); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Session) connect(ctx context.Context, cfg Config, workers int) (err error) {
	job := cfg.Job
	s.Addresses = job.Server.Addresses
	if job.Model.Path != "" {
		if s.memory, err = sharedMemory(ctx, cfg, workers); err != nil {
			return err
		}
		if s.pool, err = startWorkers(ctx, cfg, s.memory, workers); err != nil {
			return err
		}
		s.Addresses = s.pool.Addresses()
	}
	secure, err := tlsConfig(job, cfg.Log)
	if err != nil {
		return err
	}
	token, err := serverToken(job, cfg.Log)
	if err != nil {
		return err
	}
	if warning := exposedToken(job); warning != "" {
		cfg.Log.WarnContext(ctx, warning)
	}
	s.cfg = remote.Config{
		Addresses: s.Addresses, Protocol: job.Server.Protocol, ModelVersion: job.Model.Version,
		MaxMessageBytes: int(job.Limits.MessageBytes), Deadline: time.Duration(job.Limits.Deadline),
		ConnectTimeout: min(preflight, time.Duration(job.Limits.RetryBudget)),
		TLS:            secure, Token: token, Log: cfg.Log, Around: cfg.Around,
	}.WithDefaults()
	if s.pool != nil {
		workers := newWorkers(s.pool)
		s.workers, s.cfg.Answered, s.cfg.Dial = workers, workers.Answered, s.pool.Dial
		s.cfg.Memory, s.cfg.MemoryOnly = s.memory, job.Limits.Transport == jobs.TransportShared
	}
	if err := s.cfg.Validate(); err != nil {
		return &jobs.Error{Path: job.Path, Reason: err.Error()}
	}
	if s.conn, err = remote.Dial(s.cfg); err != nil {
		return err
	}
	if err := s.describe(ctx); err != nil {
		return err
	}
	if s.pool != nil {
		if err := s.levelled(job.Model.Path); err != nil {
			return err
		}
	}
	if err := s.embed(job); err != nil {
		return err
	}
	if s.gate = pipeline.NewGate(s.Workers(job)); s.pool == nil {
		s.gate = pipeline.NewRemoteGate(s.Workers(job), len(s.Addresses))
	}
	s.MessageBytes = int64(s.cfg.MaxMessageBytes)
	if m := s.Model.MaxMessageBytes; m > 0 {
		s.MessageBytes = min(m, s.MessageBytes)
		if m < int64(job.Limits.MessageBytes) {
			cfg.Log.WarnContext(ctx, "the server takes smaller messages than the job allows", "server", m, "job", int64(job.Limits.MessageBytes))
		}
	}
	if s.pool == nil && s.Model.Digest == "" {
		cfg.Log.WarnContext(ctx, "protocol gcn does not report which model scores: state model.version (--model-version), or a change of the model goes unnoticed")
	}
	return nil
}

// describe asks what scores. Our own workers speak both protocols: over gcn, too, they say which model it is.
func (s *Session) describe(ctx context.Context) error {
	if t := remote.TraitsOf(s.cfg.Protocol); s.pool != nil && !t.Describes {
		m, err := remote.Describe(ctx, s.conn, s.cfg.Describing())
		if err != nil {
			return err
		}
		if lacks := t.Lacks(m); lacks != "" {
			return uncarried(m.Name, lacks)
		}
		s.cfg.ModelVersion = cmp.Or(s.cfg.ModelVersion, m.Digest)
	}
	m, err := remote.Describe(ctx, s.conn, s.cfg)
	if err != nil {
		return err
	}
	s.Model = *m
	return nil
}

// levelled refuses workers that do not report the level of their model: their package is older than levels.
func (s *Session) levelled(model string) error {
	m, err := local.ReadHeader(model)
	if err != nil {
		return err
	}
	if s.Model.Level != m.Level {
		return &jobs.Error{Path: "--model " + model, Reason: fmt.Sprintf(
			"its level is %s, but the workers report %s: the Python package that they run is older than this graphscore, install the one beside it",
			m.Level, s.Model.Level)}
	}
	return nil
}

// uncarried is a model that protocol gcn cannot carry.
func uncarried(model, lacks string) error {
	return &jobs.Error{Path: "--protocol gcn", Reason: fmt.Sprintf(
		"the model %s has %s, and protocol gcn carries one score a node from its features: use protocol native", model, lacks)}
}

// startWorkers starts so many workers. Where no interpreter can run them, a model folder that does not load is said
// first: it is what the user must mend whatever runs it.
func startWorkers(ctx context.Context, cfg Config, memory *slots.Memory, workers int) (*local.Pool, error) {
	pool, err := startPool(ctx, cfg, memory, workers)
	var python *local.PythonError
	if errors.As(err, &python) {
		if _, broken := local.ReadModel(cfg.Job.Model.Path); broken != nil {
			return nil, broken
		}
	}
	return pool, err
}

func startPool(ctx context.Context, cfg Config, memory *slots.Memory, workers int) (*local.Pool, error) {
	interpreter, err := findPython(cfg)
	if err != nil {
		return nil, err
	}
	return local.Start(ctx, local.Config{
		Python: interpreter, Model: cfg.Job.Model.Path, Workers: workers,
		MaxMessageBytes: int(cfg.Job.Limits.MessageBytes), MaxMemory: int64(cfg.Job.Limits.WorkerMemory), Memory: memory, Log: cfg.Log,
	})
}

// findPython returns the interpreter of local workers, or a *local.PythonError.
func findPython(cfg Config) (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the folder of graphscore: %w", err)
	}
	return local.FindPython(cfg.Python, os.Getenv, executable)
}

// Describe is [DescribeParts] with the width of an embedding: where the job names output.embed of a model folder one worker
// is started, as no file says how wide the values of a step are.
func Describe(ctx context.Context, cfg Config) (Served, error) {
	served, err := DescribeParts(ctx, cfg)
	if err != nil || cfg.Job.Model.Path == "" || cfg.Job.Output.Embed == "" {
		return served, err
	}
	s, err := Connect(ctx, cfg, 1)
	if err != nil {
		return Served{}, err
	}
	served.Model.Embedding = s.Model.Embedding
	return served, s.Close()
}

// DescribeParts finds out what would score, as far as parts are compared with it, without starting a worker: a model folder
// is read, servers are asked. Of an interpreter it only looks whether one that the user named exists: footers can be planned
// on without Python. The width of an embedding may be 0.
func DescribeParts(ctx context.Context, cfg Config) (Served, error) {
	job := cfg.Job
	if job.Model.Path == "" {
		s, err := Connect(ctx, cfg, 0)
		if err != nil {
			return Served{}, err
		}
		return s.Served, s.Close()
	}
	m, err := local.ReadModel(job.Model.Path)
	if err != nil {
		return Served{}, err
	}
	if cfg.Python != "" {
		if _, err := findPython(cfg); err != nil {
			return Served{}, err
		}
	}
	if t := remote.TraitsOf(job.Server.Protocol); !t.Describes { // as Session.describe has it
		if lacks := t.Lacks(m); lacks != "" {
			return Served{}, uncarried(m.Name, lacks)
		}
		m = t.Assumed(job.Model.Version, m)
	}
	if err := embed(job, m); err != nil {
		return Served{}, err
	}
	return Served{Model: *m, MessageBytes: int64(job.Limits.MessageBytes)}, nil
}

// Scorer returns the client of the job's protocol, without retries. width is the number of features of a node.
func (s *Session) Scorer(width int) remote.Scorer {
	model := s.Model
	model.InFeatures = width
	return remote.New(s.conn, s.cfg, &model)
}

// Patient wraps a scorer of the session so that failed calls end as the job says: see [pipeline.Patient].
func (s *Session) Patient(scorer pipeline.Scorer, cfg Config, progress *pipeline.Progress) pipeline.Scorer {
	patience := pipeline.Patience{
		Budget: time.Duration(cfg.Job.Limits.RetryBudget), Deadline: s.cfg.Deadline, Within: remote.Within, Gate: s.gate,
		OneGraph: remote.TraitsOf(cfg.Job.Server.Protocol).OneGraph, Progress: progress, Log: cfg.Log,
	}
	if s.workers != nil {
		patience.Workers = s.workers
	}
	return pipeline.Patient(scorer, patience)
}

// Alive runs work, and ends it where the local workers cannot be kept running.
func (s *Session) Alive(ctx context.Context, work func(context.Context) error) error {
	if s.pool == nil {
		return work(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var g errgroup.Group
	g.Go(func() error {
		select {
		case <-s.pool.Failed():
			cancel(s.pool.Err())
		case <-ctx.Done():
		}
		return nil
	})
	g.Go(func() error {
		defer cancel(nil)
		err := work(ctx)
		if cause := s.pool.Err(); cause != nil && errors.Is(err, context.Canceled) {
			return cause
		}
		return err
	})
	return g.Wait()
}

// Local reports whether the workers are processes of this one.
func (s *Session) Local() bool { return s.pool != nil }

// Broken is why the local workers cannot be kept running, nil while they can.
func (s *Session) Broken() error {
	if s.pool == nil {
		return nil
	}
	return s.pool.Err()
}

// Restarts counts the local workers that were started again.
func (s *Session) Restarts() int64 {
	if s.pool == nil {
		return 0
	}
	return int64(s.pool.Restarts())
}

// PeakMemory is the sum of the peaks of all local workers, in bytes.
func (s *Session) PeakMemory() int64 {
	if s.pool == nil {
		return 0
	}
	return s.pool.PeakMemory()
}

// End begins to end the session: nothing can be scored over it any more, and its workers end. It does not wait for them, as
// Close does.
func (s *Session) End() {
	s.ending.Do(func() {
		if s.conn != nil {
			s.ended = s.conn.Close()
		}
		if s.pool != nil {
			s.pool.End()
		}
	})
}

// Close ends the connection and the workers.
func (s *Session) Close() error {
	s.End()
	err := s.ended
	if s.pool != nil {
		err = errors.Join(err, s.pool.Close())
	}
	if s.memory != nil {
		err = errors.Join(err, s.memory.Close())
	}
	return err
}

// PeakMemory is the peak of this process, in bytes; 0 where the system does not report it.
func PeakMemory() int64 { return local.PeakMemory(os.Getpid()) }

// RedirectGRPCLog sends the log of gRPC, which is one for the process, to w. What matters of it comes as the error
// of a call.
func RedirectGRPCLog(w io.Writer) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, w))
}

// Lender provides the session of a run when the run needs it. It is safe for concurrent use.
type Lender interface {
	// Borrow blocks until the session is there. Every session that it returns must be returned to it.
	Borrow(ctx context.Context) (*Session, error)
	// Leave says that the run scores nothing more over a session: where it is not shared, it begins to end.
	Leave(s *Session)
	// Return takes a session back, and closes it where it is not shared.
	Return(s *Session) error
}

// Own lends a run a session of its own. connected is called once it is made.
func Own(cfg Config, connected func(*Session)) Lender { return &own{cfg, connected} }

type own struct {
	cfg       Config
	connected func(*Session)
}

func (o *own) Borrow(ctx context.Context) (*Session, error) {
	s, err := Connect(ctx, o.cfg, o.cfg.Job.Workers)
	if err == nil {
		o.connected(s)
	}
	return s, err
}

func (o *own) Leave(s *Session) { s.End() }

func (o *own) Return(s *Session) error { return s.Close() }

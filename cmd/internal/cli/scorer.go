package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/jobs"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/local"
	"graphscore/pipeline/remote"
)

// session is the connection of a run and, for a job with a model folder, the workers behind it.
type session struct {
	pool  *local.Pool // nil where servers run elsewhere
	conn  *grpc.ClientConn
	model *graph.Model
	cfg   remote.Config
}

// preflight bounds the wait for servers that do not answer yet; a shorter retry budget counts here as well.
const preflight = 10 * time.Second

// connect starts local workers where the job wants them, connects, and asks what scores.
func (e *env) connect(ctx context.Context, job *jobs.Job, python string, workers int) (s *session, err error) {
	s = &session{}
	defer func() {
		if err != nil {
			err, s = errors.Join(err, s.Close()), nil
		}
	}()
	addresses := job.Server.Addresses
	if job.Model.Path != "" {
		if s.pool, err = e.startWorkers(ctx, job, python, workers); err != nil {
			return s, err
		}
		addresses = s.pool.Addresses()
	}
	secure, err := tlsConfig(job)
	if err != nil {
		return s, err
	}
	s.cfg = remote.Config{
		Addresses: addresses, Protocol: job.Server.Protocol, ModelVersion: job.Model.Version,
		MaxMessageBytes: int(job.Limits.MessageBytes), Deadline: time.Duration(job.Limits.Deadline),
		ConnectTimeout: min(preflight, time.Duration(job.Limits.RetryBudget)),
		TLS:            secure, Log: e.log,
	}.WithDefaults()
	if err := s.cfg.Validate(); err != nil {
		return s, &jobs.Error{Path: job.Path, Reason: err.Error()}
	}
	if s.conn, err = remote.Dial(s.cfg); err != nil {
		return s, err
	}
	if s.model, err = s.describe(ctx); err != nil {
		return s, err
	}
	if m := s.model.MaxMessageBytes; m > 0 && m < int64(job.Limits.MessageBytes) {
		e.log.WarnContext(ctx, "the server takes smaller messages than the job allows", "server", m, "job", int64(job.Limits.MessageBytes))
	}
	if s.pool == nil && s.model.Digest == "" {
		e.log.WarnContext(ctx, "protocol gcn does not tell which model scores: state model.version (--model-version), or a change of the model goes unnoticed")
	}
	return s, nil
}

// describe asks what scores. Our own workers speak both protocols: over gcn, too, they tell which model it is.
func (s *session) describe(ctx context.Context) (*graph.Model, error) {
	if t := remote.TraitsOf(s.cfg.Protocol); s.pool != nil && !t.Describes && s.cfg.ModelVersion == "" {
		m, err := remote.Describe(ctx, s.conn, s.cfg.Describing())
		if err != nil {
			return nil, err
		}
		if !t.Carries(m) {
			return nil, manyOutputs(m.Name, len(m.Outputs))
		}
		s.cfg.ModelVersion = m.Digest
	}
	return remote.Describe(ctx, s.conn, s.cfg)
}

// manyOutputs is a model that protocol gcn cannot carry.
func manyOutputs(model string, n int) error {
	return &jobs.Error{Path: "--protocol gcn", Reason: fmt.Sprintf(
		"the model %s has %d outputs, and protocol gcn carries one: use protocol native", model, n)}
}

// messageBytes is the largest message that both sides take.
func (s *session) messageBytes() int64 {
	if m := s.model.MaxMessageBytes; m > 0 {
		return min(m, int64(s.cfg.MaxMessageBytes))
	}
	return int64(s.cfg.MaxMessageBytes)
}

func (e *env) startWorkers(ctx context.Context, job *jobs.Job, python string, workers int) (*local.Pool, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the folder of graphscore: %w", err)
	}
	interpreter, err := local.FindPython(python, os.Getenv, executable)
	if err != nil {
		return nil, err
	}
	return local.Start(ctx, local.Config{
		Python: interpreter, Model: job.Model.Path, Workers: workers,
		MaxMessageBytes: int(job.Limits.MessageBytes), Log: e.log,
	})
}

// share is the session for one of several users: what the server says of its model is a copy, as each completes
// it with what its own input tells. Only the original may be closed.
func (s *session) share() *session {
	copied, model := *s, *s.model
	copied.model = &model
	return &copied
}

// scorer gives the scorer of the job's protocol, bare.
func (s *session) scorer() remote.Scorer { return remote.New(s.conn, s.cfg, s.model) }

// alive runs work, and ends it where the local workers cannot be kept running.
func (s *session) alive(ctx context.Context, work func(context.Context) error) error {
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

// Close ends the connection and the workers. It may be called on what connect left half done.
func (s *session) Close() error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	if s.pool != nil {
		err = errors.Join(err, s.pool.Close())
	}
	return err
}

func tlsConfig(job *jobs.Job) (*tls.Config, error) {
	t := job.Server.TLS
	if t == nil {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &tlsError{"server.tls.ca", t.CA, err}
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &tlsError{"server.tls.ca", t.CA, errors.New("it holds no PEM certificate")}
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, &tlsError{"server.tls.cert and key", t.Cert, err}
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// tlsError is a TLS setting that cannot be used.
type tlsError struct {
	key, path string
	err       error
}

func (e *tlsError) Error() string { return fmt.Sprintf("%s %s: %v", e.key, e.path, e.err) }
func (e *tlsError) Unwrap() error { return e.err }

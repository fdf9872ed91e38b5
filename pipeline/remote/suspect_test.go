package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
	scoringv1 "graphscore/proto/graphscore/v1"
)

func TestSuspicions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code    codes.Code
		message string
		reason  string // trailer
		fault   graph.Fault
		says    string
	}{
		{codes.Internal, "the server failed: RuntimeError: index 7 is too large", "", graph.FaultRaised, "the scorer raised RuntimeError: index 7 is too large"},
		{codes.Internal, "the server failed: KeyError; see its log", "", graph.FaultRaised, "the scorer raised KeyError; see its log"},
		{codes.Unknown, "Exception calling application: 'x'", "", graph.FaultRaised, "the scorer raised an exception: 'x'"},
		{codes.DataLoss, "lost", "", graph.FaultRaised, "the scorer failed (DataLoss): lost"},
		{codes.Internal, "at 0x7f3a2b10 in /usr/lib/libgnn.so of pid 4711, worker 3", "", graph.FaultRaised, "the scorer failed (Internal): at 0x... in /... of pid ..., worker ..."},
		{codes.Internal, "unix:/tmp/a/0.sock 10.0.0.7:9999 at 2026-11-27T03:04:05.6Z: no", "", graph.FaultRaised, "the scorer failed (Internal): unix:... ... at ...: no"},
		{codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR", "", graph.FaultCrashed, "the connection to its server was lost while it was scored"},
		{codes.Internal, "unexpected EOF", "", graph.FaultCrashed, "the connection to its server was lost while it was scored"},
		{codes.Unavailable, "upstream connect error", "", graph.FaultCrashed, "the connection to its server was lost while it was scored"},
		{codes.ResourceExhausted, "not enough memory for this request", "memory", graph.FaultMemory, "its worker had not enough memory"},
		{codes.ResourceExhausted, "busy", "", graph.FaultPressure, "its server is full, though nothing else is sent to it"},
		{codes.ResourceExhausted, "busy", "queue", graph.FaultPressure, "its server is full, though nothing else is sent to it"},
		{codes.DeadlineExceeded, "late", "", graph.FaultHung, "the scorer failed (DeadlineExceeded): late"},
		{codes.Unavailable, "the body did not arrive within 3600 s", "", graph.NoFault, "the scorer failed (Unavailable): the body did not arrive within 3600 s"},
		{codes.Unavailable, "the server is ending", "", graph.NoFault, "the scorer failed (Unavailable): the server is ending"},
		{codes.ResourceExhausted, "the body did not arrive, and its place was needed", "", graph.NoFault, "the scorer failed (ResourceExhausted): the body did not arrive, and its place was needed"},
		{codes.ResourceExhausted, "the answer was not taken, and its memory was needed", "", graph.NoFault, "the scorer failed (ResourceExhausted): the answer was not taken, and its memory was needed"},
		{codes.Aborted, "again", "", graph.NoFault, "the scorer failed (Aborted): again"},
		{codes.Canceled, "gone", "", graph.NoFault, "the scorer failed (Canceled): gone"},
	}
	for _, test := range tests {
		t.Run(test.code.String()+" "+test.message+test.reason, func(t *testing.T) {
			t.Parallel()
			before := func(ctx context.Context) error {
				if test.reason != "" {
					if err := grpc.SetTrailer(ctx, metadata.Pairs("graphscore-reason", test.reason)); err != nil {
						return err
					}
				}
				return status.Error(test.code, test.message)
			}
			served, model := remotetest.NewNative(1, "score"), reference(1)
			served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error { return before(ctx) }
			model.Before = func(ctx context.Context, _ *gcnpb.GraphData) error { return before(ctx) }
			first, second := remotetest.Serve(t, newServer(served)), remotetest.Serve(t, newServer(model))
			for address, scorer := range map[string]Scorer{first: native(t, quick(first)), second: gcn(t, quick(second))} {
				_, err := scorer.Score(t.Context(), line(2))
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("%v", err)
				}
				want := graph.Suspicion{Fault: test.fault, Message: test.says, Address: address}
				if diff := cmp.Diff(want, e.Suspicion()); diff != "" {
					t.Errorf("%T: %s", scorer, diff)
				}
			}
		})
	}
}

// A call that reaches no server says nothing of its batch, one whose connection is lost does.
func TestSuspicionsOfConnections(t *testing.T) {
	t.Parallel()
	served := remotetest.NewNative(1, "score")
	begun := make(chan struct{})
	served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	server := newServer(served)
	n := native(t, quick(remotetest.ServeUnix(t, server))) // nobody else listens there when it has stopped
	var stopping errgroup.Group
	stopping.Go(func() error {
		<-begun
		server.Stop()
		return nil
	})
	_, err := n.Score(t.Context(), line(2))
	if e := fails(t, err, Unavailable, "it cannot be reached"); e.Suspicion().Fault != graph.FaultCrashed {
		t.Errorf("under way: %+v", e.Suspicion())
	}
	if err := stopping.Wait(); err != nil {
		t.Error(err)
	}
	_, err = n.Score(t.Context(), line(2))
	if e := fails(t, err, Unavailable, "it cannot be reached"); e.Suspicion().Fault != graph.NoFault || e.Suspicion().Address != "" {
		t.Errorf("no server: %+v", e.Suspicion())
	}
}

// A reset of the stream alone, by the server or by a proxy that lost it, is no exception.
func TestSuspicionOfAResetStream(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving errgroup.Group
	serving.Go(func() error {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return err
		}
		framer := http2.NewFramer(conn, conn)
		if err := framer.WriteSettings(); err != nil {
			return err
		}
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return nil //nolint:nilerr // the client has gone
			}
			if f, is := frame.(*http2.HeadersFrame); is {
				if err := framer.WriteRSTStream(f.StreamID, http2.ErrCodeInternal); err != nil {
					return err
				}
			}
		}
	})
	cfg := quick(listener.Addr().String())
	conn := dialed(t, cfg)
	_, err = NewNative(conn, cfg, &graph.Model{Outputs: []string{"score"}}).Score(t.Context(), line(2))
	if e := fails(t, err, Unavailable, "RST_STREAM"); e.Suspicion().Fault != graph.FaultCrashed {
		t.Errorf("%+v", e.Suspicion())
	}
	_ = conn.Close()
	_ = listener.Close()
	if err := serving.Wait(); err != nil {
		t.Error(err)
	}
}

// garbler is the codec of a server whose answers are no protobuf.
type garbler struct{ encoding.CodecV2 }

func (garbler) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(strings.Repeat("\xff", 40))}, nil
}

func TestAnswersThatAreNoMessage(t *testing.T) {
	t.Parallel()
	garbled := grpc.ForceServerCodecV2(garbler{encoding.GetCodecV2("proto")})
	var calls atomic.Int32
	model, served := reference(1), remotetest.NewNative(1, "score")
	model.Before = func(context.Context, *gcnpb.GraphData) error { calls.Add(1); return nil }
	served.Before = func(context.Context, *scoringv1.ScoreRequest) error { calls.Add(1); return nil }
	for name, s := range map[string]server{ProtocolGCN: model, ProtocolNative: served} {
		cfg := quick(remotetest.Serve(t, newServer(s, garbled)))
		cfg.Protocol = name
		conn := dialed(t, cfg)
		calls.Store(0)
		scorer := pipeline.Patient(New(conn, cfg, &graph.Model{InFeatures: 1, Outputs: []string{"score"}}), pipeline.Patience{})
		_, err := scorer.Score(t.Context(), line(2))
		if e := fails(t, err, Contract, "its answer is no message of the "+name+" protocol"); e.Retryable() || calls.Load() != 1 {
			t.Errorf("retryable %v, %d calls", e.Retryable(), calls.Load())
		}
		if _, err := describe(t, cfg); name == ProtocolNative {
			fails(t, err, Contract, "its answer is no message of the native protocol")
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	served := remotetest.NewNative(1, "score")
	served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
		<-ctx.Done()
		return ctx.Err()
	}
	cfg := quick(remotetest.Serve(t, newServer(served)))
	n := native(t, cfg)
	_, err := n.Score(Within(t.Context(), 5*time.Second), line(2)) // it reaches the server within this time
	e := fails(t, err, Unavailable, "no answer within 5s")
	if s := e.Suspicion(); s.Fault != graph.FaultHung || s.Message != "no answer within 5s" || s.Address != cfg.Addresses[0] {
		t.Errorf("%+v", s)
	}
	cfg.Deadline = time.Millisecond
	_, err = native(t, cfg).Score(Within(t.Context(), 60*time.Millisecond), line(2)) // more than others have
	fails(t, err, Unavailable, "no answer within 60ms")
}

func TestAnsweredNamesTheServer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var answered []string
	for name, s := range map[string]server{ProtocolGCN: reference(1), ProtocolNative: remotetest.NewNative(1, "score")} {
		cfg := quick(remotetest.ServeUnix(t, newServer(s)))
		cfg.Protocol = name
		answered = nil
		cfg.Answered = func(address string) {
			mu.Lock()
			defer mu.Unlock()
			answered = append(answered, address)
		}
		if _, err := New(dialed(t, cfg), cfg, &graph.Model{InFeatures: 1, Outputs: []string{"score"}, Digest: remotetest.Digest}).Score(t.Context(), line(2)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(answered, cfg.Addresses) {
			t.Errorf("%q answered, expected %q", answered, cfg.Addresses)
		}
	}
}

// One graph of many on which a real server fails is found, over both protocols, and costs the others nothing.
func TestPatientFindsTheGraphAtFault(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		code graph.Code
		says string
	}{
		"raises":     {status.Error(codes.Unknown, "Exception calling application: 'x'"), graph.ScorerFailed, "the scorer raised an exception: 'x'"},
		"memory":     {status.Error(codes.ResourceExhausted, "not enough memory"), graph.OutOfMemory, "its worker had not enough memory"},
		"pressure":   {status.Error(codes.ResourceExhausted, "busy"), graph.OutOfMemory, "its server is full, though nothing else is sent to it"},
		"connection": {status.Error(codes.Unavailable, "reset"), graph.ScorerCrashed, "the connection to its server was lost while it was scored"},
		"cancels":    {status.Error(codes.Canceled, "no"), graph.ScorerFailed, "the scorer failed (Canceled): no"},
	}
	const bad = 5 // nodes
	for name, test := range tests {
		before := func(ctx context.Context, nodes bool) error {
			if !nodes {
				return nil
			}
			if name == "memory" {
				if err := grpc.SetTrailer(ctx, metadata.Pairs("graphscore-reason", "memory")); err != nil {
					return err
				}
			}
			return test.err
		}
		served, model := remotetest.NewNative(1, "score"), reference(1)
		served.Before = func(ctx context.Context, r *scoringv1.ScoreRequest) error {
			return before(ctx, hasGraph(r, bad))
		}
		model.Before = func(ctx context.Context, r *gcnpb.GraphData) error { return before(ctx, len(r.GetNodes()) == bad) }
		for protocol, s := range map[string]server{ProtocolNative: served, ProtocolGCN: model} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				cfg := quick(remotetest.Serve(t, newServer(s)))
				cfg.Protocol = protocol
				findsTheGraph(t, cfg, graph.Failure{Code: test.code, Message: test.says}, bad)
			})
		}
	}
}

// hasGraph reports whether a request whose columns are inline has a graph of so many nodes.
func hasGraph(r *scoringv1.ScoreRequest, nodes byte) bool {
	counts := r.GetNodeCounts()
	for i := 0; i < len(counts); i += 4 {
		if counts[i] == nodes {
			return true
		}
	}
	return false
}

// findsTheGraph scores graphs of which the fourth, of bad nodes, fails.
func findsTheGraph(t *testing.T, cfg Config, failed graph.Failure, bad int) {
	t.Helper()
	cfg = cfg.WithDefaults()
	protocol := cfg.Protocol
	scorer := New(dialed(t, cfg), cfg, &graph.Model{InFeatures: 1, Outputs: []string{"score"}, Digest: remotetest.Digest})
	patient := pipeline.Patient(scorer, pipeline.Patience{
		Within: Within, Budget: 5 * time.Second, Pause: time.Millisecond, MaxPause: 5 * time.Millisecond,
	})
	b := line(2, 1, 3, bad, 2, 4, 1)
	step := b.Graphs()
	if protocol == ProtocolGCN { // one graph a call, as a run has it
		step = 1
	}
	for g := 0; g < b.Graphs(); g += step {
		part := b.Slice(g, g+step)
		got, err := patient.Score(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		var want []graph.Failure
		if at := 3 - g; at >= 0 && at < step {
			failed.Graph = at
			want = []graph.Failure{failed}
		}
		if diff := cmp.Diff(want, got.Failed); diff != "" {
			t.Error(diff)
		}
		if protocol == ProtocolNative {
			alone := sums(part, 1)
			from, to := part.NodeRange(3)
			clear(alone[from:to])
			if !slices.Equal(got.Values, alone) {
				t.Errorf("scores %v, expected %v", got.Values, alone)
			}
		}
	}
}

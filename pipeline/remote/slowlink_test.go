package remote

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// TestSlowLink: a link that cannot carry what is sent at once by default before the deadline costs no graph. A fifth of it
// is one graph.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	cfg := quick((&remotetest.Link{Rate: 100 << 10}).Through(t, remotetest.Serve(t, newServer(remotetest.NewNative(1, "score")))))
	cfg.Deadline = 8 * time.Second
	n := native(t, cfg)
	progress := &pipeline.Progress{}
	patient := pipeline.Patient(n, pipeline.Patience{
		Budget: 10 * time.Minute, Deadline: cfg.Deadline, Within: Within, Gate: pipeline.NewRemoteGate(1, 1), Progress: progress,
	})
	batches := []*graph.Batch{long(200, 100), long(1, 30000), long(200, 100)}
	sink := &pipelinetest.Sink{}
	result, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 1, Progress: progress}, []pipeline.Shard{{
		Name: "a", Rows: pipelinetest.Rows(batches),
		Open:   func(context.Context) (pipeline.Source, error) { return &pipelinetest.Source{Batches: batches}, nil },
		Create: func(context.Context) (pipeline.Sink, error) { return sink, nil },
	}}, patient)
	if err != nil || result.Counts.Scored != 401 || len(sink.Rejected) > 0 {
		t.Errorf("%v, %+v, %v", err, result.Counts, sink.Rejected)
	}
}

// TestRetryInfo: the details of a status say how long to wait, where the trailer does not.
func TestRetryInfo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		delay   time.Duration
		trailer string
		want    time.Duration
	}{
		"details": {3 * time.Second, "", 3 * time.Second}, "both": {3 * time.Second, "250", 250 * time.Millisecond},
		"long": {time.Hour, "", time.Minute}, "negative": {-time.Hour, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := remotetest.NewNative(1, "score")
			served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
				if test.trailer != "" {
					if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", test.trailer)); err != nil {
						return err
					}
				}
				st, err := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(test.delay)})
				if err != nil {
					return err
				}
				return st.Err()
			}
			_, err := native(t, quick(remotetest.Serve(t, newServer(served)))).Score(t.Context(), line(2))
			if e := fails(t, err, Unavailable, "busy"); !e.Retryable() || e.RetryAfter() != test.want {
				t.Errorf("retryable %v, after %v", e.Retryable(), e.RetryAfter())
			}
		})
	}
}

// TestSlowLinkIsNoCrash: a ping without an answer is a link that is slow, or a server that hangs.
func TestSlowLinkIsNoCrash(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]graph.Fault{
		"keepalive ping failed to receive ACK within timeout": graph.FaultHung,
		"error reading from server: EOF":                      graph.FaultCrashed,
	} {
		c := newCall(ProtocolNative, time.Minute)
		c.peer.Addr = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9999}
		if got := c.suspect(status.New(codes.Unavailable, message)); got.Fault != want || got.Message == "" {
			t.Errorf("%s: %+v", message, got)
		}
	}
}

// long is a batch of n graphs that are chains of so many nodes.
func long(n, nodes int) *graph.Batch {
	b := graph.NewBuilder(graph.BuilderConfig{Width: 1, GraphIDs: graph.Int64})
	row := &graph.Row{Nodes: nodes, Width: 1, NumNodes: -1, Features: make([]float32, nodes)}
	for i := range nodes - 1 {
		row.Sources, row.Targets = append(row.Sources, int64(i)), append(row.Targets, int64(i+1))
	}
	for i := range n {
		row.Row, row.IntID = int64(i), int64(i)
		b.Add(row)
	}
	return b.Batch()
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

func TestNativeScores(t *testing.T) {
	t.Parallel()
	for _, s := range []shape{
		{graphs: 1, width: 1}, {graphs: 50, width: 3}, {graphs: 50, width: 3, weighted: true},
		{graphs: 50, width: 2, nodeIDs: true},
	} {
		for _, portable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v portable %v", s, portable), func(t *testing.T) {
				t.Parallel()
				served := newServer(remotetest.NewNative(s.width, "a", "b"))
				n := native(t, quick(remotetest.ServeUnix(t, served)))
				n.portable = portable
				whole := randomBatch(7, s)
				for from := range whole.Graphs() {
					b := whole.Slice(from, min(from+9, whole.Graphs()))
					got, err := n.Score(t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					if want := sums(b, 2); got.Outputs != 2 || !slices.Equal(got.Values, want) || len(got.Failed) != 0 {
						t.Fatalf("graphs from %d: %d outputs %v, failed %v\nwant %v", from, got.Outputs, got.Values, got.Failed, want)
					}
					if b.Nodes() > 0 && (got.Timing.Pack <= 0 || got.Timing.Model != time.Microsecond) {
						t.Errorf("timing %+v", got.Timing)
					}
				}
			})
		}
	}
}

// featured gives a batch features of edges and graphs, and types of edges.
func featured(b *graph.Batch) *graph.Batch {
	b.EdgeWidth, b.GraphWidth, b.EdgeTypes = 2, 3, make([]uint32, b.Edges())
	for e := range b.Edges() {
		b.EdgeFeatures = append(b.EdgeFeatures, float32(e), 1)
		b.EdgeTypes[e] = uint32(e % 5)
		b.EdgeRows = append(b.EdgeRows, uint32(e))
	}
	for g := range b.Graphs() {
		b.GraphFeatures = append(b.GraphFeatures, float32(g), 2, 3)
	}
	return b
}

// A slice of a batch has the scores at every level that it has in the whole.
func TestNativeLevels(t *testing.T) {
	t.Parallel()
	for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.GraphLevel} {
		for _, portable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s portable %v", level, portable), func(t *testing.T) {
				t.Parallel()
				served := remotetest.NewNative(3, "a", "b")
				served.Model.Level = level.String()
				served.Model.Inputs = takes("x", 3, "edge_attr", 2, "edge_type", 5, "graph_attr", 3)
				n := native(t, quick(remotetest.ServeUnix(t, newServer(served))))
				n.portable = portable
				whole := featured(randomBatch(7, shape{graphs: 50, width: 3, weighted: true}))
				all, err := n.Score(t.Context(), whole)
				if err != nil || all.Level != level || len(all.Values) != 2*whole.ScoreRows(level) {
					t.Fatalf("%d scores of level %s, %v", len(all.Values), all.Level, err)
				}
				for from := range whole.Graphs() {
					to := min(from+9, whole.Graphs())
					got, err := n.Score(t.Context(), whole.Slice(from, to))
					if err != nil {
						t.Fatal(err)
					}
					first, _ := whole.ScoreRange(level, from)
					_, last := whole.ScoreRange(level, to-1)
					if want := all.Values[2*first : 2*last]; whole.Slice(from, to).Nodes() > 0 && !slices.Equal(got.Values, want) {
						t.Fatalf("graphs from %d: %v\nwant %v", from, got.Values, want)
					}
				}
			})
		}
	}
}

func TestNativeContractOfLevels(t *testing.T) {
	t.Parallel()
	type response = scoringv1.ScoreResponse
	for name, test := range map[string]struct {
		level  string
		change func(*response)
		want   string
	}{
		"a client that knows nodes alone would take these": {"edge", func(r *response) { r.Nodes = 3 }, "nodes is 3, but scores of level edge count none"},
		"no rows":         {"graph", func(r *response) { r.Rows = 0 }, "rows is 0, but the request has 2 graphs"},
		"rows missing":    {"edge", func(r *response) { r.Rows = 7 }, "rows is 7, but the request has 1 edges"},
		"rows of nodes":   {"node", func(r *response) { r.Rows = 4 }, "rows is 4, but the request has 3 nodes"},
		"scores of nodes": {"graph", func(r *response) { r.Scores = make([]byte, 12) }, "scores has 12 bytes, but 2 graphs with 1 outputs take 8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := remotetest.NewNative(1, "score")
			served.Model.Level = test.level
			served.Change = func(_ *scoringv1.ScoreRequest, r *response) { test.change(r) }
			_, err := native(t, quick(remotetest.Serve(t, newServer(served)))).Score(t.Context(), line(2, 1))
			fails(t, err, Contract, test.want)
		})
	}
}

func TestNativeSendsNothingWithoutNodes(t *testing.T) {
	t.Parallel()
	served := remotetest.NewNative(1, "score")
	n := native(t, quick(remotetest.Serve(t, newServer(served))))
	for _, b := range []*graph.Batch{line(), line(0, 0)} {
		got, err := n.Score(t.Context(), b)
		if err != nil || len(got.Values) != 0 || got.Outputs != 1 {
			t.Errorf("Score = %+v, %v", got, err)
		}
	}
	served.Model.Level = "graph"
	n = native(t, quick(remotetest.Serve(t, newServer(served))))
	if got, err := n.Score(t.Context(), line(0, 0)); err != nil || !slices.Equal(got.Values, []float32{0, 0}) {
		t.Errorf("Score = %+v, %v", got, err)
	}
	if served.Calls() != 0 {
		t.Errorf("%d calls", served.Calls())
	}
}

func TestNativeSizes(t *testing.T) {
	t.Parallel()
	for _, s := range []shape{{graphs: 30, width: 5}, {graphs: 30, width: 1, weighted: true}} {
		n := NewNative(nil, Config{}, &graph.Model{Outputs: []string{"score"}})
		whole := randomBatch(3, s)
		if s.weighted {
			whole = featured(whole)
		}
		for from := range whole.Graphs() {
			b := whole.Slice(from, whole.Graphs())
			var sum int64
			for g := range b.Graphs() {
				sum += n.GraphBytes(b, g)
			}
			size := int64(proto.Size(n.request(b, new(scratch))))
			if size > sum+messageOverhead || size < sum {
				t.Fatalf("a request of %d bytes was counted as %d", size, sum)
			}
		}
	}
	wide := NewNative(nil, Config{}, &graph.Model{Outputs: make([]string, 100)})
	if got := wide.GraphBytes(line(3), 0); got != 1200 {
		t.Errorf("GraphBytes = %d, want the 1200 of the answer", got)
	}
	edges := NewNative(nil, Config{}, &graph.Model{Level: graph.EdgeLevel, Outputs: make([]string, 100)})
	if got := edges.GraphBytes(line(3), 0); got != 400 {
		t.Errorf("GraphBytes = %d, want the 400 of one edge", got)
	}
	small := NewNative(nil, Config{MaxMessageBytes: 1 << 20}, &graph.Model{MaxMessageBytes: 5000})
	if got := small.Limit(); got != 5000-messageOverhead {
		t.Errorf("Limit = %d", got)
	}
}

func TestNativeTooLarge(t *testing.T) {
	t.Parallel()
	served := remotetest.NewNative(1, "score")
	cfg := quick(remotetest.Serve(t, newServer(served)))
	cfg.MaxMessageBytes = 2000
	n := native(t, cfg)
	fits := 1
	for n.GraphBytes(line(fits+1), 0) <= n.Limit() {
		fits++
	}
	if _, err := n.Score(t.Context(), line(fits)); err != nil {
		t.Fatal(err)
	}
	_, err := n.Score(t.Context(), line(fits+1))
	e := fails(t, err, Refused, "is larger than the limit of 1744 bytes")
	if code, _, refused := e.Refused(); code != graph.TooLarge || !refused || e.Retryable() {
		t.Errorf("code %s, refused %v, retryable %v", code, refused, e.Retryable())
	}
	if served.Calls() != 1 {
		t.Errorf("%d calls, want the one that fits", served.Calls())
	}
}

func TestNativeServerWithSmallerLimit(t *testing.T) {
	t.Parallel()
	served := newServer(remotetest.NewNative(1, "score"), grpc.MaxRecvMsgSize(1000))
	n := native(t, quick(remotetest.Serve(t, served)))
	_, err := n.Score(t.Context(), line(500))
	e := fails(t, err, Refused, "larger than max")
	if code, _, _ := e.Refused(); code != graph.TooLarge {
		t.Errorf("code %s", code)
	}
}

func TestNativeContract(t *testing.T) {
	t.Parallel()
	type response = scoringv1.ScoreResponse
	tests := map[string]struct {
		change func(*response)
		want   string
	}{
		"rows missing":    {func(r *response) { r.Nodes = 2 }, "nodes is 2, but the request has 3 nodes"},
		"rows too many":   {func(r *response) { r.Nodes = 4; r.Scores = make([]byte, 32) }, "nodes is 4, but the request has 3 nodes"},
		"other outputs":   {func(r *response) { r.Outputs = 1 }, "outputs is 1, but the model has 2 outputs"},
		"short column":    {func(r *response) { r.Scores = r.Scores[:23] }, "scores has 23 bytes, but 3 nodes with 2 outputs take 24"},
		"long column":     {func(r *response) { r.Scores = append(r.Scores, 0, 0, 0, 0) }, "scores has 28 bytes"},
		"other model":     {func(r *response) { r.ModelDigest = "sha256:ff" }, `model_digest is "sha256:ff", but the run began with "` + remotetest.Digest + `"`},
		"no model":        {func(r *response) { r.ModelDigest = "" }, "model_digest is"},
		"unsorted errors": {func(r *response) { r.Errors = graphErrors(1, 0) }, "errors names graph 0 after graph 1, but they must ascend"},
		"doubled errors":  {func(r *response) { r.Errors = graphErrors(1, 1) }, "errors names graph 1 after graph 1"},
		"foreign errors":  {func(r *response) { r.Errors = graphErrors(0, 2) }, "errors names graph 2 of 2 graphs"},
		"code of two words": {func(r *response) {
			r.Errors = []*scoringv1.GraphError{{Graph: 0, Code: "Bad graph"}}
		}, `errors gives graph 0 the code "Bad graph"`},
		"no code":      {func(r *response) { r.Errors = []*scoringv1.GraphError{{Graph: 1}} }, "errors gives graph 1 the code"},
		"empty answer": {func(r *response) { proto.Reset(r) }, "model_digest is"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := remotetest.NewNative(1, "a", "b")
			served.Change = func(_ *scoringv1.ScoreRequest, r *response) { test.change(r) }
			address := remotetest.Serve(t, newServer(served))
			_, err := native(t, quick(address)).Score(t.Context(), line(2, 1))
			e := fails(t, err, Contract, test.want)
			if e.Retryable() || e.Address != address {
				t.Errorf("retryable %v, address %q", e.Retryable(), e.Address)
			}
			if _, _, refused := e.Refused(); refused {
				t.Error("a broken contract is no refusal")
			}
		})
	}
}

func graphErrors(graphs ...uint32) []*scoringv1.GraphError {
	var out []*scoringv1.GraphError
	for _, g := range graphs {
		out = append(out, &scoringv1.GraphError{Graph: g, Code: "refused", Message: "bad"})
	}
	return out
}

func TestNativeFailedGraphs(t *testing.T) {
	t.Parallel()
	served := remotetest.NewNative(1, "score")
	served.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
		r.Errors = []*scoringv1.GraphError{
			{Graph: 0, Code: "non_finite_score", Message: "node 1 of output 0\nis NaN"}, {Graph: 2, Code: "edge_out_of_range"},
		}
	}
	got, err := native(t, quick(remotetest.Serve(t, newServer(served)))).Score(t.Context(), line(2, 1, 3))
	if err != nil {
		t.Fatal(err)
	}
	want := []graph.Failure{
		{Graph: 0, Code: graph.NonFiniteScore, Message: "node 1 of output 0 is NaN"},
		{Graph: 2, Code: graph.EdgeOutOfRange, Message: "it gives no reason"},
	}
	if !slices.Equal(got.Failed, want) {
		t.Errorf("Failed = %+v", got.Failed)
	}
	if got.Values[2] != 1 {
		t.Errorf("the neighbour's score is %v", got.Values[2])
	}
}

func TestStatusCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code     codes.Code
		message  string
		pushback string
		kind     Kind
		retry    bool
		after    time.Duration
		want     string
	}{
		{codes.InvalidArgument, "edge 3 is\nodd", "", Refused, false, 0, "edge 3 is odd"},
		{codes.Unauthenticated, "who?", "", Auth, false, 0, "it does not accept the credentials: who?"},
		{codes.PermissionDenied, "no", "", Auth, false, 0, "it does not accept the credentials: no"},
		{codes.Unimplemented, "unknown service", "", Contract, false, 0, "try --protocol gcn"},
		{codes.FailedPrecondition, "two outputs", "", Contract, false, 0, "it cannot serve this run: two outputs"},
		{codes.Unavailable, "down", "", Unavailable, true, 0, "it cannot be reached: down"},
		{codes.ResourceExhausted, "busy", "", Unavailable, true, 0, "it is full: busy"},
		{codes.ResourceExhausted, "busy", "250", Unavailable, true, 250 * time.Millisecond, "it is full: busy"},
		{codes.ResourceExhausted, "busy", "999999999999", Unavailable, true, time.Minute, "it is full: busy"},
		{codes.ResourceExhausted, "busy", "-1", Unavailable, false, 0, "it is full: busy"},
		{codes.ResourceExhausted, "busy", "soon", Unavailable, false, 0, "it is full: busy"},
		{codes.ResourceExhausted, "CLIENT: Received message larger than max (9 vs. 4)", "", Refused, false, 0, "(9 vs. 4)"},
		{codes.ResourceExhausted, "received metadata size exceeds hard limit (17000 vs. 16384)", "", Contract, false, 0, "so much metadata (a token"},
		{codes.InvalidArgument, "bad", "100", Refused, false, 0, "bad"},
		{codes.DeadlineExceeded, "late", "", Unavailable, true, 0, "it fails on the request (DeadlineExceeded): late"},
		{codes.Aborted, "again", "", Unavailable, true, 0, "it fails on the request (Aborted): again"},
		{codes.Internal, "stream cut", "", Unavailable, true, 0, "it fails on the request (Internal): stream cut"},
		{codes.Unknown, "Exception calling application: 'x'", "", Unavailable, true, 0, "(Unknown): Exception calling application: 'x'"},
		{codes.Canceled, "gone", "", Unavailable, true, 0, "(Canceled): gone"},
		{codes.DataLoss, "", "", Unavailable, true, 0, "(DataLoss): it gives no reason"},
		{codes.OutOfRange, "far", "", Other, false, 0, "unexpected status OutOfRange: far"},
		{codes.NotFound, "where", "", Other, false, 0, "unexpected status NotFound: where"},
	}
	for _, test := range tests {
		t.Run(test.code.String()+" "+test.message+test.pushback, func(t *testing.T) {
			t.Parallel()
			served := remotetest.NewNative(1, "score")
			served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
				if test.pushback != "" {
					if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", test.pushback)); err != nil {
						return err
					}
				}
				return status.Error(test.code, test.message)
			}
			_, err := native(t, quick(remotetest.Serve(t, newServer(served)))).Score(t.Context(), line(2))
			e := fails(t, err, test.kind, test.want)
			if e.Code != test.code || e.Retryable() != test.retry || e.RetryAfter() != test.after {
				t.Errorf("code %v, retryable %v, after %v", e.Code, e.Retryable(), e.RetryAfter())
			}
			code, message, refused := e.Refused()
			if refused != (test.kind == Refused) || refused && (code == "" || strings.Contains(message, "127.0.0.1")) {
				t.Errorf("Refused = %q, %q, %v", code, message, refused)
			}
			if served.Calls() != 1 {
				t.Errorf("%d calls: gRPC retries by itself", served.Calls())
			}
		})
	}
}

func TestDeadlineOfTheCall(t *testing.T) {
	t.Parallel()
	served := remotetest.NewNative(1, "score")
	served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
		<-ctx.Done()
		return ctx.Err()
	}
	cfg := quick(remotetest.Serve(t, newServer(served)))
	cfg.Deadline = 50 * time.Millisecond
	n := native(t, cfg)
	_, err := n.Score(t.Context(), line(2))
	if e := fails(t, err, Unavailable, "no answer within 50ms"); !e.Retryable() {
		t.Error("it is not retryable")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := n.Score(ctx, line(2)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that ends first: %v", err)
	}
	if _, err := n.Score(cancelled(t), line(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestServerGoesAndComesBack(t *testing.T) {
	t.Parallel()
	first := newServer(remotetest.NewNative(1, "score"))
	address := remotetest.ServeUnix(t, first)
	n := native(t, quick(address))
	if _, err := n.Score(t.Context(), line(2)); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	_, err := n.Score(t.Context(), line(2))
	if e := fails(t, err, Unavailable, "it cannot be reached"); !e.Retryable() {
		t.Error("it is not retryable")
	}
	remotetest.ServeOn(t, newServer(remotetest.NewNative(1, "score")), address)
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		_, err = n.Score(t.Context(), line(2))
	}
	if err != nil {
		t.Errorf("it does not come back: %v", err)
	}
}

func TestCallsAreSpread(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := make(map[string]int)
	var addresses []string
	for range 3 {
		served := remotetest.NewNative(1, "score")
		var self string
		served.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
			time.Sleep(time.Millisecond)
			p, _ := peer.FromContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			seen[p.LocalAddr.String()]++
			return nil
		}
		self = remotetest.Serve(t, newServer(served))
		addresses = append(addresses, self)
	}
	n := native(t, quick(addresses...))
	var group errgroup.Group
	group.SetLimit(6)
	for i := range 300 {
		group.Go(func() error {
			b := randomBatch(uint64(i), shape{graphs: 4, width: 1})
			got, err := n.Score(t.Context(), b)
			if err == nil && !slices.Equal(got.Values, sums(b, 1)) {
				return fmt.Errorf("batch %d: %v", i, got.Values)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if seen[address] < 50 {
			t.Errorf("of 300 calls %v", seen)
		}
	}
}

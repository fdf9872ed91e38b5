package remote

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// A server of either protocol that vanishes while it computes, or while it is sent a request, is noticed long before the
// deadline. Nothing is sent that a server could count as pings.
func TestVanished(t *testing.T) {
	t.Parallel()
	short := patience{idle: 2 * time.Second, until: 6 * time.Second} // a busy machine may stall a connection
	for _, protocol := range []string{ProtocolNative, ProtocolGCN} {
		for _, when := range []string{"computes", "is sent a request"} {
			t.Run(protocol+" "+when, func(t *testing.T) {
				t.Parallel()
				computing, over := make(chan struct{}, 1), make(chan struct{})
				defer close(over)
				before := func(context.Context) error { computing <- struct{}{}; <-over; return nil }
				native := remotetest.NewNative(1, "score")
				native.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error { return before(ctx) }
				plain := &remotetest.GCN{Layers: []remotetest.Layer{{Weight: [][]float64{{1}}, Bias: []float64{0}}}}
				plain.Before = func(ctx context.Context, _ *gcnpb.GraphData) error { return before(ctx) }
				g := grpc.NewServer()
				native.Register(g)
				plain.Register(g)
				link := &remotetest.Link{End: remotetest.Vanish}
				if when != "computes" {
					link.Broken, link.After = 1, 1<<18
				}
				cfg := quick(link.Through(t, remotetest.Serve(t, g)))
				cfg.Protocol, cfg.Deadline, cfg.Dial = protocol, time.Hour, short.dial
				var calls errgroup.Group
				calls.Go(func() error {
					_, err := New(dialed(t, cfg), cfg, &graph.Model{InFeatures: 1, Outputs: []string{"score"}}).Score(t.Context(), line(100_000))
					if e := fails(t, err, Unavailable, "connection timed out"); e.Suspicion().Fault != graph.FaultCrashed {
						t.Errorf("%+v", e.Suspicion())
					}
					return nil
				})
				if when == "computes" {
					<-computing
					link.Break()
				}
				_ = calls.Wait() // fails ends what is wrong
				if link.Breaks() != 1 {
					t.Errorf("%d connections broke", link.Breaks())
				}
			})
		}
	}
}

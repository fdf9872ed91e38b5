//go:build faults

package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// Answers that break the contract: nothing of the batch is written, the run ends at once, and what differs is named. A
// server that behaves ends it then.
func TestAnswersThatAreWrong(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for _, test := range []struct {
		how, named string
		change     func(*scoringv1.ScoreResponse)
	}{
		{"a score too few", "nodes", func(r *scoringv1.ScoreResponse) { r.Nodes--; r.Scores = r.Scores[4:] }},
		{"a score too many", "nodes", func(r *scoringv1.ScoreResponse) { r.Nodes++; r.Scores = append(r.Scores, 0, 0, 0, 0) }},
		{"a column shorter than its count", "scores", func(r *scoringv1.ScoreResponse) { r.Scores = r.Scores[4:] }},
		{"an output too many", "outputs", func(r *scoringv1.ScoreResponse) { r.Outputs++ }},
		{"an error of a graph that was not sent", "graph", func(r *scoringv1.ScoreResponse) {
			r.Errors = append(r.Errors, &scoringv1.GraphError{Graph: 1 << 30, Code: "refused", Message: "no"})
		}},
		{"another model digest, from the fifth answer on", "digest", func(r *scoringv1.ScoreResponse) {
			r.ModelDigest = "sha256:" + strings.Repeat("0", 64)
		}},
	} {
		t.Run(test.how, func(t *testing.T) {
			t.Parallel()
			c, n := c.in(t), native()
			n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
				if n.Calls() >= 5 {
					test.change(r)
				}
			}
			said := c.run(exit.Contract, c.job(remotetest.Serve(t, serving(n)), patient), "out")
			if err := has(said, test.named); err != nil {
				t.Error(err)
			}
			if early := c.count("out"); early.Duplicated > 0 {
				t.Errorf("%+v", early)
			}
			c.run(exit.Partly, c.job(behaved(t), patient), "out")
			faulttest.Report(t, faulttest.Row{Case: "11", How: test.how, Outcome: "76, the field named; with a right server then the same bytes",
				Times: 1, Tally: c.whole("out")})
		})
	}
}

// Answers of the older protocol that are not those to the request: its scores have names, so that those that are missing, or
// another node's, are seen.
func TestNamesThatAreWrong(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	plain := func() *remotetest.GCN {
		return &remotetest.GCN{Layers: []remotetest.Layer{{Weight: [][]float64{{1, 1}}, Bias: []float64{0}}}}
	}
	serve := func(t *testing.T, s *remotetest.GCN) string {
		t.Helper()
		g := grpc.NewServer()
		s.Register(g)
		return remotetest.Serve(t, g)
	}
	flags := []string{"--protocol", "gcn", "--model-version", "1"}
	for how, change := range map[string]func(first string, scores map[string]float32){
		"gcn: no score of a node":             func(first string, scores map[string]float32) { delete(scores, first) },
		"gcn: a score of a node too much":     func(_ string, scores map[string]float32) { scores["nobody"] = 1 },
		"gcn: another id in the place of one": func(first string, scores map[string]float32) { scores["nobody"] = scores[first]; delete(scores, first) },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c, bad := c.in(t), plain()
			var calls atomic.Int64
			bad.Change = func(data *gcnpb.GraphData, result *gcnpb.GCNResult) {
				if calls.Add(1) >= 100 {
					change(data.GetNodes()[0].GetId(), result.NodeScores)
				}
			}
			said, code := c.ends(c.job(serve(t, bad), ""), "out", flags...)
			if err := has(said, "node_scores"); err != nil || code != exit.Contract {
				t.Errorf("exit code %d, %v", code, err)
			}
			if early := c.count("out"); early.Duplicated > 0 {
				t.Errorf("%+v", early)
			}
			c.run(exit.Partly, c.job(serve(t, plain()), ""), "out", flags...)
			faulttest.Report(t, faulttest.Row{Case: "11", How: how, Outcome: "76, the field named; with a right server then each graph once",
				Times: 1, Tally: c.count("out")})
		})
	}
}

// Scores that are no numbers, or not finite: the graph is in quarantine, its neighbours are scored.
func TestScoresThatAreNotFinite(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for name, bits := range map[string]uint32{
		"NaN": math.Float32bits(float32(math.NaN())), "Inf": math.Float32bits(float32(math.Inf(1))), "-Inf": math.Float32bits(float32(math.Inf(-1))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, n, times := c.in(t), native(), 0
			n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
				binary.LittleEndian.PutUint32(r.Scores, bits)
			}
			c.run(exit.Partly, c.job(remotetest.Serve(t, serving(n)), patient), "out")
			files, err := read(c.path("out"))
			if err != nil {
				t.Fatal(err)
			}
			for name, content := range files {
				if kindOf(name) == quarantine {
					times += strings.Count(content, `"code":"non_finite_score"`)
				}
			}
			faulttest.Report(t, faulttest.Row{Case: "11b", How: "the first score of every answer is " + name,
				Outcome: "3, that graph in quarantine as non_finite_score", Times: times, Tally: c.count("out")})
		})
	}
}

// Two runs into one output: the second ends at once, and says who has it.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	c, n := newTrial(t).in(t), native()
	scoring, goOn := make(chan struct{}, 1000), make(chan struct{})
	n.Change = func(*scoringv1.ScoreRequest, *scoringv1.ScoreResponse) {
		scoring <- struct{}{}
		<-goOn
	}
	job := c.job(remotetest.Serve(t, serving(n)), "limits: {deadline: 5m}\n")
	var first errgroup.Group
	first.Go(func() error {
		if said, code := c.ends(job, "out"); code != exit.Partly {
			return fmt.Errorf("exit code %d\n%s", code, said)
		}
		return nil
	})
	<-scoring
	said, code := c.ends(job, "out")
	close(goOn)
	if err := errors.Join(has(said, "is held by pid"), first.Wait()); err != nil || code != exit.Locked {
		t.Fatalf("exit code %d, %v", code, err)
	}
	faulttest.Report(t, faulttest.Row{Case: "23", How: "a second run begins while the first scores",
		Outcome: "75 at once, naming the other; the first as undisturbed, the same bytes", Times: 1, Tally: c.whole("out")})
}

// A run that is killed leaves its lock file: the next run takes it.
func TestLockOfTheDead(t *testing.T) {
	t.Parallel()
	c, n := newTrial(t).in(t), native()
	scoring := make(chan struct{}, 1000)
	n.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
		scoring <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	cmd := exec.CommandContext(t.Context(), must(filepath.Abs(program)), "run", c.job(remotetest.Serve(t, serving(n)), lasting), "--output", c.path("out"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-scoring
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // a signal is what is expected
	if _, err := os.Stat(c.path("out", "_lock")); err != nil {
		t.Errorf("the killed run had no lock: %v", err)
	}
	c.run(exit.Partly, c.job(behaved(t), patient), "out")
	faulttest.Report(t, faulttest.Row{Case: "23", How: "a run that holds the output is killed (SIGKILL), and leaves its lock file",
		Outcome: "the next takes it: as undisturbed, the same bytes", Times: 1, Tally: c.whole("out")})
}

// Another model between two runs: refused with both digests, and nothing is touched.
func TestModelChanges(t *testing.T) {
	t.Parallel()
	c, other := newTrial(t).in(t), native()
	c.run(exit.Partly, c.job(behaved(t), ""), "out")
	other.Model.Digest = "sha256:" + strings.Repeat("1", 64)
	address := remotetest.Serve(t, serving(other))
	said := c.run(exit.Config, c.job(address, ""), "out")
	if err := has(said, remotetest.Digest, other.Model.Digest); err != nil {
		t.Error(err)
	}
	tally := c.whole("out")
	c.run(exit.Config, c.job(behaved(t), "limits: {message_bytes: 1MiB}\n"), "out")
	tally.Add(c.whole("out"))
	faulttest.Report(t, faulttest.Row{Case: "25", How: "another model digest, and another setting, between two runs",
		Outcome: "78, naming both; nothing is touched", Times: 2, Tally: tally})
}

package remote

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	first, second := remotetest.NewNative(3, "a", "b"), remotetest.NewNative(3, "a", "b")
	second.Model.MaxMessageBytes = 5 << 20
	second.Model.Blas = "other"
	warnings := new(bytes.Buffer)
	cfg := quick(remotetest.Serve(t, newServer(first)), remotetest.ServeUnix(t, newServer(second)))
	cfg.Log = slog.New(slog.NewTextHandler(warnings, nil))
	m, err := describe(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "sum" || m.Digest != remotetest.Digest || m.InFeatures != 3 || !slices.Equal(m.Outputs, []string{"a", "b"}) ||
		m.MaxMessageBytes != 5<<20 || m.Engine != "go" || m.BLAS != "none" || m.Versions["go"] != "1" {
		t.Errorf("Describe = %+v", m)
	}
	if !strings.Contains(warnings.String(), "servers compute with different versions") {
		t.Errorf("no warning: %s", warnings)
	}
	if first.Calls()+second.Calls() != 0 {
		t.Error("the preflight scores")
	}
}

func TestDescribeGCN(t *testing.T) {
	t.Parallel()
	cfg := quick(remotetest.Serve(t, newServer(reference(1))))
	cfg.Protocol, cfg.ModelVersion, cfg.MaxMessageBytes = ProtocolGCN, "v7", 1<<20
	m, err := describe(t, cfg)
	if err != nil || m.Digest != "v7" || m.InFeatures != 0 || !slices.Equal(m.Outputs, []string{"score"}) || m.MaxMessageBytes != 1<<20 {
		t.Errorf("Describe = %+v, %v", m, err)
	}
}

func TestDescribeWaitsForHealth(t *testing.T) {
	t.Parallel()
	state := health.NewServer()
	state.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	served := newServer(remotetest.NewNative(1, "score"))
	healthpb.RegisterHealthServer(served, state)
	address := remotetest.Serve(t, served)

	fails(t, unanswered(t, "NOT_SERVING", address), Unavailable, "(it says that it is busy, draining or not ready: NOT_SERVING)")

	timer := time.AfterFunc(100*time.Millisecond, func() { state.SetServingStatus("", healthpb.HealthCheckResponse_SERVING) })
	defer timer.Stop()
	if _, err := describe(t, quick(address)); err != nil {
		t.Error(err)
	}
}

func TestDescribeWaitsForTheServer(t *testing.T) {
	t.Parallel()
	address := remotetest.Reserved(t)
	var group errgroup.Group
	group.Go(func() error {
		time.Sleep(200 * time.Millisecond)
		remotetest.ServeOn(t, newServer(remotetest.NewNative(1, "score")), address)
		return nil
	})
	_, err := describe(t, quick(address))
	_ = group.Wait()
	if err != nil {
		t.Error(err)
	}
}

// silent gives the address of something that takes connections and says nothing, or says what it is given.
func silent(t *testing.T, says string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	var open []net.Conn
	group.Go(func() error {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return nil
			}
			_, _ = conn.Write([]byte(says))
			open = append(open, conn)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		_ = group.Wait()
		for _, conn := range open {
			_ = conn.Close()
		}
	})
	return listener.Addr().String()
}

func TestDescribeAbsent(t *testing.T) {
	t.Parallel()
	nobody := remotetest.Reserved(t)
	tests := map[string]struct {
		addresses []string
		want      string
	}{
		"refused":    {[]string{nobody}, "scorer at " + nobody + ": no answer within 300ms (it cannot be reached: "},
		"no socket":  {[]string{"unix:/nowhere/s"}, "no such file or directory); start the server or correct its address"},
		"no name":    {[]string{"no-such-host.invalid:1"}, "no-such-host.invalid"},
		"two":        {[]string{nobody, "unix:/nowhere/s"}, "scorer at " + nobody + ",unix:/nowhere/s: no answer within 300ms (" + nobody + ": it cannot"},
		"silent":     {[]string{silent(t, "")}, "no answer within 300ms (no response)"},
		"web server": {[]string{silent(t, "HTTP/1.1 400 Bad Request\r\n\r\n")}, "it cannot be reached: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Log(fails(t, unanswered(t, test.want, test.addresses...), Unavailable, test.want))
		})
	}
}

// unanswered is how describing ends within a time that reaches for the cause that is expected. A busy machine may not
// have come to the cause yet when a short one ends: then it is tried with a longer one.
func unanswered(t *testing.T, want string, addresses ...string) error {
	t.Helper()
	cfg := quick(addresses...)
	for cfg.ConnectTimeout = 300 * time.Millisecond; ; cfg.ConnectTimeout *= 10 {
		_, err := describe(t, cfg)
		if err == nil || cfg.ConnectTimeout > 10*time.Second {
			return err
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), cfg.ConnectTimeout.String(), "300ms"), want) {
			return err
		}
	}
}

func TestDescribeGoesOnWithoutOne(t *testing.T) {
	t.Parallel()
	warnings := new(bytes.Buffer)
	cfg := quick(remotetest.Reserved(t), remotetest.Serve(t, newServer(remotetest.NewNative(1, "score"))), silent(t, ""))
	cfg.Log = slog.New(slog.NewTextHandler(warnings, nil))
	conn := dialed(t, cfg)
	m, err := Describe(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(warnings.String(), "a server does not answer") != 2 {
		t.Errorf("warnings: %s", warnings)
	}
	n := NewNative(conn, cfg, m)
	for range 20 {
		if _, err := n.Score(t.Context(), line(2)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDescribeContract(t *testing.T) {
	t.Parallel()
	type model = scoringv1.GetModelResponse
	tests := map[string]struct {
		change func(*model)
		want   string
	}{
		"no digest":       {func(m *model) { m.Digest = "" }, "digest is empty"},
		"no features":     {func(m *model) { m.InFeatures = 0 }, "in_features is 0"},
		"no outputs":      {func(m *model) { m.Outputs = nil }, "outputs is empty"},
		"empty output":    {func(m *model) { m.Outputs = []string{""} }, `outputs has the name ""`},
		"doubled output":  {func(m *model) { m.Outputs = []string{"a", "a"} }, `outputs has the name "a"`},
		"reserved output": {func(m *model) { m.Outputs = []string{"node_id"} }, `outputs has the name "node_id"`},
		"no limit":        {func(m *model) { m.MaxMessageBytes = 0 }, "max_message_bytes is 0"},
		"other level":     {func(m *model) { m.Level = "pair" }, `level is "pair", known are node, edge and graph`},
		"output of edges": {func(m *model) { m.Level, m.Outputs = "edge", []string{"source"} }, `outputs has the name "source"`},
		"other input":     {func(m *model) { m.Inputs = takes("x", 1, "pos", 3) }, `inputs names the column "pos", which this version of graphscore does not know`},
		"input twice":     {func(m *model) { m.Inputs = takes("edge_attr", 1, "edge_attr", 3) }, "inputs names edge_attr twice"},
		"no width":        {func(m *model) { m.Inputs = takes("edge_attr", 0) }, "inputs has edge_attr with the width 0"},
		"another width":   {func(m *model) { m.Inputs = takes("x", 2) }, "inputs has x with the width 2, but in_features is 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := remotetest.NewNative(1, "score")
			test.change(served.Model)
			_, err := describe(t, quick(remotetest.Serve(t, newServer(served))))
			fails(t, err, Contract, test.want)
		})
	}
}

// takes is the inputs of a model, as names and widths.
func takes(pairs ...any) []*scoringv1.ModelInput {
	var inputs []*scoringv1.ModelInput
	for i := 0; i < len(pairs); i += 2 {
		inputs = append(inputs, &scoringv1.ModelInput{Name: pairs[i].(string), Width: uint32(pairs[i+1].(int))})
	}
	return inputs
}

func TestDescribeLevelAndInputs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level  string
		inputs []*scoringv1.ModelInput
		want   graph.Level
		reads  graph.Inputs
	}{
		"an older server": {"", nil, graph.NodeLevel, graph.Inputs{Weights: true}},
		"features alone":  {"node", takes("x", 1), graph.NodeLevel, graph.Inputs{}},
		"edges": {
			"edge", takes("x", 1, "edge_attr", 3, "edge_type", 4, "graph_attr", 5, "edge_weight", 1), graph.EdgeLevel,
			graph.Inputs{EdgeWidth: 3, EdgeTypes: 4, GraphWidth: 5, Weights: true, NeedWeights: true},
		},
		"graphs": {"graph", takes("x", 1, "edge_weight", 1), graph.GraphLevel, graph.Inputs{Weights: true, NeedWeights: true}},
		"graphscore/1": {
			"node", append(takes("x", 1), &scoringv1.ModelInput{Name: "edge_weight", Width: 1, Optional: true}), graph.NodeLevel,
			graph.Inputs{Weights: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := remotetest.NewNative(1, "score")
			served.Model.Level, served.Model.Inputs = c.level, c.inputs
			m, err := describe(t, quick(remotetest.Serve(t, newServer(served))))
			if err != nil || m.Level != c.want || m.Inputs != c.reads {
				t.Errorf("Describe = %+v, %v", m, err)
			}
		})
	}
}

func TestDescribeModelsDiffer(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*scoringv1.GetModelResponse){
		`model_digest is "sha256:ff", but "` + remotetest.Digest + `"`: func(m *scoringv1.GetModelResponse) { m.Digest = "sha256:ff" },
		"in_features 2 and outputs [score] differ from 1 and [score]":  func(m *scoringv1.GetModelResponse) { m.InFeatures = 2 },
		"level graph and inputs": func(m *scoringv1.GetModelResponse) { m.Level = "graph" },
	}
	for want, change := range tests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			first, second := remotetest.NewNative(1, "score"), remotetest.NewNative(1, "score")
			change(second.Model)
			one, two := remotetest.Serve(t, newServer(first)), remotetest.Serve(t, newServer(second))
			_, err := describe(t, quick(one, two))
			if e := fails(t, err, Contract, want); e.Address != two || !strings.Contains(e.Error(), " at "+one) {
				t.Errorf("%v of address %q, want %q", e, e.Address, two)
			}
		})
	}
}

func TestDescribeOtherProtocol(t *testing.T) {
	t.Parallel()
	address := remotetest.Serve(t, newServer(reference(1)))
	_, err := describe(t, quick(address))
	fails(t, err, Contract, "it does not speak the native protocol (unknown service graphscore.v1.ScoringService); try --protocol gcn")
}

func TestDescribeCancelled(t *testing.T) {
	t.Parallel()
	cfg := quick(silent(t, ""))
	conn := dialed(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Describe(ctx, conn, cfg); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Describe = %v", err)
	}
	if _, err := Describe(cancelled(t), conn, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("Describe = %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	good := Config{Addresses: []string{"a:1", "unix:/s", "[::1]:2", "a:1"}}.WithDefaults()
	if err := good.Validate(); err != nil || len(good.Addresses) != 3 || good.MaxMessageBytes != DefaultMaxMessageBytes {
		t.Fatalf("%v, %+v", err, good)
	}
	tests := map[string]Config{
		"no server address":                {},
		`"localhost" is neither host:port`: {Addresses: []string{"localhost"}},
		`":9999" is neither host:port`:     {Addresses: []string{":9999"}},
		`"unix:" names no socket`:          {Addresses: []string{"unix:"}},
		`has the port "x"`:                 {Addresses: []string{"a:x"}},
		`has the port "70000"`:             {Addresses: []string{"a:70000"}},
		`protocol "grpc" is not known`:     {Addresses: []string{"a:1"}, Protocol: "grpc"},
		"message limit 5 is out of range":  {Addresses: []string{"a:1"}, MaxMessageBytes: 5},
		"deadline -1ns":                    {Addresses: []string{"a:1"}, Deadline: -1},
	}
	for want, cfg := range tests {
		if _, err := Dial(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dial(%+v) = %v, want %s", cfg, err, want)
		}
	}
	for address, want := range map[string]string{"unix:/a": "/a", "unix:///a": "/a", "unix:a": "a"} {
		if got, unix := unixPath(address); got != want || !unix {
			t.Errorf("unixPath(%q) = %q, %v", address, got, unix)
		}
	}
}

func TestGoAwayLosesNothing(t *testing.T) {
	t.Parallel()
	first := newServer(remotetest.NewNative(1, "score"))
	second := newServer(remotetest.NewNative(1, "score"))
	n := native(t, quick(remotetest.ServeUnix(t, first), remotetest.Serve(t, second)))
	var group errgroup.Group
	group.Go(func() error {
		time.Sleep(20 * time.Millisecond)
		first.GracefulStop()
		return nil
	})
	for range 200 {
		if _, err := n.Score(t.Context(), line(2)); err != nil {
			t.Fatal(err)
		}
	}
	_ = group.Wait()
}

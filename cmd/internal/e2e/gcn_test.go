//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
)

// old is what the tests of the older protocol share: some molecules, a model, and its scores by the native protocol.
type old struct {
	input, model string
	layers       []remotetest.Layer
	native       scores
	stubs        []string // the environment that has the stubs of grpc_tools
}

const oldGraphs = 200

func newOld(t *testing.T) *old {
	t.Helper()
	folder := t.TempDir()
	o := &old{input: absolute(t, example+"/data/held-back.parquet"), layers: layers(16, 32, 1), stubs: []string{"PYTHONPATH=" + folder}}
	o.model = writeModel(t, filepath.Join(folder, "model"), o.layers)
	run(t, 0, "run", "--input", o.input, "--output", filepath.Join(folder, "out"), "--model", o.model, "--limit", strconv.Itoa(oldGraphs))
	o.native = readScores(t, filepath.Join(folder, "out", "held-back.parquet"), "score")
	out, err := exec.CommandContext(t.Context(), venv, "-m", "grpc_tools.protoc", "-I", root+"/proto/gcn",
		"--python_out="+folder, "--grpc_python_out="+folder, "gcn.proto").CombinedOutput()
	if err != nil {
		t.Fatalf("generating stubs: %v\n%s", err, out)
	}
	return o
}

// score runs our client against a server of the older protocol.
func (o *old) score(t *testing.T, code int, address string) (outcome, string) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out")
	return run(t, code, "run", "--input", o.input, "--output", output, "--server", address, "--protocol", "gcn",
		"--model-version", "2026-11", "--limit", strconv.Itoa(oldGraphs)), output
}

// Our client against unmodified servers, and against ours: the scores are those of the native protocol.
func TestOldServers(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	for _, test := range []struct {
		name    string
		address func(*testing.T) string
	}{
		{"ours", func(t *testing.T) string { return serveModel(t, o.model).address }},
		{"a Python one", func(t *testing.T) string { return serve(t, o.stubs, "testdata/naive_server.py", o.model).address }},
		{"a Go one", func(t *testing.T) string {
			server := grpc.NewServer()
			(&remotetest.GCN{Layers: o.layers}).Register(server)
			return remotetest.Serve(t, server)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, output := o.score(t, 0, test.address(t))
			part := filepath.Join(output, "held-back.parquet")
			readScores(t, part, "score").near(t, o.native)
			if ledger := python(t, "footer.py", part); !strings.Contains(ledger, "2026-11") {
				t.Errorf("the footer does not tell the version of the model: %s", ledger)
			}
		})
	}
	for _, fault := range []string{"missing", "extra"} {
		t.Run("a Python one with ids "+fault, func(t *testing.T) {
			out, output := o.score(t, 76, serve(t, o.stubs, "testdata/naive_server.py", o.model, fault).address)
			if said := out.sentence(t); !strings.Contains(said, "node_scores") {
				t.Errorf("it says %q", said)
			}
			same(t, sums(t, output), nil)
		})
	}
}

// serveModel starts our server.
func serveModel(t *testing.T, model string, args ...string) serving {
	t.Helper()
	return serve(t, nil, append([]string{"-m", "graphscore", "serve", "--model", model, "--listen", "127.0.0.1:0", "--log-format", "text"}, args...)...)
}

// Unmodified clients against our server.
func TestOldClients(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	address := serveModel(t, o.model).address

	t.Run("a Python one", func(t *testing.T) {
		t.Parallel()
		got := scores{}
		for line := range strings.Lines(pythonWith(t, o.stubs, "naive_client.py", address, o.input, strconv.Itoa(oldGraphs))) {
			var answer struct {
				Graph  string
				Scores map[string]float32
			}
			if err := json.Unmarshal([]byte(line), &answer); err != nil {
				t.Fatal(err)
			}
			for name, score := range answer.Scores {
				got[node{answer.Graph, name}] = score
			}
		}
		got.near(t, o.native)
	})

	t.Run("a Go one, 1024 calls at once", func(t *testing.T) {
		t.Parallel()
		client := dialOld(t, address)
		reference := &remotetest.GCN{Layers: o.layers}
		var group errgroup.Group
		for i := range 1024 {
			group.Go(func() error {
				data, features, edges := ring(3+i%5, 16, i)
				result, err := client.ProcessGraph(t.Context(), data)
				if err != nil {
					return err
				}
				want := scores{}
				for n, row := range reference.Scores(features, edges) {
					want[node{"", strconv.Itoa(n)}] = float32(row[0])
				}
				got := scores{}
				for id, score := range result.GetNodeScores() {
					got[node{"", strings.TrimPrefix(id, "node-")}] = score
				}
				got.near(t, want)
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})

	t.Run("mistakes are named", func(t *testing.T) {
		t.Parallel()
		client := dialOld(t, address)
		for name, spoil := range map[string]func(*gcnpb.GraphData){
			"node-1":  func(d *gcnpb.GraphData) { d.Nodes[1].Features = d.Nodes[1].Features[1:] },
			"node-99": func(d *gcnpb.GraphData) { d.Edges[0].SourceId = "node-99" },
			"node-0":  func(d *gcnpb.GraphData) { d.Nodes[2].Id = "node-0" },
		} {
			data, _, _ := ring(3, 16, 0)
			spoil(data)
			_, err := client.ProcessGraph(t.Context(), data)
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	t.Run("a model of two outputs is not for it", func(t *testing.T) {
		t.Parallel()
		two := serveModel(t, writeModel(t, t.TempDir(), layers(16, 8, 2)))
		data, _, _ := ring(3, 16, 0)
		if _, err := dialOld(t, two.address).ProcessGraph(t.Context(), data); status.Code(err) != codes.FailedPrecondition {
			t.Error(err)
		}
		if out, _ := o.score(t, 76, two.address); !strings.Contains(out.sentence(t), two.address) {
			t.Errorf("it says %q", out.sentence(t))
		}
	})
}

// dialOld connects as users of gcn.proto do.
func dialOld(t *testing.T, address string) gcnpb.GCNServiceClient {
	t.Helper()
	if _, _, err := net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return gcnpb.NewGCNServiceClient(conn)
}

// ring makes a graph, as a message and as numbers.
func ring(nodes, width, seed int) (data *gcnpb.GraphData, features [][]float64, edges [][2]int) {
	data = &gcnpb.GraphData{}
	for n := range nodes {
		row, wire := make([]float64, width), make([]float32, width)
		for i := range row {
			row[i] = float64((seed+7*n+3*i)%11) / 8
			wire[i] = float32(row[i])
		}
		features = append(features, row)
		edges = append(edges, [2]int{n, (n + 1) % nodes})
		data.Nodes = append(data.Nodes, &gcnpb.Node{Id: fmt.Sprintf("node-%d", n), Features: wire})
		data.Edges = append(data.Edges, &gcnpb.Edge{SourceId: fmt.Sprintf("node-%d", n), TargetId: fmt.Sprintf("node-%d", (n+1)%nodes)})
	}
	return data, features, edges
}

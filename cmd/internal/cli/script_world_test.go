package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
	scoringv1 "graphscore/proto/graphscore/v1"
	"graphscore/writers"
	"graphscore/writers/record"
)

// scorer NAME [options] starts a server for the rest of the script and puts its address into the variable NAME.
func scorer(ts *testscript.TestScript, _ bool, args []string) {
	flags := flag.NewFlagSet("scorer", flag.ContinueOnError)
	protocol := flags.String("protocol", "native", "native, gcn or none")
	width := flags.Int("width", 2, "features of a node")
	outputs := flags.String("outputs", "score", "names of the outputs")
	digest := flags.String("digest", remotetest.Digest, "digest of the model")
	fault := flags.String("fault", "", "what the server does wrong")
	headers := flags.String("headers", "", "file for what calls carry beside their requests")
	if len(args) < 1 {
		ts.Fatalf("usage: scorer NAME [options]")
	}
	ts.Check(flags.Parse(args[1:]))
	server := grpc.NewServer(grpc.UnaryInterceptor(noteHeaders(ts, *headers)))
	switch *protocol {
	case "native":
		native := remotetest.NewNative(*width, strings.Split(*outputs, ",")...)
		native.Model.Digest = *digest
		ts.Check(misbehave(native, *fault))
		native.Register(server)
	case "gcn":
		gcn := &remotetest.GCN{Layers: []remotetest.Layer{{Weight: [][]float64{ones(*width)}, Bias: []float64{0}}}}
		ts.Check(misbehaveGCN(gcn, *fault))
		gcn.Register(server)
	}
	setAddress(ts, args[0], served(ts, server, func() error { return nil }))
}

// served serves until the end of the script, which fails where serving did or where ended gives an error. It gives
// the address.
func served(ts *testscript.TestScript, server *grpc.Server, ended func() error) string {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	var group errgroup.Group
	group.Go(func() error { return server.Serve(listener) })
	ts.Defer(func() {
		server.Stop()
		ts.Check(errors.Join(group.Wait(), ended()))
	})
	return listener.Addr().String()
}

func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// misbehave makes a native server break its contract in one way.
func misbehave(n *remotetest.Native, fault string) error {
	switch fault {
	case "":
	case "digest": // another model answers
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			r.ModelDigest = "sha256:" + strings.Repeat("0", 64)
		}
	case "short": // a score too few, and the counts agree with it
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Nodes--; r.Scores = r.Scores[4:] }
	case "bytes": // a score too few in the column only
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Scores = r.Scores[4:] }
	case "outputs":
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Outputs++ }
	case "graph": // it complains about a graph that is not there
		n.Change = func(q *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			r.Errors = append(r.Errors, &scoringv1.GraphError{Graph: q.GetGraphs(), Code: "refused", Message: "no"})
		}
	case "nan": // the first score of every answer is no number
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			copy(r.Scores, []byte{0, 0, 0xc0, 0x7f})
		}
	case "drift": // the first score of every answer is a quarter more
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			score := math.Float32frombits(binary.LittleEndian.Uint32(r.Scores)) + 0.25
			copy(r.Scores, float32bytes(score))
		}
	case "refuses": // every request with a feature of 3: the graph with the number 3
		n.Before = func(_ context.Context, q *scoringv1.ScoreRequest) error {
			for i := 0; i+4 <= len(q.GetFeatures()); i += 8 {
				if bytes.Equal(q.GetFeatures()[i:i+4], float32bytes(3)) {
					return status.Error(codes.InvalidArgument, "no threes, please")
				}
			}
			return nil
		}
	case "secret":
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
			return status.Error(codes.Unauthenticated, "no token")
		}
	case "hang":
		n.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error { <-ctx.Done(); return ctx.Err() }
	case "slow": // long enough for a bar to move
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error { time.Sleep(time.Second); return nil }
	case "full":
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
			return status.Error(codes.ResourceExhausted, "queue is full")
		}
	case "internal":
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error { return status.Error(codes.Internal, "it broke") }
	case "flaky": // the first call fails, as when a worker dies
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
			if n.Calls() == 1 {
				return status.Error(codes.Unavailable, "restarting")
			}
			return nil
		}
	default:
		return fmt.Errorf("no fault %q", fault)
	}
	return nil
}

func float32bytes(v float32) []byte {
	bits := math.Float32bits(v)
	return []byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)}
}

func misbehaveGCN(g *remotetest.GCN, fault string) error {
	switch fault {
	case "":
	case "missing":
		g.Change = func(q *gcnpb.GraphData, r *gcnpb.GCNResult) { delete(r.NodeScores, q.GetNodes()[0].GetId()) }
	case "extra":
		g.Change = func(_ *gcnpb.GraphData, r *gcnpb.GCNResult) { r.NodeScores["ghost"] = 1 }
	default:
		return fmt.Errorf("no fault %q", fault)
	}
	return nil
}

// holds DIR locks an output for the rest of the script, as another run would.
func holds(ts *testscript.TestScript, _ bool, args []string) {
	o, err := writers.Open(context.Background(), writers.Config{
		Dir: ts.MkAbs(args[0]), RunID: "20260102T030405Z-00000001", Version: "test",
	})
	ts.Check(err)
	ts.Defer(func() { ts.Check(o.Close()) })
}

// jsonValue: json FILE KEY.KEY WANT compares a value in a JSON document. A number as a key is a place in a list.
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE KEY.KEY WANT")
	}
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &value))
	for key := range strings.SplitSeq(args[1], ".") {
		var there bool
		switch v := value.(type) {
		case map[string]any:
			value, there = v[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err == nil && i < len(v) {
				value, there = v[i], true
			}
		}
		if !there {
			ts.Fatalf("%s: no key %q", args[1], key)
		}
	}
	if got := fmt.Sprint(value); (got == args[2]) == neg {
		ts.Fatalf("%s is %q", args[1], got)
	}
}

// runRecord: record FILE says that the file is one run record and nothing else, with every key.
func runRecord(ts *testscript.TestScript, _ bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var value any
	ts.Check(d.Decode(&value))
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("more follows the document: %v", err)
	}
	keys(ts, "", reflect.TypeFor[record.Run](), value)
}

// keys checks that value has exactly the keys of a struct, all the way down, and no null.
func keys(ts *testscript.TestScript, at string, t reflect.Type, value any) {
	switch t.Kind() {
	case reflect.Struct:
		object, is := value.(map[string]any)
		if !is || len(object) != t.NumField() {
			ts.Fatalf("%s: %v is not the object of %d keys that is promised", at, value, t.NumField())
		}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			inner, there := object[name]
			if !there {
				ts.Fatalf("%s.%s is not there", at, name)
			}
			keys(ts, at+"."+name, t.Field(i).Type, inner)
		}
	case reflect.Slice:
		list, is := value.([]any)
		if !is {
			ts.Fatalf("%s: %v is no list", at, value)
		}
		for i, inner := range list {
			keys(ts, fmt.Sprintf("%s[%d]", at, i), t.Elem(), inner)
		}
	default:
		if value == nil {
			ts.Fatalf("%s is null", at)
		}
	}
}

// narrow FILE: no line is wider than a terminal.
func narrow(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			ts.Fatalf("a line of %d columns: %s", n, line)
		}
	}
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/remote/remotetest"
	"graphscore/writers"
	"graphscore/writers/record"
)

// scorer NAME [options] starts a server, see jobtest.Scorer, for the rest of the script and puts its address into the variable NAME.
func scorer(ts *testscript.TestScript, _ bool, args []string) {
	flags := flag.NewFlagSet("scorer", flag.ContinueOnError)
	var s jobtest.Scorer
	flags.StringVar(&s.Protocol, "protocol", "native", "native, gcn or none")
	flags.IntVar(&s.Width, "width", 2, "features of a node")
	outputs := flags.String("outputs", "score", "names of the outputs")
	flags.StringVar(&s.Digest, "digest", remotetest.Digest, "digest of the model")
	flags.StringVar(&s.Level, "level", "", "level of the model; empty: the server knows nodes alone")
	inputs := flags.String("inputs", "", "columns that the model reads beside features, as name=width,...")
	steps := flags.String("steps", "", "steps whose values can be had, as name=level=width,...")
	flags.StringVar(&s.Fault, "fault", "", "what the server does wrong")
	headers := flags.String("headers", "", "file for what calls carry beside their requests")
	if len(args) < 1 {
		ts.Fatalf("usage: scorer NAME [options]")
	}
	ts.Check(flags.Parse(args[1:]))
	server := grpc.NewServer(grpc.UnaryInterceptor(noteHeaders(ts, *headers)))
	s.Outputs = strings.Split(*outputs, ",")
	if *inputs != "" {
		s.Inputs = strings.Split(*inputs, ",")
	}
	if *steps != "" {
		s.Steps = strings.Split(*steps, ",")
	}
	ts.Check(s.Register(server))
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

// runRecord: record FILE says that the file is one run record as --json prints it and nothing else, with every key.
func runRecord(ts *testscript.TestScript, _ bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var value any
	ts.Check(d.Decode(&value))
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("more follows the document: %v", err)
	}
	object, is := value.(map[string]any)
	if !is || object["code"] != object["exit_code"] {
		ts.Fatalf("code is %v, exit_code %v", object["code"], object["exit_code"])
	}
	delete(object, "code")
	keys(ts, "", reflect.TypeFor[record.Run](), value)
}

// keys checks that value has exactly the keys of a struct, all the way down, and no null. Those with omitempty may be left
// out, as settings do with what has its default.
func keys(ts *testscript.TestScript, at string, t reflect.Type, value any) {
	switch t.Kind() {
	case reflect.Struct:
		object, is := value.(map[string]any)
		left := 0
		for i := range t.NumField() {
			name, option, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			inner, there := object[name]
			if !there && option == "omitempty" {
				left++
				continue
			}
			if !there {
				ts.Fatalf("%s.%s is not there", at, name)
			}
			keys(ts, at+"."+name, t.Field(i).Type, inner)
		}
		if !is || len(object) != t.NumField()-left {
			ts.Fatalf("%s: %v is not the object of %d keys that is promised", at, value, t.NumField()-left)
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

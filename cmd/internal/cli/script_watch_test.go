package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sync/errgroup"

	dto "github.com/prometheus/client_model/go"

	"graphscore/pipeline/remote/remotetest"
)

// watcher NAME FILE [options] starts an HTTP server for the rest of the script, a monitor, a Pushgateway or a collector
// of traces, puts its URL into the variable NAME and writes every request into FILE: method, path and query, then the body with
// two blanks before each line. Pushed metrics and spans are written as text, and who pushes as "Authorization: ...".
func watcher(ts *testscript.TestScript, _ bool, args []string) {
	flags := flag.NewFlagSet("watcher", flag.ContinueOnError)
	fault := flags.String("fault", "", "hang, or the status of every answer; once-STATUS of the first answer only")
	if len(args) < 2 {
		ts.Fatalf("usage: watcher NAME FILE [options]")
	}
	ts.Check(flags.Parse(args[2:]))
	w := &watching{file: ts.MkAbs(args[1]), fault: *fault, done: make(chan struct{})}
	ts.Check(os.WriteFile(w.file, nil, 0o666))
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	server := &http.Server{Handler: w}
	var group errgroup.Group
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	ts.Defer(func() {
		close(w.done)
		ts.Check(server.Shutdown(context.Background()))
		ts.Check(errors.Join(group.Wait(), w.failed))
	})
	setAddress(ts, args[0], "http://"+listener.Addr().String())
}

// watching writes down what it is told.
type watching struct {
	file, fault string
	done        chan struct{} // the script has ended

	mu       sync.Mutex
	requests int
	failed   error
}

func (w *watching) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	w.note(request)
	fault, once := strings.CutPrefix(w.fault, "once-")
	switch {
	case fault == "" || once && w.requests > 1:
	case fault == "hang":
		select {
		case <-request.Context().Done():
		case <-w.done:
		}
	default:
		var status int
		_, _ = fmt.Sscan(fault, &status)
		response.WriteHeader(status)
		fmt.Fprintln(response, "a long\nexplanation")
	}
}

func (w *watching) note(request *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	body, err := io.ReadAll(request.Body)
	text := string(body)
	if format := expfmt.ResponseFormat(request.Header); format.FormatType() == expfmt.TypeProtoDelim {
		text, err = asText(body, format)
	} else if request.URL.Path == tracesPath {
		text, err = spansText(body)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", request.Method, request.URL)
	if who := request.Header.Get("Authorization"); who != "" {
		fmt.Fprintf(&b, "  Authorization: %s\n", who)
	}
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	w.failed = errors.Join(w.failed, err, appendTo(w.file, b.String()))
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// asText writes pushed metrics as a textfile has them.
func asText(body []byte, format expfmt.Format) (string, error) {
	var b strings.Builder
	for decoder := expfmt.NewDecoder(bytes.NewReader(body), format); ; {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err == nil {
			_, err = expfmt.MetricFamilyToText(&b, &family)
		}
		if err != nil {
			return "", err
		}
	}
}

// port NAME puts an address that is kept for the script into the variable NAME: whoever is told of it can listen there.
func port(ts *testscript.TestScript, _ bool, args []string) {
	address, release, err := remotetest.Reserve()
	ts.Check(err)
	ts.Defer(func() { ts.Check(release()) })
	setAddress(ts, args[0], address)
}

// scrape URL FILE PATTERN writes what the URL answers into FILE, once the answer has the pattern.
func scrape(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: scrape URL FILE PATTERN")
	}
	pattern := regexp.MustCompile("(?m)" + args[2])
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	var text []byte
	for end := time.Now().Add(2 * time.Minute); !pattern.Match(text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s has no %q:\n%s", args[0], args[2], text)
		}
		response, err := client.Get(args[0])
		if err != nil {
			continue
		}
		text, err = io.ReadAll(response.Body)
		ts.Check(errors.Join(err, response.Body.Close()))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o666))
}

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// A graph fits into a message, and not into the memory of a worker: it costs itself, in whichever way the worker
// notices. The limits are those of the address space, above what a worker has without it.
func TestGiant(t *testing.T) {
	t.Parallel()
	p := newPoison(t)
	folder := t.TempDir()
	kinds := map[int]string{2: "giant"}
	input := p.file(t, filepath.Join(folder, "in"), kinds)
	for _, test := range []struct {
		more      int // KiB: grpc ends the process, it ends itself, it says so
		transport string
	}{{48 << 10, "auto"}, {100 << 10, "auto"}, {200 << 10, "auto"}, {48 << 10, "inline"}, {100 << 10, "inline"}, {200 << 10, "inline"}} {
		t.Run(fmt.Sprintf("%s %d KiB", test.transport, test.more), func(t *testing.T) {
			folder := t.TempDir()
			python := write(t, filepath.Join(folder, "python"), fmt.Sprintf(
				"#!/bin/sh\nulimit -c 0\n[ \"$3\" != serve ] || ulimit -v %d\nexec %q \"$@\"\n", workerSpace+test.more, absolute(t, venv)))
			if err := os.Chmod(python, 0o755); err != nil {
				t.Fatal(err)
			}
			output := filepath.Join(folder, "out")
			job := p.job(t, folder, input, output, test.transport, fmt.Sprintf("model: {path: %q}\nworkers: 1", p.model))
			began := time.Now()
			o := run(t, 3, "run", job, "--python", python)
			found := quarantined(t, output)
			t.Logf("%v: %+v", time.Since(began).Round(10*time.Millisecond), found)
			if len(found) != 1 || found[0].Row != 2 || found[0].Code != "out_of_memory" && found[0].Code != "scorer_crashed" {
				t.Fatalf("quarantine has %+v\n%s", found, o.stderr)
			}
			p.neighbours(t, output, "charge", map[string]bool{found[0].GraphID: true})
			faulttest.Report(t, faulttest.Row{Case: "F", How: "a graph that fits into a message, and not into the address space of the only worker (ulimit -v)",
				Outcome: "3, that graph in quarantine, the scores of all others equal to the bit", Times: 1, Tally: faulttest.Compare(graphsOf(t, output), p.graphs)})
		})
	}
}

// workerSpace is about the address space of a worker, in KiB.
const workerSpace = 232 << 10

// bytesOnly is a codec that leaves bytes as they are.
type bytesOnly struct{}

func (bytesOnly) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesOnly) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = slices.Clone(data)
	return nil
}
func (bytesOnly) Name() string { return "bytes" }

// A server that answers scoring calls with bytes that are no message of protobuf breaks the contract, at once.
func TestAnswersThatAreNoMessage(t *testing.T) {
	t.Parallel()
	model, err := proto.Marshal(&scoringv1.GetModelResponse{
		Name: "m", Digest: "sha256:" + strings.Repeat("0", 64), InFeatures: 16, Outputs: []string{"score"}, MaxMessageBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(bytesOnly{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		answer := []byte(strings.Repeat("\xff", 50))
		if name, _ := grpc.MethodFromServerStream(stream); strings.HasSuffix(name, "/GetModel") {
			answer = model
		}
		return stream.SendMsg(&answer)
	}))
	address := remotetest.Serve(t, server)
	for _, protocol := range []string{"native", "gcn"} {
		output := filepath.Join(t.TempDir(), "out")
		args := []string{"run", "--input", absolute(t, example+"/data/held-back.parquet"), "--output", output, "--server", address, "--protocol", protocol, "--json"}
		if protocol == "gcn" {
			args = append(args, "--model-version", "1")
		}
		began := time.Now()
		o := run(t, 76, args...)
		t.Logf("%s: %v, %s", protocol, time.Since(began).Round(10*time.Millisecond), o.sentence(t))
		if r := o.record(t); r.Counts.Retries != 0 || !strings.Contains(o.sentence(t), address) {
			t.Errorf("%s: %d retries, and it says %q", protocol, r.Counts.Retries, o.sentence(t))
		}
		same(t, sums(t, output), nil)
	}
	faulttest.Report(t, faulttest.Row{Case: "G", How: "a server that answers scoring calls of either protocol with bytes that are no message",
		Outcome: "76 at once, the address named, nothing written", Times: 2})
}

// With few open files a run ends well, or names the limit: neither the disk, nor the interpreter, nor a file is to blame.
func TestFewOpenFiles(t *testing.T) {
	t.Parallel()
	input := filepath.Join(t.TempDir(), "in")
	for i := range 5 {
		copyFile(t, example+"/data/held-back.parquet", filepath.Join(input, fmt.Sprintf("%d.parquet", i)))
	}
	named := 0
	for limit := 8; limit <= 24; limit += 2 {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, limit), "sh", absolute(t, program),
			"run", "--input", input, "--output", filepath.Join(t.TempDir(), "out"), "--model", absolute(t, example+"/model"), "--quiet")
		said, err := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		if err != nil && code < 0 {
			t.Fatal(err)
		}
		if code == 0 {
			continue
		}
		named++
		if text := string(said); !slices.Contains([]int{3, 69, 74}, code) || !strings.Contains(text, "ulimit -n") ||
			strings.Contains(text, "check the disk") || strings.Contains(text, "make build") {
			t.Errorf("%d open files: exit code %d\n%s", limit, code, text)
		}
	}
	if named == 0 {
		t.Error("no limit was too low")
	}
	faulttest.Report(t, faulttest.Row{Case: "L", How: "ulimit -n of 8, 10, ... 24", Outcome: "0, or 3, 69 or 74 that name ulimit -n", Times: named})
}

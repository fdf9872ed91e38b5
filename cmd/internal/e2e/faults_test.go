//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

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
	for _, more := range []int{48 << 10, 100 << 10, 200 << 10} { // KiB: grpc ends the process, it ends itself, it says so
		t.Run(fmt.Sprintf("%d KiB", more), func(t *testing.T) {
			folder := t.TempDir()
			python := write(t, filepath.Join(folder, "python"), fmt.Sprintf(
				"#!/bin/sh\nulimit -c 0\n[ \"$3\" != serve ] || ulimit -v %d\nexec %q \"$@\"\n", workerSpace+more, absolute(t, venv)))
			if err := os.Chmod(python, 0o755); err != nil {
				t.Fatal(err)
			}
			output := filepath.Join(folder, "out")
			job := p.job(t, folder, input, output, fmt.Sprintf("model: {path: %q}\nworkers: 1", p.model))
			began := time.Now()
			o := run(t, 3, "run", job, "--python", python)
			found := quarantined(t, output)
			t.Logf("%v: %+v", time.Since(began).Round(10*time.Millisecond), found)
			if len(found) != 1 || found[0].Row != 2 || found[0].Code != "out_of_memory" && found[0].Code != "scorer_crashed" {
				t.Fatalf("quarantine has %+v\n%s", found, o.stderr)
			}
			p.neighbours(t, output, "charge", map[string]bool{found[0].GraphID: true})
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
}

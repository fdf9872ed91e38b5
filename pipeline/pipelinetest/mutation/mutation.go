// Package mutation changes real files in the ways in which disks, networks and attackers do, and checks what a reader of
// them does. A target is one reader; its check is the same for the native fuzzer of Go, which looks for new ways through the
// code, and for a run over a seed, which is the same on every machine: see Run.
//
// Two variables of the environment say how far a run goes, for go test and pytest alike (python/tests/mutation.py):
// FUZZ_SEED is the seed, 1 without, and FUZZ_COUNT the number of mutations of each target, a few without.
package mutation

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"graphscore/pipeline/display"
)

const (
	// patience is how long one file may be read: a thousand times what any of them takes.
	patience = 2 * time.Minute
)

// Target is one reader of files.
type Target struct {
	// Seeds are real files, by a name for messages.
	Seeds map[string][]byte
	// Read reads the content, or a file that it is written to, and returns the error that a user would see, nil where the
	// content is accepted. It fails the test where what it read cannot be right.
	Read func(t *testing.T, content []byte) error
	// Known reports whether an error is one of those that the reader promises.
	Known func(error) bool
	// Few is how many mutations are read where nobody asks for more, and Share the part of FUZZ_COUNT, one in Share, of a target
	// whose files take long. 0 is 60, and all.
	Few, Share uint64
	// Base and Times bound what is allocated: Base bytes, and Times those of the content.
	Base, Times int
}

// Run reads mutations of the seeds: the same ones for the same FUZZ_SEED and FUZZ_COUNT. A mutation that fails is kept in
// .cache/fuzz, and named with what makes it anew. It returns how many were read. The test must not run in parallel with
// others, as it measures what is allocated.
func Run(t *testing.T, target *Target) int {
	seed, count := Number(t, "FUZZ_SEED", 1), Number(t, "FUZZ_COUNT", 0)/max(target.Share, 1)
	if count == 0 {
		count = cmp.Or(target.Few, 60)
	}
	names := sorted(target.Seeds)
	for i := range count {
		name := names[int(i)%len(names)]
		rng := rand.New(rand.NewPCG(seed, i))
		content := Mutate(rng, target.Seeds[name], target.Seeds[names[rng.IntN(len(names))]])
		watch := time.AfterFunc(patience, func() {
			panic(fmt.Sprintf("mutation %d of seed %d, of %s, takes more than %v: %s", i, seed, name, patience, Keep("fuzz", t.Name(), content)))
		})
		said := target.check(t, content)
		watch.Stop()
		for _, fault := range said {
			t.Errorf("mutation %d of seed %d, of %s: %s (%s)", i, seed, name, fault, Keep("fuzz", t.Name(), content))
		}
		if t.Failed() && i > 0 && len(said) > 0 {
			return int(i) + 1 // the next ones have the same
		}
	}
	fmt.Fprintf(os.Stdout, "mutations: %s seed %d count %d\n", t.Name(), seed, count)
	return int(count)
}

// Fuzz is the same target for go test -fuzz, which brings its own mutations.
func Fuzz(f *testing.F, target *Target) {
	for _, name := range sorted(target.Seeds) {
		f.Add(target.Seeds[name])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, fault := range target.check(t, content) {
			t.Error(fault)
		}
	})
}

// check returns what is wrong with how the content is read.
func (target *Target) check(t *testing.T, content []byte) (faults []string) {
	t.Helper()
	var err error
	took := Allocated(func() { err = target.Read(t, content) })
	if most := uint64(target.Base) + uint64(target.Times)*uint64(len(content)); took > most {
		faults = append(faults, fmt.Sprintf("%d bytes allocated for %d, at most %d are due", took, len(content), most))
	}
	if err == nil {
		return faults
	}
	if !target.Known(err) {
		faults = append(faults, fmt.Sprintf("%T is no error that is known: %q", err, err))
	}
	if fault := Text(err.Error()); fault != "" {
		faults = append(faults, fault)
	}
	return faults
}

// Text returns what is wrong with a message: traces of Go, what a terminal would take as a command, or a page.
func Text(message string) string {
	const longest = 4 << 10
	switch {
	case message != display.Harmless(message) || !utf8.ValidString(message):
		return fmt.Sprintf("control characters in %q", message)
	case traces.MatchString(message):
		return fmt.Sprintf("traces of Go in %q", message)
	case len(message) > longest:
		return fmt.Sprintf("a message of %d bytes: %q...", len(message), message[:200])
	}
	return ""
}

// Allocated is how many bytes of the heap a call takes in all, whether or not they are freed meanwhile. Nothing else may run.
func Allocated(call func()) uint64 {
	before := allocated()
	call()
	return allocated() - before
}

// allocated is how many bytes were ever allocated on the heap.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Number returns the number in an environment variable, and another where that is empty.
func Number(t *testing.T, variable string, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q: it must be a number", variable, text)
	}
	return n
}

// Keep writes the content of a test that failed into a folder of .cache of the repository, and returns where it is.
func Keep(folder, name string, content []byte) string {
	root, err := filepath.Abs(".")
	for err == nil {
		if _, missing := os.Stat(filepath.Join(root, "go.mod")); missing == nil || root == filepath.Dir(root) {
			break
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, ".cache", folder)
	file := filepath.Join(dir, fmt.Sprintf("%s-%08x", filepath.Base(name), checksum(content)))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err.Error()
	}
	if err := os.WriteFile(file, content, 0o666); err != nil {
		return err.Error()
	}
	return "kept as " + file
}

// Mutate returns a changed copy of a file. other is a file of which pieces may come into it.
func Mutate(rng *rand.Rand, file, other []byte) []byte {
	b := append([]byte(nil), file...)
	for range 1 + rng.IntN(3) {
		if len(b) < 16 {
			return append(b, byte(rng.Uint32()))
		}
		b = mutateOnce(rng, b, other)
	}
	return b
}

func mutateOnce(rng *rand.Rand, b, other []byte) []byte {
	at := rng.IntN(len(b) - 8)
	switch rng.IntN(12) {
	case 0: // cut short
		return b[:at]
	case 1: // zeros, as of a page that was never written
		clear(b[at:min(at+1+rng.IntN(200), len(b))])
	case 2: // a length, little endian
		binary.LittleEndian.PutUint32(b[at:], lengths[rng.IntN(len(lengths))])
	case 3: // a length of eight bytes, at a place that such have
		at -= at % 8
		binary.LittleEndian.PutUint64(b[at:], uint64(lengths[rng.IntN(len(lengths))])<<rng.IntN(33))
	case 4: // a number of thrift or protobuf that claims much
		copy(b[at:], []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0x7f}[:1+rng.IntN(8)])
	case 5: // towards the end, where footers are
		b[len(b)-1-rng.IntN(min(len(b), 400))] = byte(rng.Uint32())
	case 6: // towards the beginning, where headers are
		b[rng.IntN(min(len(b), 400))] = byte(rng.Uint32())
	case 7: // a piece of another file
		if from := rng.IntN(len(other)); len(other) > 0 {
			copy(b[at:], other[from:min(from+1+rng.IntN(300), len(other))])
		}
	case 8: // a piece twice
		end := min(at+1+rng.IntN(300), len(b))
		return append(append(append([]byte(nil), b[:end]...), b[at:end]...), b[end:]...)
	case 9: // a piece left out
		return append(b[:at:at], b[min(at+1+rng.IntN(300), len(b)):]...)
	case 10: // text that commands a terminal, or opens what it does not close
		text := texts[rng.IntN(len(texts))]
		return append(append(append([]byte(nil), b[:at]...), text...), b[at:]...)
	default: // bits
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	}
	return b
}

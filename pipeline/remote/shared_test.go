//go:build linux

package remote

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
	"graphscore/pipeline/remote/remotetest"
	"graphscore/pipeline/slots"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// sharing is a server that shares memory with its client.
type sharing struct {
	served *remotetest.Native
	memory *slots.Memory
	holder *slots.Holder
	cfg    Config
	log    bytes.Buffer
	shared atomic.Int64 // calls whose columns were in a slot
}

func share4(t *testing.T, outputs ...string) *sharing {
	t.Helper()
	return shareMemory(t, slots.Config{Slots: 4, SlotBytes: 64 << 10}, outputs...)
}

// giantsOnly has slots of giants for what takes more than 4 KiB.
var giantsOnly = slots.Config{Slots: 1, SlotBytes: 4 << 10, Giants: 4, GiantBytes: 64 << 10, GiantMemory: 256 << 10}

func shareMemory(t *testing.T, cfg slots.Config, outputs ...string) *sharing {
	t.Helper()
	m, err := slots.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &sharing{served: remotetest.NewNative(2, outputs...), memory: m, holder: m.Join(func() {})}
	s.served.Memory = m
	s.served.Model.Memory = Shares(m)
	s.served.Before = func(_ context.Context, r *scoringv1.ScoreRequest) error {
		if r.GetShared() != nil {
			s.shared.Add(1)
		}
		return nil
	}
	return s
}

// begin serves, and returns its scorer.
func (s *sharing) begin(t *testing.T) *Native {
	t.Helper()
	s.serve(t)
	return native(t, s.cfg)
}

func (s *sharing) serve(t *testing.T) {
	t.Helper()
	s.cfg = quick(remotetest.ServeUnix(t, newServer(s.served)))
	s.cfg.Memory, s.cfg.Log = s.memory, slog.New(slog.NewTextHandler(&s.log, nil))
	s.cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := vanished.dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return s.holder.Conn(conn), nil
	}
}

// right scores a batch and compares.
func right(t *testing.T, n *Native, b *graph.Batch) {
	t.Helper()
	got, err := n.Score(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if want := sums(b, n.outputs); !slices.Equal(got.Values, want) {
		t.Fatalf("scores %v\nwant %v", got.Values, want)
	}
}

func TestSharedScores(t *testing.T) {
	t.Parallel()
	for _, weighted := range []bool{false, true} {
		s := share4(t, "a", "b")
		n := s.begin(t)
		whole := randomBatch(7, shape{graphs: 50, width: 2, weighted: weighted})
		calls := 0
		for from := range whole.Graphs() {
			b := whole.Slice(from, min(from+9, whole.Graphs()))
			right(t, n, b)
			if b.Nodes() > 0 {
				calls++
			}
		}
		if got := s.shared.Load(); got != int64(calls) || s.log.Len() > 0 {
			t.Errorf("%d of %d requests had their columns in a slot\n%s", got, calls, s.log.String())
		}
	}
}

// TestSharedGiants: what is larger than a slot goes through that of a giant, which has no memory afterwards, and what is larger
// than that, or finds none, goes inline: with the same scores.
func TestSharedGiants(t *testing.T) {
	t.Parallel()
	s := shareMemory(t, giantsOnly, "a", "b")
	n := s.begin(t)
	for _, test := range []struct {
		graphs int
		shared int64
	}{{9, 1}, {90, 1}, {400, 1}, {900, 0}} {
		before := s.shared.Load()
		right(t, n, randomBatch(7, shape{graphs: test.graphs, width: 2, weighted: true}))
		if got := s.shared.Load() - before; got != test.shared {
			t.Errorf("%d graphs: %d calls with a slot, expected %d", test.graphs, got, test.shared)
		}
	}
	info, err := s.memory.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	if held := info.Sys().(*syscall.Stat_t).Blocks * 512; held > s.memory.SlotBytes() {
		t.Errorf("%d bytes are held where no giant is scored", held)
	}
	use := s.memory.Take(giantsOnly.GiantBytes)
	defer use.End()
	for range 3 {
		defer s.memory.Take(giantsOnly.GiantBytes).End()
	}
	before := s.shared.Load()
	right(t, n, randomBatch(7, shape{graphs: 90, width: 2}))
	if s.shared.Load() != before || s.log.Len() > 0 {
		t.Errorf("a call had a slot though none was free, or there is a warning\n%s", s.log.String())
	}
}

// TestSharedFurther: every column, and an embedding, at each level.
func TestSharedFurther(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"node", "edge", "graph"} {
		s := share4(t, "a", "b")
		s.served.Model.Level = level
		s.served.Model.Steps = []*scoringv1.ModelStep{{Name: "h", Level: level, Width: 3}}
		s.served.Model.Inputs = []*scoringv1.ModelInput{
			{Name: "x", Width: 2}, {Name: "edge_attr", Width: 2}, {Name: "edge_type", Width: 4}, {Name: "graph_attr", Width: 3},
		}
		s.serve(t)
		conn := dialed(t, s.cfg)
		m, err := Describe(t.Context(), conn, s.cfg)
		if err != nil {
			t.Fatal(err)
		}
		m.Embedding = m.Steps[0]
		plain := s.cfg
		plain.Memory = nil
		b := featured(randomBatch(3, shape{graphs: 20, width: 2}))
		got, err := NewNative(conn, s.cfg, m).Score(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		want, err := NewNative(conn, plain, m).Score(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Values, want.Values) || !slices.Equal(got.Embedding, want.Embedding) || len(got.Embedding) == 0 {
			t.Errorf("level %s: %v and %v\nwant %v and %v", level, got.Values, got.Embedding, want.Values, want.Embedding)
		}
		if s.shared.Load() != 1 {
			t.Errorf("%d calls with a slot, expected 1", s.shared.Load())
		}
	}
}

// TestSharedContract: the contract of pipeline.Scorer holds through memory, with fewer slots than calls.
func TestSharedContract(t *testing.T) {
	t.Parallel()
	s := share4(t, "a", "b")
	pipelinetest.TestScorer(t, s.begin(t), randomBatch(1, shape{graphs: 20, width: 2, weighted: true}), 2)
	if s.shared.Load() == 0 || s.log.Len() > 0 {
		t.Errorf("%d calls with a slot\n%s", s.shared.Load(), s.log.String())
	}
}

// TestSharedFindsTheGraphAtFault: one graph of many on which a server fails is found through memory as it is in messages.
func TestSharedFindsTheGraphAtFault(t *testing.T) {
	t.Parallel()
	const bad = 5 // nodes
	for name, test := range map[string]struct {
		err    error
		reason string // trailer
		failed graph.Failure
	}{
		"raises": {
			status.Error(codes.Unknown, "Exception calling application: 'x'"), "",
			graph.Failure{Code: graph.ScorerFailed, Message: "the scorer raised an exception: 'x'"},
		},
		"memory": {
			status.Error(codes.ResourceExhausted, "not enough memory"), reasonMemory,
			graph.Failure{Code: graph.OutOfMemory, Message: "its worker had not enough memory"},
		},
		"connection": {
			status.Error(codes.Unavailable, "reset"), "",
			graph.Failure{Code: graph.ScorerCrashed, Message: "the connection to its server was lost while it was scored"},
		},
		"refuses": {
			status.Error(codes.InvalidArgument, "edge 3 is odd"), "",
			graph.Failure{Code: graph.Refused, Message: "edge 3 is odd"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := share4(t, "score")
			s.served.Model.InFeatures = 1
			s.served.Before = func(ctx context.Context, r *scoringv1.ScoreRequest) error {
				trailer := metadata.MD{}
				if r.GetShared() != nil {
					s.shared.Add(1)
					trailer.Set(slotTrailer, strconv.FormatUint(r.GetShared().GetNumber(), 10)) // it touches it no more
				}
				whole, err := s.served.Unpacked(r)
				if err != nil || !hasGraph(whole, bad) {
					return err
				}
				if test.reason != "" {
					trailer.Set(reasonTrailer, test.reason)
				}
				if err := grpc.SetTrailer(ctx, trailer); err != nil {
					return err
				}
				return test.err
			}
			s.serve(t)
			findsTheGraph(t, s.cfg, test.failed, bad)
			if s.shared.Load() == 0 || s.log.Len() > 0 {
				t.Errorf("%d calls with a slot\n%s", s.shared.Load(), s.log.String())
			}
		})
	}
}

// TestSharedFields: the numbers of fields are those of scoring.proto.
func TestSharedFields(t *testing.T) {
	t.Parallel()
	r := &scoringv1.ScoreRequest{}
	for i, c := range shareable(r) {
		*c.column = []byte{byte(i + 1)}
	}
	fields := r.ProtoReflect().Descriptor().Fields()
	for i, c := range shareable(r) {
		if got := r.ProtoReflect().Get(fields.ByNumber(protoreflect.FieldNumber(c.field))).Bytes(); !bytes.Equal(got, []byte{byte(i + 1)}) {
			t.Errorf("field %d has %v", c.field, got)
		}
	}
}

func TestSharedAnswersThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scoringv1.ScoreResponse){
		"slot and slot_number are 0 and": func(r *scoringv1.ScoreResponse) { r.SlotNumber++ },
		"slot and slot_number are 7 and": func(r *scoringv1.ScoreResponse) { r.Slot = 7 },
		"slot_number are 0 and 0":        func(r *scoringv1.ScoreResponse) { r.SlotNumber = 0 },
		"scores and embedding have 4":    func(r *scoringv1.ScoreResponse) { r.Scores = []byte{1, 2, 3, 4} },
		"embedding have 0 and 1":         func(r *scoringv1.ScoreResponse) { r.Embedding = []byte{1} },
		"nodes is 99":                    func(r *scoringv1.ScoreResponse) { r.Nodes = 99 },
		"model_digest":                   func(r *scoringv1.ScoreResponse) { r.ModelDigest = "x" },
	} {
		s := share4(t, "a")
		s.served.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { change(r) }
		n := s.begin(t)
		_, err := n.Score(t.Context(), randomBatch(1, shape{graphs: 5, width: 2}))
		fails(t, err, Contract, name)
	}
	plain := remotetest.NewNative(1, "a")
	plain.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.SlotNumber = 5 }
	_, err := native(t, quick(remotetest.ServeUnix(t, newServer(plain)))).Score(t.Context(), line(2))
	fails(t, err, Contract, "slot_number is 5, but the columns are in the request")
}

// TestSharedElsewhere: a server that has not mapped the memory gets columns inline, with one warning, or none of them.
func TestSharedElsewhere(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]func(*scoringv1.GetModelResponse){
		"is older than this graphscore":           func(m *scoringv1.GetModelResponse) { m.Memory = nil },
		"has not mapped it: no room":              func(m *scoringv1.GetModelResponse) { m.Memory, m.NoMemory = nil, "no room" },
		"version 1, not 2":                        func(m *scoringv1.GetModelResponse) { m.Memory.Version = 1 },
		"5 slots of":                              func(m *scoringv1.GetModelResponse) { m.Memory.Slots = 5 },
		"4 slots of 1 bytes and 0 of 0, not 4 of": func(m *scoringv1.GetModelResponse) { m.Memory.SlotBytes = 1 },
		"and 3 of 0, not":                         func(m *scoringv1.GetModelResponse) { m.Memory.Giants = 3 },
	} {
		s := share4(t, "a")
		change(s.served.Model)
		n := s.begin(t)
		for range 3 {
			right(t, n, randomBatch(1, shape{graphs: 5, width: 2}))
		}
		if said := s.log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, reason) || s.shared.Load() > 0 {
			t.Errorf("%d calls with a slot, and %q in:\n%s", s.shared.Load(), reason, said)
		}
		only := share4(t, "a")
		change(only.served.Model)
		only.serve(t)
		only.cfg.MemoryOnly = true
		_, err := describe(t, only.cfg)
		fails(t, err, Unavailable, reason)
	}
}

// TestSharedRefused: what a server says against a request counts where its columns were inline.
func TestSharedRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code     codes.Code
		trailer  func(number string) metadata.MD
		warnings int
		slots    int64 // calls with a slot, of three
	}{
		"it refuses what is in it": {codes.InvalidArgument, func(n string) metadata.MD { return metadata.Pairs(slotTrailer, n) }, 0, 3},
		"it cannot use the slot":   {codes.InvalidArgument, func(string) metadata.MD { return metadata.Pairs(reasonTrailer, reasonSlot) }, 1, 1},
		"it has none mapped":       {codes.FailedPrecondition, func(string) metadata.MD { return metadata.Pairs(reasonTrailer, reasonSlot) }, 1, 1},
		"it knows no slots":        {codes.InvalidArgument, func(string) metadata.MD { return nil }, 1, 1},
	} {
		s := share4(t, "a")
		s.served.Before = func(ctx context.Context, r *scoringv1.ScoreRequest) error {
			if r.GetShared() == nil {
				return nil
			}
			s.shared.Add(1)
			_ = grpc.SetTrailer(ctx, test.trailer(strconv.FormatUint(r.GetShared().GetNumber(), 10)))
			return status.Error(test.code, "no")
		}
		n := s.begin(t)
		for range 3 {
			right(t, n, randomBatch(1, shape{graphs: 5, width: 2}))
		}
		if got := strings.Count(s.log.String(), "\n"); got != test.warnings || s.shared.Load() != test.slots {
			t.Errorf("%s: %d warnings and %d calls with a slot\n%s", name, got, s.shared.Load(), s.log.String())
		}
		n.memoryOnly = true
		if _, err := n.Score(t.Context(), line(2)); test.warnings > 0 {
			fails(t, err, Unavailable, "columns cannot go through shared memory")
		}
	}
}

// TestSharedStopped: a worker that is stopped past the deadline, and goes on later, writes where nobody reads.
func TestSharedStopped(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]slots.Config{"slots": {Slots: 4, SlotBytes: 64 << 10}, "giants": giantsOnly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sharedStopped(t, shareMemory(t, cfg, "a"), 5<<10, max(cfg.Slots, cfg.Giants))
		})
	}
}

// sharedStopped stops a worker that has one of so many slots that have room for so many bytes.
func sharedStopped(t *testing.T, s *sharing, need int64, count int) {
	t.Helper()
	goOn := make(chan struct{})
	late := sync.OnceFunc(func() { close(goOn) })
	defer late()
	var first atomic.Bool
	var held atomic.Int64
	held.Store(-1)
	done := make(chan struct{})
	s.served.Before = func(_ context.Context, r *scoringv1.ScoreRequest) error {
		if first.CompareAndSwap(false, true) {
			held.Store(int64(r.GetShared().GetSlot()))
			<-goOn
		} else if r.GetShared() == nil || int64(r.GetShared().GetSlot()) == held.Load() {
			t.Errorf("slot %v is used again, or none is", r.GetShared())
		}
		return nil
	}
	s.served.Change = func(r *scoringv1.ScoreRequest, _ *scoringv1.ScoreResponse) {
		if int64(r.GetShared().GetSlot()) == held.Load() {
			close(done)
		}
	}
	n := s.begin(t)
	_, err := n.Score(Within(t.Context(), 5*time.Second), randomBatch(1, shape{graphs: 90, width: 2}))
	fails(t, err, Unavailable, "no answer within")
	for seed := range uint64(20) {
		if seed == 10 {
			late()
			<-done
		}
		right(t, n, randomBatch(seed, shape{graphs: 90, width: 2}))
	}
	s.holder.Gone() // the process has been waited for
	used := map[int]bool{}
	for range count {
		use := s.memory.Take(need)
		if use == nil {
			t.Fatal("a slot is lost")
		}
		defer use.End()
		used[use.Slot()] = true
	}
	if !used[int(held.Load())] {
		t.Errorf("slot %d is not free", held.Load())
	}
}

package remote

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/slots"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// Columns in the slots of pipeline/slots, instead of in messages. Every refusal of a request counts only where its columns
// were inline, so that no graph is in quarantine because of the way that it took.

const (
	// slotTrailer has the number of a use that its server touches no more, where the call failed.
	slotTrailer = "graphscore-slot"
	// reasonSlot is a server that cannot use a slot, whatever is in it.
	reasonSlot = "slot"
)

// The numbers of the fields that go through a slot.
const (
	scoresField    = 3
	embeddingField = 9
)

// parcel is a slot with the columns of a request.
type parcel struct {
	use               *slots.Use
	scores, embedding *scoringv1.SharedColumn // their places; no embedding is nil
}

// shareable are the columns of a request with the numbers of their fields.
func shareable(r *scoringv1.ScoreRequest) [8]fieldColumn {
	return [...]fieldColumn{
		{5, &r.NodeCounts}, {6, &r.Features}, {7, &r.InDegrees}, {8, &r.Sources}, {9, &r.EdgeWeights},
		{11, &r.EdgeFeatures}, {12, &r.EdgeTypes}, {14, &r.GraphFeatures},
	}
}

type fieldColumn struct {
	field  uint32
	column *[]byte
}

// pack moves the columns of a request into a slot, and returns nil where they go inline.
func (n *Native) pack(b *graph.Batch, r *scoringv1.ScoreRequest) *parcel {
	if n.memory == nil || n.portable {
		return nil
	}
	rows := 4 * int64(b.ScoreRows(n.level))
	columns := shareable(r)
	need := slots.Need(rows*int64(n.outputs), rows*int64(n.width))
	for _, c := range columns {
		need += slots.Need(int64(len(*c.column))) - slots.HeaderBytes
	}
	use := n.memory.Take(need)
	if use == nil {
		return nil
	}
	shared := &scoringv1.SharedColumns{Slot: uint32(use.Slot()), Number: use.Number(), Columns: make([]*scoringv1.SharedColumn, 0, len(columns))}
	for _, c := range columns {
		if len(*c.column) == 0 {
			continue
		}
		offset, err := use.Put(*c.column)
		if err != nil {
			n.log.Debug("a giant goes to its worker inline", "reason", err)
			use.End()
			return nil
		}
		shared.Columns = append(shared.Columns, sharedColumn(c.field, offset, int64(len(*c.column))))
	}
	for _, c := range columns {
		*c.column = nil
	}
	p := &parcel{use: use}
	p.scores = sharedColumn(scoresField, use.Leave(rows*int64(n.outputs)), rows*int64(n.outputs))
	if n.width > 0 {
		p.embedding = sharedColumn(embeddingField, use.Leave(rows*int64(n.width)), rows*int64(n.width))
	}
	shared.Scores, shared.Embedding = p.scores, p.embedding
	r.Shared = shared
	return p
}

func sharedColumn(field uint32, offset, bytes int64) *scoringv1.SharedColumn {
	return &scoringv1.SharedColumn{Field: field, Offset: uint64(offset), Bytes: uint64(bytes)}
}

// end ends the use of the slot, where ctx is that of the caller.
func (p *parcel) end(ctx context.Context) {
	if ctx.Err() != nil {
		p.use.Abandon()
		return
	}
	p.use.End()
}

// unpack copies the scores out of the slot, into the answer. The process at the other end of c then has it no more.
func (p *parcel) unpack(r *scoringv1.ScoreResponse, c *call) *Error {
	switch {
	case r.GetSlotNumber() != p.use.Number() || int64(r.GetSlot()) != int64(p.use.Slot()):
		return broken(c.address(), "slot and slot_number are %d and %d, but the columns are in slot %d with number %d",
			r.GetSlot(), r.GetSlotNumber(), p.use.Slot(), p.use.Number())
	case len(r.GetScores()) > 0 || len(r.GetEmbedding()) > 0:
		return broken(c.address(), "scores and embedding have %d and %d bytes, but their places are in slot %d",
			len(r.GetScores()), len(r.GetEmbedding()), p.use.Slot())
	}
	p.use.Answered(slots.HolderOf(c.peer.Addr))
	var err error
	if r.Scores, err = p.take(p.scores); err == nil {
		r.Embedding, err = p.take(p.embedding)
	}
	if err != nil {
		return &Error{Kind: Unavailable, retry: true, Address: c.address(), Message: fmt.Sprintf("the scores in slot %d cannot be read: %v", p.use.Slot(), err)}
	}
	return nil
}

// take copies values out of the slot.
func (p *parcel) take(place *scoringv1.SharedColumn) ([]byte, error) {
	if place == nil {
		return nil, nil
	}
	return p.use.Get(int64(place.GetOffset()), int64(place.GetBytes()))
}

// failed takes note of what the failure of a call says of the slot, and reports whether the same columns are to be sent
// inline: the server cannot use the slot, or it refuses what is in it. Where no such server can use any, none is taken
// again. The error is that of a run that may not send them inline.
func (n *Native) failed(p *parcel, c *call, st *status.Status) (inline bool, err error) {
	answered := slices.Contains(c.trailer.Get(slotTrailer), strconv.FormatUint(p.use.Number(), 10))
	if answered {
		p.use.Answered(slots.HolderOf(c.peer.Addr))
	}
	unusable := slices.Contains(c.trailer.Get(reasonTrailer), reasonSlot)
	switch st.Code() {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.Unimplemented:
		unusable = unusable || !answered // older than slots: it looks for columns in the message
		inline = true
	}
	if !unusable {
		return inline, nil
	}
	reason := fmt.Sprintf("the worker at %s cannot use it: %s", c.address(), sentence(st.Message()))
	if n.memory.Refuse(reason) && !n.memoryOnly {
		n.log.Warn("columns go to the workers inline, and no longer through shared memory", "reason", reason)
	}
	return true, n.refused()
}

// refused is the error of a run that may send columns through memory alone, where there is none.
func (n *Native) refused() error {
	if n.memory == nil || !n.memoryOnly {
		return nil
	}
	if reason := n.memory.Refused(); reason != "" {
		return unmapped(reason)
	}
	return nil
}

func unmapped(reason string) *Error {
	return &Error{Kind: Unavailable, Message: fmt.Sprintf(
		"columns cannot go through shared memory: %s; with limits.transport auto they go inline", reason)}
}

// share compares the memory that servers have mapped with that of cfg. Where one differs the columns go inline, with one
// warning.
func share(cfg Config, probes []*probe) error {
	if cfg.Memory == nil {
		return nil
	}
	for _, p := range probes {
		reason := p.lacks(cfg.Memory)
		if reason == "" {
			continue
		}
		if cfg.MemoryOnly {
			return unmapped(reason)
		}
		if cfg.Memory.Refuse(reason) {
			cfg.Log.Warn("columns go to the workers inline, and not through shared memory", "reason", reason)
		}
	}
	return nil
}

// lacks says what of the memory a server has not mapped, "" where it has all of it.
func (p *probe) lacks(m *slots.Memory) string {
	switch has := p.memory; {
	case p.model == nil:
		return fmt.Sprintf("the worker at %s does not answer", p.address)
	case has == nil && p.noMemory != "":
		return fmt.Sprintf("the worker at %s has not mapped it: %s", p.address, sentence(p.noMemory))
	case has == nil:
		return fmt.Sprintf("the worker at %s does not know it: the Python package that it runs is older than this graphscore", p.address)
	case has.GetVersion() != slots.Version:
		return fmt.Sprintf("the worker at %s has mapped version %d, not %d", p.address, has.GetVersion(), slots.Version)
	case !proto.Equal(has, Shares(m)):
		return fmt.Sprintf("the worker at %s has mapped %d slots of %d bytes and %d of %d, not %d of %d and %d of %d", p.address,
			has.GetSlots(), has.GetSlotBytes(), has.GetGiants(), has.GetGiantBytes(), m.Slots(), m.SlotBytes(), m.Giants(), m.GiantBytes())
	}
	return ""
}

// Shares is the memory as GetModel describes it.
func Shares(m *slots.Memory) *scoringv1.SharedMemory {
	return &scoringv1.SharedMemory{
		Version: slots.Version, Slots: uint32(m.Slots()), SlotBytes: uint64(m.SlotBytes()),
		Giants: uint32(m.Giants()), GiantBytes: uint64(m.GiantBytes()),
	}
}

// recipients records every server that a call with a slot may reach. gRPC may make several attempts, each at another
// server, and says so before the first byte of the message is sent.
type recipients struct{}

// useKey is that of the slot in the contexts of calls.
type useKey struct{}

// TagRPC keeps the context.
func (recipients) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC takes note of the peer of an attempt.
func (recipients) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if header, is := event.(*stats.OutHeader); is {
		if use, is := ctx.Value(useKey{}).(*slots.Use); is {
			use.Sent(slots.HolderOf(header.RemoteAddr))
		}
	}
}

// TagConn keeps the context.
func (recipients) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (recipients) HandleConn(context.Context, stats.ConnStats) {}

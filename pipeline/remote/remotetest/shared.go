package remotetest

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	scoringv1 "graphscore/proto/graphscore/v1"
)

// Unpacked returns a request with its columns inline.
func (n *Native) Unpacked(r *scoringv1.ScoreRequest) (*scoringv1.ScoreRequest, error) {
	if r.GetShared() == nil {
		return r, nil
	}
	if n.Memory == nil {
		return nil, status.Error(codes.FailedPrecondition, "no memory is mapped")
	}
	whole := proto.Clone(r).(*scoringv1.ScoreRequest)
	fields := whole.ProtoReflect().Descriptor().Fields()
	for _, c := range r.GetShared().GetColumns() {
		column := make([]byte, c.GetBytes())
		if _, err := n.Memory.File().ReadAt(column, n.at(r, c)); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		whole.ProtoReflect().Set(fields.ByNumber(protoreflect.FieldNumber(c.GetField())), protoreflect.ValueOfBytes(column))
	}
	return whole, nil
}

// pack moves scores and embedding into their places.
func (n *Native) pack(r *scoringv1.ScoreRequest, response *scoringv1.ScoreResponse) error {
	shared := r.GetShared()
	if shared == nil {
		return nil
	}
	for _, p := range []struct {
		place  *scoringv1.SharedColumn
		values *[]byte
	}{{shared.GetScores(), &response.Scores}, {shared.GetEmbedding(), &response.Embedding}} {
		if int(p.place.GetBytes()) != len(*p.values) {
			return status.Errorf(codes.InvalidArgument, "a place has %d bytes, not %d", p.place.GetBytes(), len(*p.values))
		}
		if _, err := n.Memory.File().WriteAt(*p.values, n.at(r, p.place)); err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		*p.values = nil
	}
	response.Slot, response.SlotNumber = shared.GetSlot(), shared.GetNumber()
	return nil
}

func (n *Native) at(r *scoringv1.ScoreRequest, c *scoringv1.SharedColumn) int64 {
	return n.Memory.Offset(int(r.GetShared().GetSlot())) + int64(c.GetOffset())
}

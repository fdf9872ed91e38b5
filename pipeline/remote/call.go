package remote

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that call wraps
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// call collects what is known of one call beside its answer. It is the codec of the call as well, so that the
// time of encoding and decoding can be separated from that of waiting. gRPC encodes and decodes unary calls in the
// goroutine of the caller.
type call struct {
	encoding.CodecV2
	protocol string
	deadline time.Duration
	ends     time.Time // of the deadline
	callers  bool      // the context of the caller ends before the deadline
	garbled  bool      // the answer cannot be decoded
	coding   time.Duration
	peer     peer.Peer
	trailer  metadata.MD
}

// withinKey is that of the deadline in the contexts of calls.
type withinKey struct{}

// Within returns a context whose calls have the deadline d instead of Config.Deadline. Unlike the end of a context, it is
// the server's failure if it passes.
func Within(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, withinKey{}, d)
}

func newCall(protocol string, deadline time.Duration) *call {
	return &call{CodecV2: encoding.GetCodecV2("proto"), protocol: protocol, deadline: deadline}
}

// begin returns the context and the options of the call.
func (c *call) begin(ctx context.Context) (context.Context, context.CancelFunc, []grpc.CallOption) {
	if d, bounded := ctx.Value(withinKey{}).(time.Duration); bounded {
		c.deadline = d
	}
	c.ends = time.Now().Add(c.deadline)
	if end, ends := ctx.Deadline(); ends && end.Before(c.ends) {
		c.callers = true
	}
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	return ctx, cancel, []grpc.CallOption{grpc.Peer(&c.peer), grpc.Trailer(&c.trailer), grpc.ForceCodecV2(c)}
}

// late reports whether a call that ends now with DeadlineExceeded is one whose own deadline has passed. A server whose clock
// is a little faster says so a little earlier; one that says so much earlier means another deadline.
func (c *call) late() bool { return c.callers || time.Until(c.ends) < c.deadline/10 }

// Marshal encodes and takes the time.
func (c *call) Marshal(v any) (mem.BufferSlice, error) {
	start := time.Now()
	defer func() { c.coding += time.Since(start) }()
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes and takes the time.
func (c *call) Unmarshal(data mem.BufferSlice, v any) error {
	start := time.Now()
	err := c.CodecV2.Unmarshal(data, v)
	c.coding += time.Since(start)
	c.garbled = err != nil
	return err
}

// address is that of the server that answered, empty where none did.
func (c *call) address() string {
	if c.peer.Addr == nil {
		return ""
	}
	if c.peer.Addr.Network() == "unix" {
		return "unix:" + c.peer.Addr.String()
	}
	return c.peer.Addr.String()
}

func (c *call) unimplemented(message string) string {
	other := ProtocolGCN
	if c.protocol == ProtocolGCN {
		other = ProtocolNative
	}
	return "it does not speak the " + c.protocol + " protocol (" + message + "); try --protocol " + other
}

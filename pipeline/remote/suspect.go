package remote

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/graph"
)

// The trailer that says why a server is full. Without it, it has too much to do.
const (
	reasonTrailer = "graphscore-reason"
	reasonMemory  = "memory"
)

// suspect says how far the batch of a failed call may have caused its status. A call that is not known to have reached
// a server says nothing of its batch.
func (c *call) suspect(st *status.Status) graph.Suspicion {
	s := graph.Suspicion{Address: c.address()}
	if c.peer.Addr == nil {
		s.Message = "its server could not be reached"
		return s
	}
	if endedByServer(st) {
		s.Message = raised(st)
		return s
	}
	switch st.Code() {
	case codes.Unknown, codes.Internal, codes.DataLoss:
		s.Fault, s.Message = graph.FaultRaised, raised(st)
		if cutOff(st.Message()) {
			s.Fault = graph.FaultCrashed
		}
	case codes.Unavailable:
		s.Fault = graph.FaultCrashed
		if strings.Contains(st.Message(), "keepalive ping failed") { // the link is that slow, or the server does not answer
			s.Fault = graph.FaultHung
		}
	case codes.DeadlineExceeded:
		s.Fault, s.Message = graph.FaultHung, raised(st)
		if c.late() {
			s.Message = fmt.Sprintf("no answer within %v", c.deadline)
		}
	case codes.ResourceExhausted:
		s.Fault, s.Message = graph.FaultPressure, "its server is full, though nothing else is sent to it"
		if slices.Contains(c.trailer.Get(reasonTrailer), reasonMemory) {
			s.Fault, s.Message = graph.FaultMemory, "its worker had not enough memory"
		}
	default:
		s.Message = raised(st)
	}
	if s.Fault == graph.FaultCrashed || s.Message == "" {
		s.Message = "the connection to its server was lost while it was scored"
	}
	return s
}

// endedByServer reports whether our server ended a call before it had all of the request, or its client the answer: the
// link was slow, or the server is ending.
func endedByServer(st *status.Status) bool {
	return strings.HasPrefix(st.Message(), "the body did not arrive") || strings.HasPrefix(st.Message(), "the answer was not taken") ||
		st.Message() == "the server is ending"
}

// cutOff reports whether gRPC itself made a status of a connection or stream that broke. It has Internal and Unknown
// for these as well.
func cutOff(message string) bool {
	if message == "unexpected EOF" || message == "EOF" {
		return true
	}
	return slices.ContainsFunc([]string{
		"stream terminated by RST_STREAM", "server closed the stream without sending trailers", "transport: ",
		"connection error: ", "error reading from server: ", "unexpected HTTP status code received from server: ",
		"peer header list size exceeded limit", "a HEADERS frame cannot appear in the middle of a stream", "malformed header",
	}, func(prefix string) bool { return strings.HasPrefix(message, prefix) })
}

// unreadable reports whether gRPC itself made a status of an answer that is complete and cannot be read.
func unreadable(st *status.Status) bool {
	return st.Code() == codes.Internal && slices.ContainsFunc([]string{
		"cardinality violation: ", "grpc: failed to unmarshal the received message", "grpc: received unexpected payload format",
		"grpc: failed to decompress", "grpc: compressed flag set", "grpc: no decompressor available",
	}, func(prefix string) bool { return strings.HasPrefix(st.Message(), prefix) })
}

// raised is what a quarantine says of a graph on which a server fails. The server's own words tell the exception: ours
// names its class, that of grpcio has a sentence of its own.
func raised(st *status.Status) string {
	said := scrub(sentence(st.Message()))
	for _, known := range []struct{ prefix, reads string }{
		{"the server failed: ", "the scorer raised "},
		{"Exception calling application: ", "the scorer raised an exception: "},
	} {
		if rest, is := strings.CutPrefix(said, known.prefix); is {
			return known.reads + rest
		}
	}
	return fmt.Sprintf("the scorer failed (%s): %s", st.Code(), said)
}

// momentary is what differs between two runs, or two machines, in what a server says.
var momentary = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\b0x[0-9a-fA-F]+`), "0x..."},
	{regexp.MustCompile(`\bunix:\S+`), "unix:..."},
	{regexp.MustCompile(`(^|[^\w.])(?:/[\w.@+-]+){2,}/?`), "${1}/..."},
	{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`), "..."},
	{regexp.MustCompile(`(?i)\b(pid|process|thread|worker|port)([ =:#]+)\d+`), "${1}${2}..."},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*Z?`), "..."},
}

// scrub leaves out of a message what is of the moment: a quarantine file has the same bytes in every run.
func scrub(message string) string {
	for _, m := range momentary {
		message = m.pattern.ReplaceAllString(message, m.instead)
	}
	return message
}

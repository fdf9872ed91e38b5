package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const tracesPath = "/v1/traces" // of OTLP over HTTP

// collector NAME FILE starts a collector of traces over gRPC for the rest of the script, puts its URL into the
// variable NAME and writes every span into FILE, as watcher does for those that come over HTTP.
func collector(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: collector NAME FILE")
	}
	c := &collecting{file: ts.MkAbs(args[1])}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, c)
	setAddress(ts, args[0], "http://"+served(ts, server, func() error { return c.failed }))
}

type collecting struct {
	collectorpb.UnimplementedTraceServiceServer
	file string

	mu     sync.Mutex
	failed error
}

func (c *collecting) Export(ctx context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = errors.Join(c.failed, appendTo(c.file, headerText(ctx, "authorization")+spanLines(r)))
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func spansText(body []byte) (string, error) {
	var r collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &r); err != nil {
		return "", err
	}
	return spanLines(&r), nil
}

// spanLines has a line for every resource and one for every span.
func spanLines(r *collectorpb.ExportTraceServiceRequest) string {
	var b strings.Builder
	for _, group := range r.GetResourceSpans() {
		b.WriteString("resource")
		for _, a := range group.GetResource().GetAttributes() {
			fmt.Fprintf(&b, " %s=%s", a.GetKey(), a.GetValue().GetStringValue())
		}
		b.WriteString("\n")
		for _, scope := range group.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				fmt.Fprintf(&b, "span %s trace=%s id=%s parent=%s", s.GetName(), hex.EncodeToString(s.GetTraceId()),
					hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId()))
				for _, a := range s.GetAttributes() {
					value := a.GetValue().GetStringValue()
					if n, is := a.GetValue().GetValue().(*commonpb.AnyValue_IntValue); is {
						value = strconv.FormatInt(n.IntValue, 10)
					}
					fmt.Fprintf(&b, " %s=%s", a.GetKey(), value)
				}
				if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
					fmt.Fprintf(&b, " error=%q", s.GetStatus().GetMessage())
				}
				b.WriteString("\n")
			}
		}
	}
	return b.String()
}

// noteHeaders writes what each scoring call carries beside its request into a file, none for "".
func noteHeaders(ts *testscript.TestScript, file string) grpc.UnaryServerInterceptor {
	if file != "" {
		file = ts.MkAbs(file)
	}
	return func(ctx context.Context, r any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if file != "" && strings.HasSuffix(info.FullMethod, "/Score") {
			text := headerText(ctx, "graphscore-run", "graphscore-shard-bin", "traceparent", "tracestate")
			if err := appendTo(file, text); err != nil {
				return nil, err
			}
		}
		return handle(ctx, r)
	}
}

func headerText(ctx context.Context, keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		for _, value := range metadata.ValueFromIncomingContext(ctx, key) {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	return b.String()
}

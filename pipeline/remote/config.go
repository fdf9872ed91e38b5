package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	"graphscore/pipeline/slots"
)

// DefaultMaxMessageBytes is the largest message in either direction where the user sets no other limit.
const DefaultMaxMessageBytes = 64 << 20

// The protocols.
const (
	// ProtocolNative is graphscore.v1.ScoringService: batches as columns.
	ProtocolNative = "native"
	// ProtocolGCN is GCNService: one graph a call.
	ProtocolGCN = "gcn"
)

// Config says where the scorers are and how to speak to them. The zero value of a field means its default.
type Config struct {
	// Addresses are "host:port" or "unix:/path", at least one. An address given twice counts once.
	Addresses []string
	// Protocol is ProtocolNative (the default) or ProtocolGCN.
	Protocol string
	// ModelVersion is used as the model's digest, for a protocol that does not describe the model.
	ModelVersion string
	// MaxMessageBytes bounds requests and answers. Default: DefaultMaxMessageBytes.
	MaxMessageBytes int
	// Deadline bounds each call. Default: 60 s.
	Deadline time.Duration
	// ConnectTimeout bounds how long Describe waits for servers that do not answer yet. Default: 10 s.
	ConnectTimeout time.Duration
	// TLS secures the connections; nil sends everything in plain text. Names are checked against the host of
	// each address unless TLS.ServerName is set.
	TLS *tls.Config
	// Token returns what is sent with a call, over TLS only. Calls ask it side by side, and wait for it. Default: none.
	Token func() Token
	// Dial connects to an address, for calls. Default: as an address says.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Memory is what all servers map too: columns go through its slots where they fit, and Dial makes connections of its
	// holders. It stays the caller's. Default: none, columns go inline.
	Memory *slots.Memory
	// MemoryOnly refuses servers that have not mapped the memory, instead of sending columns inline.
	MemoryOnly bool
	// Answered is called with the address of the server after every scoring call that it answered. Default: nothing.
	Answered func(address string)
	// Around is put around every call. Default: nothing.
	Around grpc.UnaryClientInterceptor
	// Log takes warnings. Default: none.
	Log *slog.Logger
}

// WithDefaults returns a copy with every default filled in.
func (c Config) WithDefaults() Config {
	c.Addresses = unique(c.Addresses)
	if c.Protocol == "" {
		c.Protocol = ProtocolNative
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = DefaultMaxMessageBytes
	}
	if c.Deadline == 0 {
		c.Deadline = 60 * time.Second
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.Dial == nil {
		c.Dial = vanished.dial
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate names the first field that cannot be used, after WithDefaults.
func (c Config) Validate() error {
	if len(c.Addresses) == 0 {
		return errors.New("no server address is given; give at least one as host:port or unix:/path")
	}
	for _, address := range c.Addresses {
		if err := validateAddress(address); err != nil {
			return err
		}
	}
	if _, known := traitsOf(c.Protocol); !known {
		return fmt.Errorf("protocol %q is not known; use %q or %q", c.Protocol, ProtocolNative, ProtocolGCN)
	}
	if c.MaxMessageBytes < 1<<10 || c.MaxMessageBytes > math.MaxInt32 {
		return fmt.Errorf("message limit %d is out of range; use 1 KiB to 2 GiB less one byte", c.MaxMessageBytes)
	}
	if c.Token != nil && c.TLS == nil {
		return errors.New("a token is set without TLS; a token is sent over TLS only")
	}
	if c.Deadline < 0 || c.ConnectTimeout < 0 {
		return fmt.Errorf("deadline %v and connect timeout %v must not be negative", c.Deadline, c.ConnectTimeout)
	}
	return nil
}

func unique(addresses []string) []string {
	var out []string
	for _, address := range addresses {
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	return out
}

func validateAddress(address string) error {
	if path, unix := unixPath(address); unix {
		if path == "" {
			return fmt.Errorf("server address %q names no socket; write unix:/path", address)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("server address %q is neither host:port nor unix:/path", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("server address %q has the port %q; a port is a number from 1 to 65535", address, port)
	}
	return nil
}

// unixPath returns the path of a unix socket's address, also of the form unix:///path.
func unixPath(address string) (string, bool) {
	path, unix := strings.CutPrefix(address, "unix:")
	if strings.HasPrefix(path, "///") {
		path = path[2:]
	}
	return path, unix
}

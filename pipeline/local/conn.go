package local

import (
	"context"
	"errors"
	"net"
	"strings"
)

var errEnded = errors.New("the worker has just ended")

// Dial connects to the worker at an address of the pool. Where workers share memory, [slots.HolderOf] knows the process at
// the other end by the remote address of the connection. Where that cannot be known, as the interpreter is a wrapper that
// began another session, the memory is refused: the end of such a process is not seen.
func (p *Pool) Dial(ctx context.Context, address string) (net.Conn, error) {
	w := p.at[address]
	path, _ := strings.CutPrefix(address, "unix:")
	if w == nil || p.cfg.Memory == nil {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	before, _ := w.processes()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	after, _ := w.processes()
	if before == nil || before != after {
		_ = conn.Close() // nothing was sent
		return nil, errEnded
	}
	in, err := serves(conn, before.cmd.Process.Pid)
	if err != nil {
		_ = conn.Close() // nothing was sent
		return nil, err
	}
	if !in {
		if p.cfg.Memory.Refuse("the interpreter starts workers that are not in its process group") {
			p.cfg.Log.Warn("columns go to the workers inline", "reason", p.cfg.Memory.Refused())
		}
		return conn, nil
	}
	return before.holder.Conn(conn), nil
}

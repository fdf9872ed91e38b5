package local

import "context"

// End is how a process of a worker ended.
type End struct {
	// Text continues "its worker ...", as in "was killed by SIGSEGV" or "ended with status 3". It is empty where no
	// process has ended.
	Text string
	// Memory: it had not enough memory, or the system killed it because memory was short.
	Memory bool
	// Hung: it was replaced because it hung.
	Hung bool
}

// Ended returns how the process at address ended, for a caller whose call lost its connection to it.
func (p *Pool) Ended(context.Context, string) End { return End{} }

// Replace kills the process at address, which hangs; the watch starts its successor.
func (p *Pool) Replace(string) {}

// Excuse begins, or ends, a time in which a process that ends does not count as a restart in a row.
func (p *Pool) Excuse(bool) {}

// Answered takes note that the process at address has answered a call: its end does not count as a restart in a row.
func (p *Pool) Answered(string) {}

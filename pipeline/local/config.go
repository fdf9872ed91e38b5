package local

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"graphscore/pipeline/slots"
)

// Config says which workers to start. The zero value of a field means its default.
type Config struct {
	// Python is the interpreter, as FindPython returns it.
	Python string
	// Model is the model folder.
	Model string
	// Workers is the number of processes. Default: one for each CPU that the process may keep busy.
	Workers int
	// MaxMessageBytes is the largest message that workers take. Default: theirs.
	MaxMessageBytes int
	// StartTimeout bounds how long Start waits until all workers are ready. Default: 2 min, as the
	// interpreter of a busy machine, or of a file system of a network, may take most of one.
	StartTimeout time.Duration
	// StopGrace is how long Close waits for workers to leave before it kills them. Default: 5 s.
	StopGrace time.Duration
	// MaxRestarts is how many times in a row a worker that dies soon is started again. Default: 5.
	MaxRestarts int
	// HungAfter is how long a worker may be stopped, or rest without an answer to a health check, before it is
	// replaced. Where /proc is missing none is. Default: 10 s.
	HungAfter time.Duration
	// MaxMemory is how much anonymous memory a worker may take, in bytes, before it is replaced; memory that it shares does
	// not count. Where /proc is missing none is. Default: any.
	MaxMemory int64
	// Memory is what workers share with graphscore, nil for none. It stays the caller's, who closes it after the pool.
	Memory *slots.Memory
	// Env is added to the environment of the workers, as "NAME=value".
	Env []string
	// Log takes what the workers print, and restarts. Default: none.
	Log *slog.Logger
}

// maxWorkers is more than any machine has CPUs.
const maxWorkers = 4096

// WithDefaults returns a copy with every default filled in.
func (c Config) WithDefaults() Config {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 2 * time.Minute
	}
	if c.StopGrace == 0 {
		c.StopGrace = 5 * time.Second
	}
	if c.MaxRestarts == 0 {
		c.MaxRestarts = 5
	}
	if c.HungAfter == 0 {
		c.HungAfter = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate names the first field that cannot be used, after WithDefaults.
func (c Config) Validate() error {
	if c.Python == "" {
		return errors.New("no Python interpreter is given")
	}
	if c.Model == "" {
		return errors.New("no model folder is given")
	}
	if c.Workers < 1 || c.Workers > maxWorkers {
		return fmt.Errorf("workers is %d; use 1 to %d", c.Workers, maxWorkers)
	}
	if c.MaxMessageBytes < 0 || c.MaxMemory < 0 {
		return fmt.Errorf("message limit %d and memory %d must not be negative", c.MaxMessageBytes, c.MaxMemory)
	}
	if c.StartTimeout < 0 || c.StopGrace < 0 || c.MaxRestarts < 0 || c.HungAfter < hangChecks {
		return fmt.Errorf("start timeout %v, stop grace %v, restarts %d and time to hang %v must not be negative",
			c.StartTimeout, c.StopGrace, c.MaxRestarts, c.HungAfter)
	}
	return nil
}

package run

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"graphscore/jobs"
	"graphscore/pipeline/graph"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// ThisMachine describes the machine of this process.
func ThisMachine() record.Machine {
	bytes := func(from func() (uint64, error)) int64 {
		n, err := from()
		if err != nil || n > math.MaxInt64 {
			return 0
		}
		return int64(n)
	}
	return record.Machine{CPUs: runtime.GOMAXPROCS(0), Memory: bytes(memlimit.FromSystem), MemoryLimit: bytes(memlimit.FromCgroup)}
}

// limitsOf are the limits of a job as records have them.
func limitsOf(job *jobs.Job, served Served) record.Limits {
	return record.Limits{Deadline: time.Duration(job.Limits.Deadline).Seconds(), MessageBytes: served.MessageBytes}
}

// circumstances are what an attempt to score a graph depends on beside the graph, the model and the settings.
type circumstances struct {
	model   record.Model // of which engine, BLAS and versions count
	machine record.Machine
	limits  record.Limits
	workers int
	// addresses are those of servers: other addresses may be another machine. Local workers have none here.
	addresses []string
}

// circumstances are those of a run of the input now.
func (in *Input) circumstances(served Served) circumstances {
	c := circumstances{model: record.NewModel(&served.Model), limits: limitsOf(in.Job, served), workers: in.Job.Workers}
	if in.Job.Model.Path != "" {
		c.machine = ThisMachine()
	} else {
		c.addresses, c.workers = in.Job.Server.Addresses, len(in.Job.Server.Addresses)
	}
	return c
}

// attempt are the circumstances of a run that has ended, as a run sees them whose workers are local, processes of its
// own, or are not. Sockets are of the same machine, and those of local workers have other names in each run.
func attempt(rec *record.Run, local bool) circumstances {
	c := circumstances{model: rec.Model, limits: rec.Limits, workers: rec.Workers, addresses: rec.Addresses}
	if local {
		c.machine = rec.Machine
		c.addresses = slices.DeleteFunc(slices.Clone(rec.Addresses), func(a string) bool { return strings.HasPrefix(a, "unix:") })
	}
	return c
}

// differ reports whether a graph may be scored now that was not scored then. What is not known now, as the versions of
// workers that do not run yet, is no difference.
func (c *circumstances) differ(then *circumstances) bool {
	return c.machine != then.machine || c.limits != then.limits || c.workers != then.workers ||
		!slices.Equal(c.addresses, then.addresses) ||
		c.model.Engine != "" && (c.model.Engine != then.model.Engine || c.model.BLAS != then.model.BLAS ||
			!maps.Equal(c.model.Versions, then.model.Versions))
}

// retry says which parts are made again though they match: with Config.RetryQuarantined every one that has graphs in
// quarantine. Else it is one that has graphs in quarantine for reasons of the moment, unless the newest run that made
// it, or made it again, did so in the circumstances of now. A part of which no record says who made it is made again:
// then one does.
func (in *Input) retry(served Served) func(*part.Footer) (bool, error) {
	if in.RetryQuarantined {
		return func(*part.Footer) (bool, error) { return true, nil }
	}
	var attempts map[string]*circumstances // by part, nil before they are read
	return func(f *part.Footer) (bool, error) {
		if !OfTheMoment(f) {
			return false, nil
		}
		if attempts == nil {
			var err error
			if attempts, err = in.attempts(); err != nil {
				return false, err
			}
		}
		now, then := in.circumstances(served), attempts[f.Part]
		return then == nil || now.differ(then), nil
	}
}

// OfTheMoment reports whether graphs of a part are in quarantine for reasons of the moment.
func OfTheMoment(f *part.Footer) bool {
	for code, n := range f.Codes {
		if n > 0 && graph.Code(code).OfTheMoment() {
			return true
		}
	}
	return false
}

// attempts are the circumstances in which each part was made last, as far as the run records of the output say. A
// file that is no record says nothing.
func (in *Input) attempts() (map[string]*circumstances, error) {
	files, err := in.view().Records()
	if err != nil {
		return nil, err
	}
	last := map[string]*circumstances{}
	for _, file := range files { // newest first
		rec, err := record.Read(file)
		var none *record.Error
		if errors.As(err, &none) || errors.Is(err, fs.ErrNotExist) { // a run that goes on may have removed it
			continue
		}
		if err != nil {
			return nil, err
		}
		made := attempt(rec, in.Job.Model.Path != "")
		for i := range rec.Shards {
			s := &rec.Shards[i]
			if name := part.Text(s.Part); s.Outcome == "scored" && last[name] == nil {
				last[name] = &made
			}
		}
	}
	return last, nil
}

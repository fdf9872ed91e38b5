package jobs

import (
	"fmt"
	"strings"
)

// Submit says how shards are submitted to an engine.
type Submit struct {
	Slurm Slurm `yaml:"slurm"`
}

// Slurm are options of sbatch for the tasks of an array, each a shard. What is empty is left to the cluster.
type Slurm struct {
	Partition string `yaml:"partition"`
	Account   string `yaml:"account"`
	QOS       string `yaml:"qos"`
	// Time and Mem are in sbatch's forms, such as 02:00:00 and 8G.
	Time string `yaml:"time"`
	Mem  string `yaml:"mem"`
	// CPUs is --cpus-per-task, and so the number of local workers where the job names none.
	CPUs int `yaml:"cpus"`
	// Nodes is --nodes.
	Nodes string `yaml:"nodes"`
	// Setup are lines of bash that come before the command, such as module load python.
	Setup string `yaml:"setup"`
	// Extra are further options, such as --constraint=avx512.
	Extra []string `yaml:"extra"`
}

// validate refuses what would make another line of a batch script than the one meant.
func (s Slurm) validate() error {
	for _, f := range []struct{ key, value string }{
		{"partition", s.Partition}, {"account", s.Account}, {"qos", s.QOS}, {"time", s.Time}, {"mem", s.Mem}, {"nodes", s.Nodes},
	} {
		if strings.ContainsAny(f.value, "\r\n\x00") {
			return fmt.Errorf("submit.slurm.%s has several lines: write one", f.key)
		}
	}
	if s.CPUs < 0 || s.CPUs > maxWorkers {
		return fmt.Errorf("submit.slurm.cpus is %d: it must be 1 to %d", s.CPUs, maxWorkers)
	}
	for i, extra := range s.Extra {
		name, _, _ := strings.Cut(extra, "=")
		switch {
		case strings.ContainsAny(extra, "\r\n\x00"):
			return fmt.Errorf("submit.slurm.extra[%d] has several lines: write one option each", i)
		case !strings.HasPrefix(extra, "-"):
			return fmt.Errorf("submit.slurm.extra[%d] is %q: it must be an option of sbatch, such as --constraint=avx512", i, extra)
		case ownOptions[name]:
			return fmt.Errorf("submit.slurm.extra[%d] is %q: submit sets %s itself", i, extra, name)
		}
	}
	return nil
}

// ownOptions are those of sbatch without which a submission does not find its tasks again.
var ownOptions = map[string]bool{
	"--array": true, "-a": true, "--job-name": true, "-J": true, "--output": true, "-o": true, "--error": true, "-e": true,
	"--open-mode": true, "--no-requeue": true, "--wrap": true, "--wait": true, "-W": true, "--parsable": true,
}

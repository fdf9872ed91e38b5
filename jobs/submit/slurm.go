package submit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"graphscore/jobs"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers/record"
)

// Slurm submits with sbatch and asks squeue, scontrol and scancel, which must be in PATH.
type Slurm struct {
	Options jobs.Slurm
	// AtOnce is how many tasks of an array may run at once; 0: any.
	AtOnce int
	// Patience is how long a command of Slurm may take. Default 60 s.
	Patience time.Duration
}

// CommandError is a command of the engine that is missing, failed or did not end in time.
type CommandError struct {
	// Command is its name and arguments.
	Command string
	// Said is the last line of what it wrote on standard error, or why it could not be run.
	Said string
	// Missing: it is not in PATH. Silent: it did not end in time, so what it did is unknown.
	Missing, Silent bool
}

// Error names the command and says what to do.
func (e *CommandError) Error() string {
	name, _, _ := strings.Cut(e.Command, " ")
	switch {
	case e.Missing:
		return fmt.Sprintf("%s is not in PATH: run submit on a machine that has Slurm's commands (a login node), or add their folder to PATH", name)
	case e.Silent:
		return fmt.Sprintf("%s: no answer: see whether the controller of Slurm runs (scontrol ping); the same command continues", e.Command)
	}
	return display.Harmless(fmt.Sprintf("%s failed: %s", e.Command, e.Said))
}

// EndsWith is its exit code: what sbatch refuses is for the user to change, else there is no engine.
func (e *CommandError) EndsWith() int {
	if e.Missing || e.Silent || !strings.HasPrefix(e.Command, "sbatch ") || unreachable(e.Said) {
		return exit.NoScorer
	}
	return exit.Config
}

// unreachable reports whether a command of Slurm says that its controller did not answer.
func unreachable(said string) bool {
	for _, sign := range []string{"contact slurm controller", "Socket timed out", "Zero Bytes were transmitted", "Connection refused", "communication", "temporarily", "not responding"} {
		if strings.Contains(said, sign) {
			return true
		}
	}
	return false
}

// defaultPatience is much longer than a busy controller takes.
const defaultPatience = time.Minute

// killedAfter is how long a command of Slurm may hold its pipes open once it was killed.
const killedAfter = 2 * time.Second

// command runs a command of Slurm and returns what it printed. The error is a *CommandError, or the end of ctx.
func (s *Slurm) command(ctx context.Context, name string, args ...string) (string, error) {
	return s.inheriting(ctx, nil, name, args...)
}

// inheriting is command for one that inherits a file, which may be nil.
func (s *Slurm) inheriting(ctx context.Context, file *os.File, name string, args ...string) (string, error) {
	patient, cancel := context.WithTimeout(ctx, cmp.Or(s.Patience, defaultPatience))
	defer cancel()
	cmd := exec.CommandContext(patient, name, args...)
	cmd.WaitDelay = killedAfter
	apart(cmd)
	if file != nil {
		cmd.ExtraFiles = []*os.File{file}
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	failed := &CommandError{Command: strings.Join(append([]string{name}, args...), " "), Said: lastLine(said.String())}
	switch {
	case patient.Err() != nil:
		failed.Silent = true
	case errors.Is(err, exec.ErrNotFound):
		failed.Missing = true
	}
	failed.Said = cmp.Or(failed.Said, err.Error())
	return "", failed
}

// lastLine is the last line of a text that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Limit returns Slurm's MaxArraySize. A cluster on which it is 0 has no array jobs.
func (s *Slurm) Limit(ctx context.Context) (int, error) {
	const command = "scontrol show config"
	out, err := s.command(ctx, "scontrol", "show", "config")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) != "MaxArraySize" {
			continue
		}
		limit, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || limit < 1 {
			return 0, &CommandError{Command: command, Said: fmt.Sprintf("MaxArraySize is %s: this cluster takes no array jobs", strings.TrimSpace(value))}
		}
		return limit, nil
	}
	return 0, &CommandError{Command: command, Said: "it names no MaxArraySize"}
}

// Script returns a batch script with all of its options, so that sbatch alone submits it.
func (s *Slurm) Script(c Command, a record.Array) []byte {
	var b bytes.Buffer
	option := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "#SBATCH --%s=%s\n", name, quoted(value))
		}
	}
	b.WriteString("#!/bin/bash\n# Written by graphscore submit: sbatch submits it as it is.\n")
	option("job-name", a.Name)
	array := display.Ranges(a.Indices)
	if s.AtOnce > 0 {
		array += "%" + strconv.Itoa(s.AtOnce)
	}
	option("array", array)
	option("output", strings.ReplaceAll(c.Logs, "%", "%%")+"/"+a.Name+"-%a.log")
	option("chdir", c.Dir)
	option("open-mode", "append")
	b.WriteString("#SBATCH --requeue\n")
	o := s.Options
	option("partition", o.Partition)
	option("account", o.Account)
	option("qos", o.QOS)
	option("time", o.Time)
	option("mem", o.Mem)
	if o.CPUs > 0 {
		option("cpus-per-task", strconv.Itoa(o.CPUs))
	}
	option("nodes", o.Nodes)
	for _, extra := range o.Extra {
		fmt.Fprintf(&b, "#SBATCH %s\n", extra)
	}
	if o.Setup != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(o.Setup, "\n"))
	}
	b.WriteString("\n" + taskCommand(c, a))
	return b.Bytes()
}

// taskCommand are the lines of bash that run the task of an array.
func taskCommand(c Command, a record.Array) string {
	task := "$SLURM_ARRAY_TASK_ID"
	if a.Offset > 0 {
		task = fmt.Sprintf("$((SLURM_ARRAY_TASK_ID + %d))", a.Offset)
	}
	if len(c.Dates) == 0 {
		return fmt.Sprintf("exec %s --shard \"%s/%d\"\n", display.ShellWords(c.Words), task, c.Count)
	}
	first := (a.Offset + slices.Min(a.Indices)) / c.Count
	last := (a.Offset + slices.Max(a.Indices)) / c.Count
	return fmt.Sprintf("task=%s\ndates=(\n%s\n)\ndate=${dates[task / %d - %d]}\nexec %s --date \"$date\" --plan %s/\"$date\".json --shard \"$((task %% %d))/%d\"\n",
		task, strings.Join(c.Dates[first:last+1], "\n"), c.Count, first, display.ShellWords(c.Words), display.ShellWords([]string{c.Plans}), c.Count, c.Count)
}

// quoted is a value of an #SBATCH line, which Slurm splits at white space and ends at a #.
func quoted(value string) string {
	if strings.ContainsAny(value, " \t\r\v\f\"'\\#") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	return value
}

// Submit hands a script to sbatch and returns the id of the array.
func (s *Slurm) Submit(ctx context.Context, path string, lock *os.File) (string, error) {
	out, err := s.inheriting(ctx, lock, "sbatch", "--parsable", path)
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(lastLine(out), ";") // with the name of the cluster behind it
	if _, err := strconv.ParseUint(id, 10, 64); err != nil {
		return "", &CommandError{Command: "sbatch --parsable " + path, Said: fmt.Sprintf("it printed %q, which is no id of a job", lastLine(out))}
	}
	return id, nil
}

// Find asks squeue for an array by its name, one that has ended included as long as Slurm remembers it.
func (s *Slurm) Find(ctx context.Context, name string) (string, error) {
	out, err := s.command(ctx, "squeue", "--noheader", "--array", "--states=all", "--name="+name, "--Format=ArrayJobID:.32")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return strings.TrimSpace(first), nil
}

// taskFormat are the columns that Tasks asks for.
const taskFormat = "ArrayJobID:.32,ArrayTaskID:.32,State:.32,exit_code:.32,NodeList:.256"

// Tasks asks squeue. Arrays that it does not know any more have no tasks.
func (s *Slurm) Tasks(ctx context.Context, ids []string) ([]Task, error) {
	out, err := s.command(ctx, "squeue", "--noheader", "--array", "--states=all", "--jobs="+strings.Join(ids, ","), "--Format="+taskFormat)
	var failed *CommandError
	if errors.As(err, &failed) && strings.Contains(failed.Said, "Invalid job id") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var tasks []Task
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		index, err := strconv.Atoi(fields[1])
		if err != nil { // N/A: no task of an array
			continue
		}
		t := Task{ArrayID: fields[0], Index: index, Why: fields[2]}
		t.State = slurmState(t.Why)
		status, _ := strconv.Atoi(fields[3])
		t.Code = slurmCode(t.Why, status)
		if len(fields) > 4 {
			t.Node = fields[4]
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// slurmState is the state behind Slurm's own, of which there are many: what is neither waiting, running nor canceled has
// ended.
func slurmState(state string) State {
	switch {
	case slices.Contains([]string{"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}, state):
		return Waiting
	case slices.Contains([]string{"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}, state):
		return Running
	case state == "CANCELLED":
		return Canceled
	}
	return Ended
}

// slurmCode is the exit code of a task by its wait status: that of the process, or 128 plus a signal. A task that Slurm
// ended itself has the code of the signal that it was sent, whatever its script made of it.
func slurmCode(state string, status int) int {
	switch state {
	case "NODE_FAIL", "BOOT_FAIL", "PREEMPTED":
		return LostNode
	case "TIMEOUT", "DEADLINE":
		return 128 + 15
	case "OUT_OF_MEMORY":
		return 128 + 9
	}
	if signal := status & 0x7f; signal != 0 {
		return 128 + signal
	}
	return status >> 8 & 0xff
}

// Cancel calls scancel.
func (s *Slurm) Cancel(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := s.command(ctx, "scancel", ids...)
	return err
}

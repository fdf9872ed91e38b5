package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/record"
)

// The ways in which the places of a plan are shared out to tasks.
const (
	// BalanceNumber: place i of the plan is that of task i modulo the count.
	BalanceNumber = "number"
	// BalanceBytes: the largest places come first, and each is that of the task that has the fewest bytes.
	BalanceBytes = "bytes"
)

// Auto is the value of --shard with which the engine of an array job says which task a process is.
const Auto = "auto"

// ShardVariable and ShardsVariable say the same for engines that graphscore does not know.
const (
	ShardVariable  = "GRAPHSCORE_SHARD"
	ShardsVariable = "GRAPHSCORE_SHARDS"
)

// ParseTask returns the task that --shard names: "3/8", "3" with a count, or [Auto], with which the variables of the engine
// say it. count is that of --shards, 0 for none. Errors are a *UsageError.
func ParseTask(shard string, count int, getenv func(string) string) (record.Task, error) {
	if count < 0 {
		return record.Task{}, taskUsage("--shards is %d: it must be at least 1", count)
	}
	if strings.Contains(shard, "/") {
		return parseTask("--shard", shard, count, "--shards")
	}
	from := "--shards"
	if text := getenv(ShardsVariable); count == 0 && text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return record.Task{}, taskUsage("%s is %q: it must be the number of shards", ShardsVariable, text)
		}
		count, from = n, ShardsVariable
	}
	switch text := getenv(ShardVariable); {
	case shard != Auto:
		return parseTask("--shard", shard, count, from)
	case text != "":
		return parseTask(ShardVariable, text, count, from)
	default:
		return engineTask(count, getenv)
	}
}

func taskUsage(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// parseTask reads INDEX/COUNT, or an index where the count is known: 0 for one that is not. what and from are what the text
// and the count come from.
func parseTask(what, text string, count int, from string) (record.Task, error) {
	first, second, both := strings.Cut(text, "/")
	index, err := strconv.Atoi(first)
	own := count
	if both && err == nil {
		own, err = strconv.Atoi(second)
	}
	t := record.Task{Index: index, Count: own}
	switch {
	case err != nil:
		return t, taskUsage("%s is %q: it must be INDEX/COUNT, as in 0/8, or auto where the engine of an array job says it", what, text)
	case own == 0 && !both:
		return t, taskUsage("%s is %q, and nothing says of how many: write %s/COUNT, or give --shards COUNT", what, text, text)
	case count > 0 && own != count:
		return t, taskUsage("%s is %q, and %s is %d: keep one", what, text, from, count)
	case t.Check() != nil:
		return t, taskUsage("%s is %q: %v", what, text, t.Check())
	}
	return t, nil
}

// engine is how the engine of an array job says which task a process is.
type engine struct {
	name, index, count string // variables; count is "" for an engine that does not say it
}

func engines() []engine {
	return []engine{
		{"Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"},
		{"Kubernetes", "JOB_COMPLETION_INDEX", ""},
		{"AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"},
		{"Cloud Run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"},
	}
}

// engineTask is the task of the one engine whose variables are set.
func engineTask(count int, getenv func(string) string) (record.Task, error) {
	var set []engine
	var names, all []string
	for _, e := range engines() {
		all = append(all, e.index)
		if getenv(e.index) != "" {
			set, names = append(set, e), append(names, e.index)
		}
	}
	switch {
	case len(set) == 0:
		return record.Task{}, taskUsage("--shard is auto, and none of %s, %s is set: is this an array job? Else give --shard INDEX/COUNT", ShardVariable, strings.Join(all, ", "))
	case len(set) > 1:
		return record.Task{}, taskUsage("--shard is auto, and %s are set: set %s=INDEX/COUNT, which comes first", strings.Join(names, " and "), ShardVariable)
	}
	return set[0].task(count, getenv)
}

func (e engine) task(count int, getenv func(string) string) (record.Task, error) {
	index, err := number(e.index, getenv)
	if err != nil {
		return record.Task{}, err
	}
	own := count
	if e.count != "" && getenv(e.count) != "" {
		if own, err = number(e.count, getenv); err != nil {
			return record.Task{}, err
		}
	}
	if e.name == "Slurm" {
		if index, own, err = slurm(index, own, count, getenv); err != nil {
			return record.Task{}, err
		}
	}
	t := record.Task{Index: index, Count: cmp.Or(count, own)}
	switch {
	case count > 0 && index == count:
		return t, taskUsage("%s is %d, and there are %d shards: with a count, shards are numbered from 0; make it an array from 0 to %d, or give --shard $((%s - 1))/%d",
			e.index, index, count, count-1, e.index, count)
	case t.Count == 0:
		return t, taskUsage("%s is %d, and nothing says of how many: give --shards COUNT, or set %s", e.index, index, ShardsVariable)
	case t.Check() != nil:
		return t, taskUsage("%s is %s: %v", e.index, getenv(e.index), t.Check())
	}
	return t, nil
}

// slurm returns index and count of an array. A count of its own leaves the index as it is, so that an array of a few indices
// makes the same shards again. Those of Slurm count only where the array has no gaps, as else nobody knows which indices
// there are; its first index is shard 0 then.
func slurm(index, own, count int, getenv func(string) string) (int, int, error) {
	if count > 0 {
		return index, count, nil
	}
	first, err := number("SLURM_ARRAY_TASK_MIN", getenv)
	last, err2 := number("SLURM_ARRAY_TASK_MAX", getenv)
	if err == nil && err2 == nil && own > 0 && last-first+1 == own {
		return index - first, own, nil
	}
	return 0, 0, taskUsage("the Slurm array has gaps, or does not say its bounds (SLURM_ARRAY_TASK_COUNT=%s, _MIN=%s, _MAX=%s), so that nobody knows of how many shards %d is one: give --shards COUNT, or set %s",
		getenv("SLURM_ARRAY_TASK_COUNT"), getenv("SLURM_ARRAY_TASK_MIN"), getenv("SLURM_ARRAY_TASK_MAX"), index, ShardsVariable)
}

// number is the value of a variable.
func number(variable string, getenv func(string) string) (int, error) {
	n, err := strconv.Atoi(getenv(variable))
	if err != nil || n < 0 {
		return 0, taskUsage("%s is %q: it must be a whole number that is not negative", variable, getenv(variable))
	}
	return n, nil
}

// Assign returns the places of the plan that each of count tasks works on, in the order of the plan. It depends on nothing
// but the plan.
func Assign(places []readers.Place, count int, balance string) [][]readers.Place {
	of := make([][]readers.Place, count)
	for i, owner := range owners(places, count, balance) {
		of[owner] = append(of[owner], places[i])
	}
	return of
}

// owners returns for each place the index of its task.
func owners(places []readers.Place, count int, balance string) []int {
	owner := make([]int, len(places))
	if balance != BalanceBytes {
		for i := range owner {
			owner[i] = i % count
		}
		return owner
	}
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(places[b].Bytes, places[a].Bytes) })
	loads := newLoads(count)
	for _, i := range order {
		owner[i] = loads.add(places[i].Bytes)
	}
	return owner
}

// Pending returns the indices of those of count tasks that have something left to do: a part that does not exist, or is not
// whole. served is what would score, as [Describe] returns it. Parts of something else are a *writers.MismatchError.
func (in *Input) Pending(ctx context.Context, served Served, count int, balance string) ([]int, error) {
	exists, err := in.Existing(ctx, served)
	if err != nil {
		return nil, err
	}
	return in.Lacking(exists, count, balance), nil
}

// Lacking is Pending where [Input.Existing] has returned which parts exist.
func (in *Input) Lacking(exists []bool, count int, balance string) []int {
	return in.tasksOf(func(shard int) bool { return !exists[shard] }, count, balance)
}

// Existing reports of each shard of the plan whether its part exists and is whole. Parts of something else are a
// *writers.MismatchError.
func (in *Input) Existing(ctx context.Context, served Served) ([]bool, error) {
	width, err := in.knownWidth(ctx, served)
	if err != nil {
		return nil, err
	}
	_, found, err := in.Compare(ctx, served, width)
	if err != nil {
		return nil, err
	}
	if err := found.Refusal(); err != nil {
		return nil, err
	}
	exists := make([]bool, len(found.Decisions))
	for i, d := range found.Decisions {
		exists[i] = d == writers.Skip
	}
	return exists, nil
}

// tasksOf returns the indices of the tasks that have a shard which is wanted, or a gap that is refused.
func (in *Input) tasksOf(wanted func(shard int) bool, count int, balance string) []int {
	places := in.Plan.Places()
	has := make([]bool, count)
	for i, owner := range owners(places, count, balance) {
		has[owner] = has[owner] || places[i].Gap == nil && wanted(places[i].Shard)
	}
	var indices []int
	for i, is := range has {
		if is {
			indices = append(indices, i)
		}
	}
	return indices
}

// knownWidth is the number of features of a node where the model says it, a plan has it, or else of the first graph.
func (in *Input) knownWidth(ctx context.Context, served Served) (int, error) {
	switch {
	case served.Model.InFeatures > 0:
		return served.Model.InFeatures, nil
	case in.fixed != nil:
		return in.fixed.Settings.FeatureWidth, nil
	default:
		return in.all().Plan.Width(ctx)
	}
}

// all is the input of which in may be what one task works on.
func (in *Input) all() *Input {
	if in.whole != nil {
		return in.whole
	}
	return in
}

// only is the input of the task that Config names.
func (in *Input) only() *Input {
	own := *in
	own.whole = in
	own.Plan = in.Plan.Only(Assign(in.Plan.Places(), in.Task.Count, in.Balance)[in.Task.Index])
	return &own
}

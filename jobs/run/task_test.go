package run

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/quick"

	"graphscore/readers"
	"graphscore/writers/record"
)

// Every engine says in its own words which task a process is.
func TestParseTask(t *testing.T) {
	t.Parallel()
	slurm := func(id, count, first, last string) map[string]string {
		return map[string]string{"SLURM_ARRAY_TASK_ID": id, "SLURM_ARRAY_TASK_COUNT": count, "SLURM_ARRAY_TASK_MIN": first, "SLURM_ARRAY_TASK_MAX": last}
	}
	for name, test := range map[string]struct {
		shard string
		count int
		env   map[string]string
		want  string
		says  string // of the error
	}{
		"plain":                  {shard: "3/8", want: "3/8"},
		"a count of its own":     {shard: "3", count: 8, want: "3/8"},
		"both":                   {shard: "3/8", count: 8, want: "3/8"},
		"two counts":             {shard: "3/8", count: 4, says: "keep one"},
		"no count":               {shard: "3", says: "write 3/COUNT"},
		"outside":                {shard: "8/8", says: "count from 0"},
		"negative":               {shard: "-1/8", says: "count from 0"},
		"none":                   {shard: "0/0", says: "count from 0"},
		"text":                   {shard: "a/8", says: "INDEX/COUNT"},
		"three":                  {shard: "1/2/3", says: "INDEX/COUNT"},
		"blank":                  {shard: " 1/2", says: "INDEX/COUNT"},
		"negative count":         {shard: "1", count: -2, says: "--shards is -2"},
		"no engine":              {shard: "auto", says: "none of GRAPHSCORE_SHARD, SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX"},
		"own":                    {shard: "auto", env: map[string]string{ShardVariable: "2/5"}, want: "2/5"},
		"own, and a count":       {shard: "auto", env: map[string]string{ShardVariable: "2", ShardsVariable: "5"}, want: "2/5"},
		"own, another count":     {shard: "auto", env: map[string]string{ShardVariable: "2/5", ShardsVariable: "6"}, says: "GRAPHSCORE_SHARDS is 6"},
		"plain, env counts":      {shard: "2", env: map[string]string{ShardsVariable: "6"}, want: "2/6"},
		"plain, env ignored":     {shard: "2/5", env: map[string]string{ShardsVariable: "6", ShardVariable: "1/6"}, want: "2/5"},
		"own before an engine":   {shard: "auto", env: map[string]string{ShardVariable: "2/5", "JOB_COMPLETION_INDEX": "1"}, want: "2/5"},
		"own, wrong":             {shard: "auto", env: map[string]string{ShardVariable: "5/5"}, says: ShardVariable + " is \"5/5\""},
		"slurm":                  {shard: "auto", env: slurm("2", "4", "0", "3"), want: "2/4"},
		"slurm from 1":           {shard: "auto", env: slurm("4", "4", "1", "4"), want: "3/4"},
		"slurm from 1, counted":  {shard: "auto", count: 4, env: slurm("3", "4", "1", "4"), want: "3/4"},
		"slurm one again":        {shard: "auto", count: 4, env: slurm("3", "1", "3", "3"), want: "3/4"},
		"slurm from 1, the last": {shard: "auto", count: 4, env: slurm("4", "4", "1", "4"), says: "an array from 0 to 3, or give --shard $((SLURM_ARRAY_TASK_ID - 1))/4"},
		"slurm with gaps":        {shard: "auto", env: slurm("2", "3", "0", "4"), says: "has gaps"},
		"slurm, some of all":     {shard: "auto", count: 8, env: slurm("6", "2", "5", "6"), want: "6/8"},
		"slurm, gaps, counted":   {shard: "auto", env: func() map[string]string { e := slurm("5", "2", "1", "5"); e[ShardsVariable] = "6"; return e }(), want: "5/6"},
		"slurm, outside":         {shard: "auto", count: 4, env: slurm("6", "2", "5", "6"), says: "SLURM_ARRAY_TASK_ID is 6"},
		"slurm without bounds":   {shard: "auto", env: map[string]string{"SLURM_ARRAY_TASK_ID": "2"}, says: "does not say its bounds"},
		"kubernetes":             {shard: "auto", count: 3, env: map[string]string{"JOB_COMPLETION_INDEX": "2"}, want: "2/3"},
		"kubernetes, no count":   {shard: "auto", env: map[string]string{"JOB_COMPLETION_INDEX": "2"}, says: ShardsVariable},
		"aws":                    {shard: "auto", env: map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}, want: "2/3"},
		"cloud run":              {shard: "auto", env: map[string]string{"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "3"}, want: "0/3"},
		"cloud run, other count": {shard: "auto", count: 9, env: map[string]string{"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "3"}, want: "0/9"},
		"two engines":            {shard: "auto", env: map[string]string{"CLOUD_RUN_TASK_INDEX": "0", "JOB_COMPLETION_INDEX": "1"}, says: "JOB_COMPLETION_INDEX and CLOUD_RUN_TASK_INDEX are set"},
		"no number":              {shard: "auto", env: map[string]string{"JOB_COMPLETION_INDEX": "x"}, says: "JOB_COMPLETION_INDEX is \"x\""},
		"no number of shards":    {shard: "auto", env: map[string]string{"JOB_COMPLETION_INDEX": "1", ShardsVariable: "0"}, says: ShardsVariable + " is \"0\""},
	} {
		got, err := ParseTask(test.shard, test.count, func(name string) string { return test.env[name] })
		var usage *UsageError
		switch {
		case test.says != "" && (!errors.As(err, &usage) || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: error %v, want %q", name, err, test.says)
		case test.says == "" && (err != nil || got.String() != test.want):
			t.Errorf("%s: %v, %v, want %s", name, got, err, test.want)
		}
	}
}

// Every place has one task, in the order of the plan, whatever the balance.
func TestAssign(t *testing.T) {
	t.Parallel()
	check := func(sizes []uint16, count uint8) bool {
		n := int(count%20) + 1
		places := make([]readers.Place, len(sizes))
		for i, size := range sizes {
			places[i] = readers.Place{Shard: i, Bytes: int64(size)}
		}
		for _, balance := range []string{BalanceNumber, BalanceBytes} {
			var all []int
			for i, own := range Assign(places, n, balance) {
				for k, p := range own {
					if k > 0 && own[k-1].Shard >= p.Shard || balance == BalanceNumber && p.Shard%n != i {
						return false
					}
					all = append(all, p.Shard)
				}
			}
			slices.Sort(all)
			if len(all) != len(sizes) || len(slices.Compact(all)) != len(sizes) {
				return false
			}
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestBalanceBytes(t *testing.T) {
	t.Parallel()
	var places []readers.Place
	for i, size := range []int64{1, 9, 5, 5, 1, 1, 0} {
		places = append(places, readers.Place{Shard: i, Bytes: size})
	}
	var got []string
	for _, own := range Assign(places, 3, BalanceBytes) {
		var shards []int
		for _, p := range own {
			shards = append(shards, p.Shard)
		}
		got = append(got, fmt.Sprint(shards))
	}
	if want := "[1] [0 2 5 6] [3 4]"; strings.Join(got, " ") != want && strings.Join(got, " ") != "[1] [0 2 5] [3 4 6]" {
		t.Errorf("%v, want %s", got, want)
	}
}

// A refused file keeps its number, so that the parts of others are the same tasks' with and without it.
func TestGapsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	parts := func(in *Input, count int) (of [][]string) {
		in.Task, in.Balance = &record.Task{Count: count}, BalanceNumber
		for i := range count {
			in.Task.Index = i
			of = append(of, in.only().parts())
		}
		return of
	}
	in := prepared(t, 2, 2, 2, 2, 2)
	whole := parts(in, 2)
	broken := prepared(t, 2, 2, 2, 2, 2)
	if err := os.WriteFile(broken.Plan.Files[1].Path, []byte("PAR1 is no file"), 0o666); err != nil {
		t.Fatal(err)
	}
	broken, err := Prepare(t.Context(), broken.Config)
	if err != nil {
		t.Fatal(err)
	}
	got := parts(broken, 2)
	want := [][]string{whole[0], slices.DeleteFunc(slices.Clone(whole[1]), func(name string) bool { return name == "b.parquet" })}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("parts %v, want %v", got, want)
	}
	broken.Task = &record.Task{Index: 1, Count: 2}
	if n := len(broken.only().Plan.Refused); n != 1 {
		t.Errorf("%d refused files of task 1", n)
	}
	broken.Task = &record.Task{Index: 0, Count: 2}
	if n := len(broken.only().Plan.Refused); n != 0 {
		t.Errorf("%d refused files of task 0", n)
	}
}

// Files that the operating system does not let a task read end its planning: others may read them.
func TestUnreadablePlan(t *testing.T) {
	t.Parallel()
	in := prepared(t, 2)
	in.Plan.Refused = append(in.Plan.Refused, &readers.FileError{Path: "x", Reason: "it is damaged"})
	if err := in.Readable(); err != nil {
		t.Errorf("a damaged file: %v", err)
	}
	in.Plan.Refused = append(in.Plan.Refused, &readers.FileError{Path: "z", Err: &os.PathError{Op: "open", Path: "z", Err: syscall.EACCES}})
	if err := in.Readable(); err != nil {
		t.Errorf("a file without permission: %v", err)
	}
	in.Plan.Refused = append(in.Plan.Refused, &readers.FileError{Path: "y", Err: fmt.Errorf("reading: %w", syscall.EIO)})
	if err := in.Readable(); ExitCode(err) != 74 || !strings.Contains(err.Error(), "y") {
		t.Errorf("an error of the system: %v", err)
	}
}

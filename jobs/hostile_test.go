package jobs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"graphscore/jobs"
)

// TestHostileJobs: files that ask for more time or memory than a job of their size justifies are refused by name.
func TestHostileJobs(t *testing.T) { // not parallel: it measures what is allocated
	repeat := strings.Repeat
	aliases := func(first, line string) string {
		var b strings.Builder
		b.WriteString(first)
		for i := 1; i < 30; i++ {
			b.WriteString(strings.NewReplacer("N", fmt.Sprint(i), "P", fmt.Sprint(i-1)).Replace(line))
		}
		return b.String()
	}
	for name, test := range map[string]struct{ content, want string }{
		"1 MB of brackets":       {repeat("[", 1<<20), "a line of more than 16 KiB"},
		"brackets a line":        {repeat("[\n", 100_000), "nested more than 64 levels"},
		"mappings in mappings":   {repeat("{a: ", 1000), "nested more than 64 levels"},
		"20,000 keys":            {aliasFree(20_000), "10,000 lines, commas and brackets"},
		"an array of nothing":    {"input: {path: [" + repeat(repeat("a,", 7000)+"\n", 15) + "]}", "10,000 lines, commas and brackets"},
		"empty mappings":         {repeat(repeat("{}", 7000)+"\n", 15), "10,000 lines, commas and brackets"},
		"aliases of aliases":     {aliases("a0: &a0 [x, x]\n", "aN: &aN [*aP, *aP, *aP]\n"), "repeats values by its aliases"},
		"merged aliases":         {aliases("a0: &a0 {<<: {p: q}}\n", "aN: &aN {<<: [*aP, *aP, *aP]}\n"), "repeats values by its aliases"},
		"an alias in itself":     {"input: &x {path: *x}\n", "job.yaml:"},
		"a merge of itself":      {"input: &x\n  path: d\n  <<: *x\n", "job.yaml"},
		"a number of 16,000":     {"input: {path: d, shard_bytes: " + repeat("9", 16_000) + "}\n", "is not a size"},
		"1,000 documents":        {repeat("---\n", 1000), "job.yaml"},
		"quotes that never end":  {repeat("\"\n", 4000), "job.yaml:"},
		"a line of percent":      {repeat("%", 15_000), "job.yaml:"},
		"a command of terminals": {"name: \"\u009b2J\"\n", "U+009B"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "job.yaml")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := jobs.Load(path)
			runtime.ReadMemStats(&after)
			var e *jobs.Error
			if name == "1,000 documents" && err == nil { // of nothing, which the job lacks later
				return
			}
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 4096 {
				t.Errorf("error %.300q, want %q", fmt.Sprint(err), test.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 512<<20 {
				t.Errorf("%d bytes allocated", took)
			}
		})
	}
}

// aliasFree is a mapping of so many keys.
func aliasFree(keys int) string {
	var b strings.Builder
	for i := range keys {
		fmt.Fprintf(&b, "k%d: v\n", i)
	}
	return b.String()
}

// TestPipes: a pipe is read as a shell makes it of <(command).
func TestPipes(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := write.WriteString("name: night\n"); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := jobs.ReadFile(fmt.Sprintf("/proc/self/fd/%d", read.Fd()), 100)
	if err != nil || string(content) != "name: night\n" {
		t.Errorf("%q, %v", content, err)
	}
	var large *jobs.LargeError
	if content, err := jobs.ReadFile("/dev/zero", 100); !errors.As(err, &large) || len(content) != 100 {
		t.Errorf("%d bytes of /dev/zero, %v", len(content), err)
	}
}

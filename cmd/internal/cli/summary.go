package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/pipeline"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// sayPlan logs what will be read, and what lies there and will not be.
func (r *run) sayPlan(ctx context.Context) {
	r.log.InfoContext(ctx, "planned", "files", len(r.plan.Files), "shards", len(r.plan.Shards), "graphs", r.plan.Rows,
		"refused", len(r.plan.Refused), "ignored", len(r.plan.Ignored))
	for _, path := range r.plan.Ignored {
		r.log.WarnContext(ctx, "ignored: neither its name nor its content is that of Parquet or Arrow", "file", path)
	}
}

// summarize tells how the run ended: the record on standard output with --json, else a few lines; and always,
// on standard error, what was not scored.
func (r *run) summarize(rec *record.Run) error {
	for _, f := range rec.Refused {
		fmt.Fprintf(r.stderr, "graphscore: refused: %s\n", f.Reason)
	}
	if n := r.quarantined(); n > 0 {
		fmt.Fprintf(r.stderr, "graphscore: %s in quarantine (%s): see %s/%s\n",
			plural(n, "graph"), codeText(rec.QuarantinedByCode), strings.TrimSuffix(rec.Output, "/"), part.QuarantineDir)
	}
	r.sayGates(rec.Gates)
	if r.asJSON {
		if r.trace && r.result != nil {
			fmt.Fprintf(r.stderr, "graphscore: %s\n", r.traced().Bottleneck())
		}
		return rec.Encode(r.stdout)
	}
	if !r.quiet {
		if err := printSummary(r.stdout, rec); err != nil {
			return err
		}
	}
	if r.trace && r.result != nil {
		return r.printStages()
	}
	return nil
}

// printStages prints how busy each stage was, and the bottleneck in a sentence.
func (r *run) printStages() error {
	t := r.traced()
	var b strings.Builder
	b.WriteString(t.String())
	wrapped(&b, "  ", t.Bottleneck())
	_, err := io.WriteString(r.stdout, b.String())
	return err
}

// traced is how busy each stage was.
func (r *run) traced() pipeline.Trace {
	return pipeline.Trace{Stages: r.progress.Stages(), Calls: r.calls, Workers: r.workers()}
}

// printSummary prints that of a run which came as far as a record.
func (r *run) printSummary(w io.Writer) error {
	if r.rec == nil {
		return nil
	}
	return printSummary(w, r.rec)
}

func printSummary(w io.Writer, rec *record.Run) error {
	c := rec.Counts
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", rec.Name, rec.Output)
	line := func(what string, n int64, note string) {
		fmt.Fprintf(&b, "  %-12s %13s  %s", what, humanize.Comma(n), note)
		text := strings.TrimRight(b.String(), " ")
		b.Reset()
		b.WriteString(text + "\n")
	}
	note := ""
	if c.Files == 0 {
		note = "nothing to do: the input holds no file"
	}
	line("files", c.Files, note)
	if c.FilesRefused > 0 {
		line("refused", c.FilesRefused, "files that could not be read")
	}
	line("scored", c.Scored, fmt.Sprintf("graphs, %s nodes", humanize.Comma(c.Nodes)))
	if c.Skipped > 0 {
		line("skipped", c.Skipped, fmt.Sprintf("graphs that were done before, in %s", plural(c.ShardsSkipped, "part")))
	}
	if len(rec.QuarantinedByCode) > 0 {
		line("quarantined", sum(rec.QuarantinedByCode), codeText(rec.QuarantinedByCode))
	}
	if c.Orphaned > 0 {
		line("orphaned", c.Orphaned, "parts without an input that can be read; they stay")
	}
	gatesSummary(&b, rec.Gates)
	working := rec.Seconds - rec.StartupSeconds
	fmt.Fprintf(&b, "  %.1f s, of which start-up %.1f s", rec.Seconds, rec.StartupSeconds)
	if c.Scored > 0 && working > 0 {
		fmt.Fprintf(&b, "; then %s graphs/s", humanize.Comma(int64(float64(c.Scored)/working)))
	}
	fmt.Fprintf(&b, " with %s\n", plural(int64(rec.Workers), "worker"))
	_, err := io.WriteString(w, b.String())
	return err
}

func sum(counts map[string]int64) int64 {
	var n int64
	for _, v := range counts {
		n += v
	}
	return n
}

// codeText lists reasons by name: edge_out_of_range 2, too_large 1.
func codeText[C ~string](codes map[C]int64) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		parts = append(parts, fmt.Sprintf("%s %s", code, humanize.Comma(codes[code])))
	}
	return strings.Join(parts, ", ")
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return humanize.Comma(n) + " " + word + "s"
}

package preflight

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/remote"
	"graphscore/readers"
)

// checkJob checks the job where there is one; jobErr says why there is none.
func checkJob(k *known, jobErr error) Finding {
	if jobErr == nil {
		jobErr = k.cfg.CheckJob()
	}
	if jobErr != nil {
		return fail(opening, jobErr)
	}
	k.have |= haveJob
	from := cmp.Or(k.cfg.Job.Path, "made of flags")
	if k.cfg.Date != "" {
		return ok("%s, for %s", from, k.cfg.Date)
	}
	return ok("%s", from)
}

func checkPaths(_ context.Context, k *known) Finding {
	if err := k.cfg.CheckPaths(); err != nil {
		return fail(opening, err)
	}
	return ok("input and output lie apart")
}

func checkInput(ctx context.Context, k *known) Finding {
	in, err := k.cfg.ReadPlan(ctx)
	if err != nil {
		return fail(opening, err)
	}
	k.in = in
	k.have |= haveInput
	plan, files := in.Plan, display.Plural(int64(in.Files()), "file")
	switch n := len(plan.Refused); {
	case plan.Empty():
		return warn("%s: a run would have nothing to do", nothingMatches(in))
	case n > 0:
		f := fail(preflight, in.Outcome(n, false, nil, 0))
		f.Text = fmt.Sprintf("%d of %s cannot be read: %s", n, files, firstOf(plan.Refused))
		if run.ExitCode(f.err) == exit.Partly {
			f.phase = ending
		}
		return f
	case len(plan.LeftOut.Unfinished) > 0:
		f := fail(ending, in.Outcome(0, false, nil, 0))
		f.Text += ": " + plan.LeftOut.Unfinished[0]
		return f
	case len(plan.LeftOut.Other) > 0:
		return warn("%s, %s; left out: %s", files, display.Plural(plan.Rows, "graph"), in.LeftOut())
	case in.LeftOut().Sum() > 0:
		return ok("%s, %s; left out: %s", files, display.Plural(plan.Rows, "graph"), in.LeftOut())
	}
	return ok("%s, %s", files, display.Plural(plan.Rows, "graph"))
}

// firstOf names the first few files that cannot be read.
func firstOf(refused []*readers.FileError) string {
	var text []string
	for i, f := range refused {
		if i == 3 {
			text = append(text, fmt.Sprintf("and %d more", len(refused)-i))
			break
		}
		text = append(text, f.Error())
	}
	return strings.Join(text, "; ")
}

func checkOutput(_ context.Context, k *known) Finding {
	path := k.cfg.Job.Output.Path
	exists, err := checkFolder(path)
	switch {
	case err != nil && exists: // a run takes the lock before
		return fail(entering, err)
	case err != nil:
		return fail(opening, err)
	case !exists:
		return ok("%s is not there yet, and can be created", path)
	}
	return ok("%s can be written to", path)
}

func checkLock(_ context.Context, k *known) Finding {
	if err := k.cfg.CheckHeld(); err != nil {
		return fail(opening, err)
	}
	return ok("no run holds the output")
}

func checkTLS(_ context.Context, k *known) Finding {
	if k.cfg.Job.Model.Path != "" {
		return ok("not needed: local workers use a private socket")
	}
	if err := k.cfg.CheckTLS(); err != nil {
		return fail(preflight, err)
	}
	if k.cfg.Job.Server.TLS == nil {
		return ok("off: requests go in plain text")
	}
	return ok("on, and its files can be read")
}

// checkScorer starts one worker, or asks every server.
func checkScorer(ctx context.Context, k *known) Finding {
	absent := absentServers(ctx, k.cfg)
	s, err := run.Connect(ctx, k.cfg, 1)
	if err != nil {
		return fail(preflight, err)
	}
	k.served, k.workerMemory = s.Served, s.PeakMemory()
	k.have |= haveScorer
	local := s.Local()
	if err := s.Close(); err != nil {
		return fail(ending, err)
	}
	m := &k.served.Model
	what := cmp.Or(m.Name, "a model") + " " + m.Digest
	switch {
	case len(absent) > 0:
		return warn("%d of %d servers do not answer (%s); the others serve %s", len(absent), len(k.served.Addresses),
			strings.Join(absent, "; "), what)
	case local:
		return ok("a worker has started, with %s (%s)", what, m.Engine)
	}
	return ok("%s, serving %s", display.Plural(int64(len(k.served.Addresses)), "server"), what)
}

// probeTimeout bounds how long one of several servers is waited for.
const probeTimeout = 3 * time.Second

// absentServers says which of several servers do not answer. A run begins without them.
func absentServers(ctx context.Context, cfg run.Config) (absent []string) {
	if len(cfg.Job.Server.Addresses) < 2 {
		return nil
	}
	for _, address := range cfg.Job.Server.Addresses {
		alone := *cfg.Job
		alone.Server.Addresses = []string{address}
		alone.Limits.RetryBudget = jobs.Duration(min(probeTimeout, time.Duration(alone.Limits.RetryBudget)))
		probe := cfg
		probe.Job = &alone
		s, err := run.Connect(ctx, probe, 1)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			absent = append(absent, err.Error())
		}
	}
	return absent
}

// checkModel compares the model with the data.
func checkModel(ctx context.Context, k *known) Finding {
	width, note, err := detectWidth(ctx, k.in, k.served)
	k.width = width
	switch {
	case err != nil:
		return fail(preflight, err)
	case note != "":
		return warn("%s", note)
	case len(k.in.Plan.Shards) == 0:
		return unchecked("there is no graph to look at")
	}
	return ok("nodes have %d features, as the model wants", width)
}

func checkMessages(_ context.Context, k *known) Finding {
	mine, theirs := int64(k.cfg.Job.Limits.MessageBytes), k.served.Model.MaxMessageBytes
	if theirs > 0 && theirs < mine {
		return warn("the job allows messages of %s, the server takes %s: larger graphs go to quarantine; raise --max-message-bytes of the server, or lower limits.message_bytes",
			humanize.IBytes(uint64(mine)), humanize.IBytes(uint64(theirs)))
	}
	if protocol := k.cfg.Job.Server.Protocol; !remote.TraitsOf(protocol).Describes {
		return ok("up to %s, as far as this side knows: protocol %s does not report the server's limit", humanize.IBytes(uint64(mine)), protocol)
	}
	return ok("up to %s on both sides", humanize.IBytes(uint64(mine)))
}

// checkParts compares the plan with the parts that exist.
func checkParts(ctx context.Context, k *known) Finding {
	c, err := compare(ctx, k.in, k.served, k.width)
	if err != nil {
		return fail(preflight, err)
	}
	k.comparison = c
	k.have |= haveParts
	if err := c.found.Refusal(); err != nil {
		return fail(preflight, err)
	}
	if err := k.in.OverBudget(c.quarantinedByCode()); err != nil {
		return fail(preflight, err)
	}
	w := c.workloads()
	text := fmt.Sprintf("%s to score, %d to redo, %d done before", display.Plural(int64(w.Score.Shards), "shard"), w.Redo.Shards, w.Skip.Shards)
	if n := c.quarantined(); n > 0 { // a run ends with that again, until the graphs are mended or gone
		f := warn("%s; in quarantine: %s of parts that exist, so a run ends with %d", text, display.Plural(n, "graph"), exit.Partly)
		f.err, f.phase = &run.OutcomeError{Code: exit.Partly, Message: f.Text, Said: true}, ending
		return f
	}
	return ok("%s", text)
}

// checkGates judges by those gates that need no score.
func checkGates(_ context.Context, k *known) Finding {
	limits := k.cfg.Job.Gates
	switch {
	case !limits.Any():
		return ok("none are set")
	case k.cfg.Limit > 0:
		return unchecked("--limit takes only some of the graphs")
	}
	verdicts, notes, earlier, err := inputGates(k.in, false)
	if err != nil {
		return fail(gating, err)
	}
	if k.knows(haveParts) {
		verdicts = append(verdicts, k.comparison.quarantineGate()...)
	}
	if err := run.GatesFailed(verdicts); err != nil {
		return fail(gating, err)
	}
	var texts []string
	for i := range verdicts {
		texts = append(texts, verdicts[i].Name+" holds")
	}
	text := strings.Join(append(texts, notes...), "; ")
	if limits.Drift != nil && earlier == "" {
		return warn("%s", text)
	}
	return ok("%s", cmp.Or(text, "what is set shows when all is scored"))
}

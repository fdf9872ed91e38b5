package run

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// PlanFile is a plan that was fixed: what is read, what scores it, and which parts come of it.
type PlanFile struct {
	// Version is that of the graphscore that made it: another may cut shards or score in another way.
	Version string `json:"version"`
	// Job is its name and Date that of a job with {date}, else "".
	Job  string `json:"job"`
	Date string `json:"date"`

	Model          record.Model    `json:"model"`
	Settings       part.Settings   `json:"settings"`
	SettingsDigest string          `json:"settings_digest"`
	Input          readers.Listing `json:"input"`

	path string
}

// maxPlanBytes is far more than the plan of a million files takes.
const maxPlanBytes = 1 << 30

// planForm is the form of plan files.
const planForm = "graphscore-plan/1"

// sealed is a plan file as it is written. The checksum is that of the plan without white space between its values.
type sealed struct {
	Format   string          `json:"format"`
	Checksum string          `json:"checksum"`
	Plan     json.RawMessage `json:"plan"`
}

// PlanFileError is a plan file that cannot be used.
type PlanFileError struct{ Path, Reason string }

func (e *PlanFileError) Error() string {
	return display.Harmless("the plan " + e.Path + " " + e.Reason)
}

// PlanFile fixes the plan of the contract. The error is that of [Input.Readable], or of a path that nobody can resolve.
func (c *Contract) PlanFile() (*PlanFile, error) {
	if err := c.in.Readable(); err != nil {
		return nil, err
	}
	l, err := c.in.Plan.Listing()
	if err != nil {
		return nil, err
	}
	p := &PlanFile{
		Version: BuildVersion(), Job: c.in.Job.Name, Date: c.in.Date, Model: record.NewModel(&c.served.Model),
		Settings: c.Settings, SettingsDigest: c.Settings.Digest(), Input: *l,
	}
	p.Model.InFeatures = c.served.Model.InFeatures
	p.Model.Engine, p.Model.BLAS, p.Model.Versions = "", "", nil // of whoever asked, not of who will score
	return p, nil
}

// Readable returns an *atomic.IOError where planning could not read a file because a call of the operating system failed:
// such a plan lacks what another has.
func (in *Input) Readable() error {
	failed := in.Plan.FailedBySystem()
	if failed == nil {
		return nil
	}
	return notRead(failed)
}

// notRead is the error of a file that the operating system could not read.
func notRead(failed *readers.FileError) error {
	return &atomic.IOError{Op: "reading", Path: failed.Path, Err: failed.Err}
}

// Write writes the plan into a file, whole or not at all. The error is that of [atomic.WriteFileFrom].
func (p *PlanFile) Write(file string) error {
	sum := sha256.New()
	if err := p.encode(sum); err != nil {
		return fmt.Errorf("writing the plan %q: %w", file, err)
	}
	return atomic.WriteFileFrom(file, func(w io.Writer) error {
		_, err := io.WriteString(w, planHead+textOf(sum.Sum(nil))+planMid)
		if err == nil {
			err = p.encode(w)
		}
		if err == nil {
			_, err = io.WriteString(w, planTail)
		}
		return err
	})
}

// encode writes the plan as [display.CompactJSON] has it, file by file: a plan of many files is never in memory as a whole.
func (p *PlanFile) encode(w io.Writer) error {
	const key, none = `"files":`, "null" // no text in JSON has the key: its quotes would be escaped
	without := *p
	without.Input.Files = nil
	all, err := display.CompactJSON(&without)
	if err != nil {
		return err
	}
	head, tail, _ := bytes.Cut(all, []byte(key+none))
	if p.Input.Files == nil {
		_, err = w.Write(all)
		return err
	}
	if _, err := fmt.Fprintf(w, "%s%s[", head, key); err != nil {
		return err
	}
	for i := range p.Input.Files {
		one, err := display.CompactJSON(&p.Input.Files[i])
		if err != nil {
			return err
		}
		if i > 0 {
			one = append([]byte{','}, one...)
		}
		if _, err := w.Write(one); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, "]%s", tail)
	return err
}

// What is before, within and behind the checksum and the plan in a file as it is written: that of sealed, without decoding
// all of it.
const (
	planHead = `{"format":"` + planForm + `","checksum":"`
	planMid  = `","plan":`
	planTail = "}\n"
)

// asWritten returns the plan of a file that nobody has edited. ok is false for any other.
func asWritten(content []byte) (plan []byte, ok bool) {
	rest, hasHead := bytes.CutPrefix(content, []byte(planHead))
	sum, rest, hasMid := bytes.Cut(rest, []byte(planMid))
	plan, hasTail := bytes.CutSuffix(rest, []byte(planTail))
	return plan, hasHead && hasMid && hasTail && string(sum) == checksum(plan)
}

func checksum(plan []byte) string {
	sum := sha256.Sum256(plan)
	return textOf(sum[:])
}

// textOf is a hash as plan files have it.
func textOf(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// ReadPlanFile reads a plan that this version of graphscore has made. Errors are a *PlanFileError or an *atomic.IOError.
func ReadPlanFile(file string) (*PlanFile, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
	case !info.Mode().IsRegular(): // opening a pipe blocks
		return nil, &PlanFileError{file, "is not a file: graphscore plan JOB --out FILE makes one"}
	case info.Size() > maxPlanBytes:
		return nil, &PlanFileError{file, fmt.Sprintf("has %s, more than a plan has: graphscore plan JOB --out FILE makes one", humanize.IBytes(uint64(info.Size())))}
	}
	var content []byte
	if err == nil {
		content, err = readText(file)
	}
	switch {
	case errors.Is(err, errNoText):
		return nil, notOurs(file)
	case errors.Is(err, fs.ErrNotExist):
		return nil, &PlanFileError{file, "does not exist: graphscore plan JOB --out FILE makes it"}
	case err != nil:
		return nil, &atomic.IOError{Op: "reading", Path: file, Err: err}
	}
	p := &PlanFile{path: file}
	if plan, ok := asWritten(content); ok {
		if p.decode(plan) {
			return p, p.ofThisVersion()
		}
		if *p = (PlanFile{path: file}); json.Unmarshal(plan, p) == nil {
			return p, p.ofThisVersion()
		}
	}
	return unsealed(file, content)
}

// errNoText is that of a file with zeros in it, which no JSON has.
var errNoText = errors.New("it is no text")

// readText reads a file. One that is sparse takes space on no disk, and so must not take its size in memory: the file is searched
// for zeros, a piece at a time, before there is room for all of it.
func readText(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	piece := make([]byte, 256<<10)
	for {
		n, err := f.Read(piece)
		if bytes.IndexByte(piece[:n], 0) >= 0 {
			return nil, errNoText
		}
		if err == io.EOF {
			return os.ReadFile(file)
		}
		if err != nil {
			return nil, err
		}
	}
}

// notOurs is the error of a file that graphscore has not made.
func notOurs(file string) error {
	return &PlanFileError{file, "is not one of graphscore: graphscore plan JOB --out FILE makes one"}
}

// unsealed reads a plan file whose white space may differ, and says what is wrong with any other.
func unsealed(file string, content []byte) (*PlanFile, error) {
	var s sealed
	if json.Unmarshal(content, &s) != nil || !strings.HasPrefix(s.Format, "graphscore-plan/") || len(s.Plan) == 0 {
		return nil, notOurs(file)
	}
	var plain bytes.Buffer
	if err := json.Compact(&plain, s.Plan); err != nil || s.Checksum != checksum(plain.Bytes()) {
		return nil, &PlanFileError{file, "was changed after graphscore made it: its checksum is not that of its content; make the plan again"}
	}
	p := &PlanFile{path: file}
	if s.Format != planForm || json.Unmarshal(s.Plan, p) != nil {
		return nil, &PlanFileError{file, fmt.Sprintf("has the form %s of another version of graphscore: make the plan again", s.Format)}
	}
	return p, p.ofThisVersion()
}

// ofThisVersion returns a *PlanFileError for a plan of another version of graphscore.
func (p *PlanFile) ofThisVersion() error {
	if now := BuildVersion(); p.Version != now {
		return &PlanFileError{p.path, fmt.Sprintf("was made by graphscore %s, and this is %s: make the plan again, or run that version", p.Version, now)}
	}
	return nil
}

// readFixed is the input of the plan file that Config names. No file is opened.
func (c Config) readFixed() (*Input, error) {
	fixed, err := ReadPlanFile(c.PlanFile)
	if err != nil {
		return nil, err
	}
	if fixed.Job != c.Job.Name {
		return nil, &PlanFileError{c.PlanFile, fmt.Sprintf("is of another job: it was made for %s, and this is %s", fixed.Job, c.Job.Name)}
	}
	if fixed.Date != c.Date {
		return nil, &PlanFileError{c.PlanFile, fmt.Sprintf("is of another date: it was made for %s, and this is %s", orNone(fixed.Date), orNone(c.Date))}
	}
	plan, err := readers.Planned(c.reader(), &fixed.Input)
	if err != nil {
		return nil, err
	}
	fixed.Input.Files = nil // they are in the plan
	in := &Input{Config: c, Plan: plan, fixed: fixed}
	return in, in.carriesWeights()
}

func orNone(date string) string { return cmp.Or(date, "none") }

// confirm compares the files of the input with the plan file, where there is one.
func (in *Input) confirm(ctx context.Context) error {
	if in.fixed == nil {
		return nil
	}
	err := in.Plan.Confirm(ctx)
	var failed *readers.FileError
	if errors.As(err, &failed) {
		return notRead(failed)
	}
	return err
}

// same returns a *PlanFileError where the contract is not that of the plan file.
func (p *PlanFile) same(c *Contract) error {
	if p == nil {
		return nil
	}
	if now := c.served.Model.Digest; now != p.Model.Digest {
		return &PlanFileError{p.path, fmt.Sprintf("is of another model: it was made for %s, and the job has %s: make the plan again", p.Model.Digest, now)}
	}
	if c.Settings.Digest() != p.SettingsDigest {
		return &PlanFileError{p.path, "is of another job: " + strings.Join(c.Settings.Differences(p.Settings), ", ") + ": make the plan again"}
	}
	return nil
}

// checkPlan compares a model folder with the plan file, where there is one, before a worker is started.
func (in *Input) checkPlan(ctx context.Context) error {
	if in.fixed == nil || in.Job.Model.Path == "" {
		return nil
	}
	served, err := DescribeParts(ctx, in.Config)
	if err != nil {
		return err
	}
	width, err := in.knownWidth(ctx, served)
	if err != nil {
		return err
	}
	return in.fixed.same(in.Agree(served, width, IDTypes{}))
}

// served is what scored when the plan was made.
func (p *PlanFile) served() (Served, error) {
	level, err := p.Settings.ScoreLevel()
	if err != nil {
		return Served{}, &PlanFileError{p.path, "has a level that does not exist: make the plan again"}
	}
	inputs := p.Settings.Inputs()
	inputs.NeedWeights = p.Model.Inputs.EdgeWeightNeeded
	m := graph.Model{
		Name: p.Model.Name, Digest: p.Model.Digest, InFeatures: p.Model.InFeatures, Outputs: p.Settings.Outputs,
		Level: level, Inputs: inputs,
	}
	return Served{Model: m, MessageBytes: p.Settings.MessageBytes}, nil
}

package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"graphscore/pipeline/display"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	textfileSuffix = ".prom" // what node_exporter reads
	textfilePrefix = "graphscore-"
	backfillPrefix = "graphscore_backfill-" // no name of a job makes the other one of it
	backfillSuffix = "_backfill"
)

// TextfilePath is the file for the nights of a job, or for its backfills: path itself where it ends in .prom, for
// backfills a file beside it, else one in the folder path that is named after the job.
func TextfilePath(path, job string, backfill bool) string {
	if base, is := strings.CutSuffix(path, textfileSuffix); is {
		if backfill {
			base += backfillSuffix
		}
		return base + textfileSuffix
	}
	name := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(job, "_")
	if name != job { // another job may look alike
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(job)) // never fails
		name = fmt.Sprintf("%s-%08x", name, sum.Sum32())
	}
	prefix := textfilePrefix
	if backfill {
		prefix = backfillPrefix
	}
	return filepath.Join(path, prefix+name+textfileSuffix)
}

// WriteTextfile puts the metrics into a file for the textfile collector of node_exporter, by rename, readable for
// all. What outlives a run is taken over from the file that it replaces. The folder must exist. The error names the
// file; it is a *NotOursError where the file is that of another job, and stays, and a *LostError where the file was
// empty or no metrics, and was replaced.
func WriteTextfile(ctx context.Context, path string, l *LastRun) error {
	defer lockFolder(ctx, filepath.Dir(path))()
	before, err := textfile(path)
	var lost *LostError
	if err != nil && !errors.As(err, &lost) {
		return err
	}
	if err := l.mayReplace(before, path, "remove the file"); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	if err := l.gather(prometheus.WrapRegistererWith(prometheus.Labels{"job": display.Line(l.Job.Name)}, registry), before); err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	if err := prometheus.WriteToTextfile(path, l.with(before, registry)); err != nil {
		return fmt.Errorf("writing %s: %w", path, display.Cause(err))
	}
	if lost != nil {
		return lost
	}
	return nil
}

// lockFolder waits, 3 s at most, until no other command reads and replaces a file of the folder: each would undo the
// other. Where a folder cannot be locked, there is no waiting.
func lockFolder(ctx context.Context, folder string) (unlock func()) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushPatience)
	defer cancel()
	lock := flock.New(folder, flock.SetFlag(os.O_RDONLY))
	_, _ = lock.TryLockContext(ctx, 5*time.Millisecond)
	return func() { _ = lock.Close() }
}

// CheckTextfile returns the error of WriteTextfile over a file that exists, and writes nothing.
func CheckTextfile(path string, job Job) error {
	before, err := textfile(path)
	if err != nil {
		return err
	}
	return (&LastRun{Job: job}).mayReplace(before, path, "remove the file")
}

// with adds to what is gathered those metrics of before that outlive it.
func (l *LastRun) with(before standing, now prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := now.Gather()
		if err != nil {
			return nil, err
		}
		for name, family := range before {
			named := slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
			if !named && l.outlives(name) {
				families = append(families, l.of(family))
			}
		}
		slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
		return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return len(f.GetMetric()) == 0 }), nil
	})
}

// of is a family of the metrics of the job.
func (l *LastRun) of(family *dto.MetricFamily) *dto.MetricFamily {
	ours := &dto.MetricFamily{Name: family.Name, Help: family.Help, Type: family.Type}
	for _, m := range family.GetMetric() {
		if labelsOf(m)["job"] == display.Line(l.Job.Name) {
			ours.Metric = append(ours.Metric, m)
		}
	}
	return ours
}

// maxMetrics is far more than the figures of a thousand jobs take.
const maxMetrics = 64 << 20

// readMetrics reads a regular file that is not larger than maxMetrics.
func readMetrics(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // opening a pipe blocks
		return nil, errors.New("it is not a file")
	case info.Size() > maxMetrics:
		return nil, fmt.Errorf("it has %d bytes, more than metrics have", info.Size())
	}
	return os.ReadFile(path)
}

// textfile is what a file has, nothing where there is none. The error names the file; it is a *LostError where the file
// is empty, as a crash of the machine leaves it, or is no metrics.
func textfile(path string) (standing, error) {
	content, err := readMetrics(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, display.Cause(err))
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, &LostError{path, "was empty"}
	}
	before, err := readStanding(bytes.NewReader(content), func(map[string]string) bool { return true })
	if err != nil {
		return nil, &LostError{path, "could not be read as metrics (" + strings.Join(strings.Fields(err.Error()), " ") + ")"}
	}
	return before, nil
}

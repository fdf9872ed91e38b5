package observe

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"graphscore/pipeline/display"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const textfileSuffix = ".prom" // what node_exporter reads

// TextfilePath is the file for a job: path itself where it ends in .prom, else one in the folder path that is named
// after the job.
func TextfilePath(path, job string) string {
	if strings.HasSuffix(path, textfileSuffix) {
		return path
	}
	name := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(job, "_")
	if name != job { // another job may look alike
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(job)) // never fails
		name = fmt.Sprintf("%s-%08x", name, sum.Sum32())
	}
	return filepath.Join(path, "graphscore-"+name+textfileSuffix)
}

// WriteTextfile puts the metrics into a file for the textfile collector of node_exporter, by rename, readable for
// all. The folder must be there. The error names the file.
func WriteTextfile(path string, l *LastRun) error {
	registry := prometheus.NewRegistry()
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"job": l.Job}, registry)
	succeeded, err := lastSuccess(path, l.Job)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, display.Cause(err))
	}
	if err := l.gather(labelled, succeeded); err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	if err := prometheus.WriteToTextfile(path, registry); err != nil {
		return fmt.Errorf("writing %s: %w", path, display.Cause(err))
	}
	return nil
}

// lastSuccess is the time of the last success of a job that the file has, 0 where it has none: whatever is
// there otherwise is replaced. The error is that of a file which cannot be read.
func lastSuccess(path, job string) (float64, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(content))
	if err != nil { // it is no such file
		return 0, nil
	}
	for _, m := range families[successName].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "job" && label.GetValue() == job {
				return m.GetGauge().GetValue(), nil
			}
		}
	}
	return 0, nil
}

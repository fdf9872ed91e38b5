package observe

import (
	"fmt"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// standing is what was published before for one job, by the names of its metrics. It is nil where that is not known.
type standing map[string]*dto.MetricFamily

// readStanding reads metrics as text. Those that ours rejects are left out. The error is that of a text which is no such
// thing.
func readStanding(text io.Reader, ours func(labels map[string]string) bool) (standing, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	found := standing{}
	for name, family := range families {
		of := &dto.MetricFamily{Name: family.Name, Help: family.Help, Type: family.Type}
		for _, m := range family.GetMetric() {
			if ours(labelsOf(m)) {
				of.Metric = append(of.Metric, m)
			}
		}
		if len(of.GetMetric()) > 0 {
			found[name] = of
		}
	}
	return found, nil
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// value is that of a counter, 0 where it does not exist.
func (s standing) value(name string) float64 {
	for _, m := range s[name].GetMetric() {
		return m.GetCounter().GetValue()
	}
	return 0
}

// job is whose figures they are, where they say it.
func (s standing) job(info string) (job Job, ok bool) {
	for _, m := range s[info].GetMetric() {
		labels := labelsOf(m)
		return Job{Name: labels["job"], File: labels["file"], Output: labels["output"]}, true
	}
	return Job{}, false
}

// NotOursError says that the figures in a place are not replaced, as they are of something else.
type NotOursError struct{ Place, Reason string }

func (e *NotOursError) Error() string { return e.Place + " is left as it is: " + e.Reason }

// LostError says that figures were published, but without what outlives a run: what was published before cannot be read.
type LostError struct{ Place, Reason string }

func (e *LostError) Error() string {
	return fmt.Sprintf("%s %s: its figures are new, and begin without the time of the last success and the count of commands that "+
		"ended with 75", e.Place, e.Reason)
}

// mayReplace returns a *NotOursError where what was published before is not to be replaced. remedy says how a person
// removes it.
func (l *LastRun) mayReplace(before standing, place, remedy string) error {
	n := l.names()
	if other, known := before.job(n.info); known && !l.Job.same(other) {
		return &NotOursError{place, fmt.Sprintf("it has the figures of another job, %s with the output %s: "+
			"give one of them another name in its job file, or if that job is gone, %s", other, other.Output, remedy)}
	}
	if _, window := before[n.dates]; window && l.Dates == nil && l.OneDate && !l.TurnedAway {
		return &NotOursError{place, "it has the figures of backfill --since with a moving window, which this run is one date of: " +
			"if the nights of the job are such runs from now on, " + remedy}
	}
	return nil
}

// String names a job by its file and name.
func (j Job) String() string {
	if j.File == "" {
		return fmt.Sprintf("%q made of flags", j.Name)
	}
	return fmt.Sprintf("%q of %s", j.Name, j.File)
}

package cli

import (
	"strings"
	"testing"
	"time"

	"graphscore/pipeline"
)

func TestBottleneckText(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct {
		stages pipeline.Stages
		want   string
	}{
		{pipeline.Stages{}, "nothing was scored, so nothing held it up"},
		{pipeline.Stages{Elapsed: 10 * s, Read: 9 * s, Model: s}, "reading is the bottleneck: readers are busy 100 % of their time"},
		{pipeline.Stages{Elapsed: 10 * s, Transport: 18 * s, Model: 2 * s}, "the way to the workers and back is the bottleneck: calls are under way 100 % of the time they could be, but the model takes only 10 % "},
		{pipeline.Stages{Elapsed: 10 * s, Model: 16 * s}, "the workers are the bottleneck: the model is busy 80 % of the time"},
		{pipeline.Stages{Elapsed: 10 * s, Model: s, Write: 9 * s, WriteWait: s}, "writing is the bottleneck: the parts take 90 % "},
	} {
		if got := bottleneckText(pipeline.StageReport{Stages: c.stages, Calls: 2, Workers: 2}); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

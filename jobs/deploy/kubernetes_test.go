//go:build deploy

package deploy

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/exit"
)

// kubectl answers for a cluster in which the Jobs of the files of FAILS fail, with CODES of their pods, and the others
// complete, each at the second look. A look at the Job of GONE fails.
const kubectl = `case $1 in
create) echo "$3" >>calls ;;
delete) echo delete "${@: -1}" >>calls ;;
get)
  case $* in
  *" pods "*) echo -n "$CODES"; exit ;;
  "get job/$GONE "*) echo 'Error from server (NotFound)' >&2; exit 1 ;;
  esac
  if [ ! -e "seen-${2#job/}" ]; then
    touch "seen-${2#job/}"
  elif [[ " $FAILS " = *" ${2#job/} "* ]]; then
    echo -n FailureTarget Failed
  else
    echo -n SuccessCriteriaMet Complete
  fi ;;
esac
`

// run.sh goes on to the shards after a plan that is complete alone, and to finish after shards that have ended.
func TestEnginesKubernetes(t *testing.T) {
	t.Parallel()
	const all = "delete finish.yaml\nplan.yaml\nscore.yaml\nfinish.yaml\n"
	for name, c := range map[string]struct {
		env   []string
		code  int
		calls string
		says  string
	}{
		"well":                {nil, exit.Done, all, ""},
		"the plan fails":      {[]string{"FAILS=molecules-plan", "CODES=69 78"}, exit.Config, "delete finish.yaml\nplan.yaml\n", "kubectl logs job/molecules-plan"},
		"the plan has no pod": {[]string{"FAILS=molecules-plan"}, exit.NoScorer, "delete finish.yaml\nplan.yaml\n", "is not known"},
		"the plan is deleted": {[]string{"GONE=molecules-plan"}, exit.NoScorer, "delete finish.yaml\nplan.yaml\n", "NotFound"},
		"shards fail":         {[]string{"FAILS=molecules"}, exit.Done, all, "not all shards ended well"},
		"graphs are left":     {[]string{"FAILS=molecules-finish", "CODES=3"}, exit.Partly, all, "kubectl logs job/molecules-finish"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPretended(t, "")
			s.put("run.sh", read(t, "kubernetes/run.sh"))
			s.put("bin/kubectl", "#!/bin/bash\n"+kubectl)
			s.must(os.Chmod(s.folder.path("bin/kubectl"), 0o755))
			said := s.ends(c.code, []string{"sh", s.folder.path("run.sh")}, append([]string{"EVERY=0"}, c.env...)...)
			if diff := cmp.Diff(c.calls, s.read("calls")); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("it said %q, without %q", said, c.says)
			}
		})
	}
}

//go:build deploy

package deploy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The user of the jobs writes to a log while it is rotated twice: each line is kept, and the next run finds its file.
const rotation = `set -e
cd /var/log/graphscore
logrotate --debug /etc/logrotate.d/graphscore 2>&1 | grep -i error || echo "nothing to complain of"
as() { setpriv --reuid graphscore --regid graphscore --clear-groups sh -c "$1"; }
as 'umask 027; echo before >molecules.log'
as 'exec >>molecules.log; echo begun; read line </tmp/rotated; echo ended' &
until grep -q begun molecules.log; do sleep 0.01; done
logrotate --force /etc/logrotate.d/graphscore
echo >/tmp/rotated
wait
as 'echo next >>molecules.log'
stat -c '%n %U:%G %a' molecules.log*
cat molecules.log.1
logrotate --force /etc/logrotate.d/graphscore
stat -c '%n %U:%G %a' molecules.log*
zcat molecules.log.2.gz
cat molecules.log.1
`

func TestLogrotate(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"logrotate": "logrotate"})
	m := newMachine(t)
	m.put("root/etc/logrotate.d/graphscore", read(t, "logrotate"))
	said, code := m.run(t.Context(), "sh", "-c", "mkfifo -m 666 /tmp/rotated;"+rotation)
	const want = `nothing to complain of
molecules.log graphscore:graphscore 640
molecules.log.1 graphscore:graphscore 640
before
begun
ended
molecules.log graphscore:graphscore 640
molecules.log.1 graphscore:graphscore 640
molecules.log.2.gz graphscore:graphscore 640
before
begun
ended
next
`
	if diff := cmp.Diff(want, said); diff != "" || code != 0 {
		t.Errorf("code %d\n%s", code, diff)
	}
}

#!/bin/sh
# What systemd does with the unit, job by job: run by a unit of its own, as the machine comes up.
state() {
  systemctl show -p Result -p ExecMainStatus -p SubState -p NRestarts "graphscore@$1" | paste -s -d ' '
}

/opt/python/bin/python3 - >/var/log/graphscore/pings <<'END' &
from http.server import BaseHTTPRequestHandler, HTTPServer

class Monitor(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(self.path.partition("?")[0], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", 8080), Monitor).serve_forever()
END

echo "== the timer, on a machine that was off last night"
mkdir -p /var/lib/systemd/timers
touch -d '2 days ago' /var/lib/systemd/timers/stamp-graphscore@molecules.timer
systemctl enable --quiet graphscore@molecules.timer
systemctl start graphscore@molecules.timer
until [ "$(systemctl show --value -p InactiveEnterTimestampMonotonic graphscore@molecules)" != 0 ]; do sleep 0.1; done
state molecules
echo "== a run by hand"
systemctl start graphscore@molecules
state molecules
echo "== the same while another run is at work"
flock /srv/graphscore/molecules/scores/dt=*/_lock systemctl start graphscore@molecules 2>/dev/null || echo "start failed"
state molecules
systemctl stop graphscore@molecules 2>/dev/null # it warns that the timer can start it again
echo "== a job with a mistake"
systemctl start graphscore@broken 2>/dev/null || echo "start failed"
state broken
echo "== a scorer that is not there"
systemctl start graphscore@away 2>/dev/null || echo "start failed"
state away
systemctl stop graphscore@away
echo "== stopped by hand"
systemctl start --no-block graphscore@patient
until journalctl -u graphscore@patient --no-pager | grep -q planned; do sleep 0.1; done
systemctl stop graphscore@patient
journalctl --sync
journalctl -u graphscore@patient --no-pager -o cat | grep 'stopped by\|successfully\|ailed'
echo "== scores outside of what the unit may write"
systemctl start graphscore@outside 2>/dev/null || echo "start failed"
state outside
journalctl --sync
journalctl -u graphscore@outside --no-pager -o cat | sed -n 's/dt=[-0-9]*/dt=DATE/; /error/p'
echo "== the pings of the job molecules, by its credential"
cat /var/log/graphscore/pings
echo "== its metrics"
grep '^graphscore_last_run_exit_code' /var/lib/prometheus/node-exporter/graphscore-molecules.prom

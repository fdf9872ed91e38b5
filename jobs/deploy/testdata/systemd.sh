#!/bin/sh
# What systemd does with the unit, job by job: run by a unit of its own, as the machine comes up.
state() {
  systemctl show -p Result -p ExecMainStatus -p SubState -p NRestarts "graphscore@$1" | paste -s -d ' '
}

# A night of a job, by hand: the unit, its pings, and what is in the metrics.
night() {
  echo "== $2"
  before=$(wc -l </var/log/graphscore/pings)
  systemctl start "graphscore@$1" 2>/dev/null || echo "start failed"
  state "$1"
  said "$1"
}

# Pings since before, and the code in the metrics.
said() {
  echo "pings:" $(tail -n +$((before + 1)) /var/log/graphscore/pings)
  sed -n 's/^\(graphscore_last_run_exit_code\){.*}/\1/p' "/var/lib/prometheus/node-exporter/graphscore-$1.prom" 2>/dev/null
}

# What a job's log has as its last word.
errors() {
  journalctl --sync
  journalctl -u "graphscore@$1" --no-pager -o cat |
    sed -n 's/dt=[-0-9]*/dt=DATE/; s/^{.*"level":"ERROR","msg":"\(.*\)","backfill":"[^"]*","code":\([0-9]*\)}$/error \2: \1/p'
}

/opt/python/bin/python3 /opt/graphscore/jobs/deploy/testdata/monitor.py >/var/log/graphscore/pings &
before=0
until grep -q ':1F90 00000000:0000 0A ' /proc/net/tcp; do sleep 0.1; done # it listens at port 8080

echo "== the timer, on a machine that was off last night"
mkdir -p /var/lib/systemd/timers
touch -d '2 days ago' /var/lib/systemd/timers/stamp-graphscore@molecules.timer
systemctl enable --quiet graphscore@molecules.timer
systemctl start graphscore@molecules.timer
until [ "$(systemctl show --value -p InactiveEnterTimestampMonotonic graphscore@molecules)" != 0 ]; do sleep 0.1; done
state molecules
said molecules
night molecules "a night by hand, after it"
echo "== the same while another night is at work"
before=$(wc -l </var/log/graphscore/pings)
flock /srv/graphscore/molecules/scores/_runs/_dates-*.lock systemctl start graphscore@molecules 2>/dev/null || echo "start failed"
state molecules
said molecules
systemctl stop graphscore@molecules 2>/dev/null # it warns that the timer can start it again
night broken "a job with a mistake"
night partly "graphs in quarantine"
night gated "a gate that fails"
night late "a delivery that is not there"
last=$(date -u -d '1 day ago' +%F)
cp -r "/srv/graphscore/late/dt=$(date -u -d '2 days ago' +%F)" "/srv/graphscore/late/dt=$last"
cp -r "/srv/graphscore/late/dt=$last" "/srv/graphscore/late/dt=$(date -u -d '7 days ago' +%F)"
night late "the delivery has come"
night early "an input that is not finished"
systemctl stop graphscore@early
night away "a scorer that is not there"
systemctl stop graphscore@away
echo "== stopped by hand"
before=$(wc -l </var/log/graphscore/pings)
systemctl start --no-block graphscore@patient
until journalctl -u graphscore@patient --no-pager | grep -q planned; do sleep 0.1; done
systemctl stop graphscore@patient
state patient
said patient
errors patient
journalctl -u graphscore@patient --no-pager -o cat | grep 'successfully\|ailed with result'
echo "== stopped by something else"
before=$(wc -l </var/log/graphscore/pings)
systemctl start --no-block graphscore@patient
until [ "$(systemctl show --value -p ExecMainPID graphscore@patient)" != 0 ] && \
  journalctl _PID="$(systemctl show --value -p ExecMainPID graphscore@patient)" --no-pager | grep -q planned; do sleep 0.1; done
kill -TERM "$(systemctl show --value -p ExecMainPID graphscore@patient)"
until [ "$(systemctl show --value -p SubState graphscore@patient)" = auto-restart ]; do sleep 0.1; done
state patient
said patient
systemctl stop graphscore@patient
echo "== scores outside of what the unit may write"
systemctl start graphscore@outside 2>/dev/null || echo "start failed"
state outside
errors outside

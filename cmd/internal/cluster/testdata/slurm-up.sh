#!/bin/bash
# Starts a Slurm of two nodes on this machine below the folder $1: own munge, own sockets, no systemd. Each daemon's pid is
# in $1/pid.<name>. MaxArraySize is $2.
set -euo pipefail
dir=$1
max=$2
mkdir -p "$dir"/{state,n1,n2,log}
chmod 755 "$dir"
dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 status=none
chmod 600 "$dir/munge.key"
host=$(hostname -s)
cat >"$dir/slurm.conf" <<C
ClusterName=graphscore
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26917
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/%n
SlurmctldPidFile=$dir/ctld.pid
SlurmdPidFile=$dir/%n.pid
SlurmctldLogFile=$dir/log/ctld.log
SlurmdLogFile=$dir/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
ReturnToService=2
SlurmdTimeout=20
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
MaxArraySize=$max
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=26918 CPUs=1 RealMemory=2000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=26919 CPUs=1 RealMemory=2000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
C
export SLURM_CONF=$dir/slurm.conf
daemon() { # NAME COMMAND...
  name=$1
  shift
  setsid "$@" >"$dir/log/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/pid.$name"
}
daemon munged /usr/sbin/munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" \
  --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" --seed-file="$dir/munged.seed"
for _ in $(seq 1200); do [ -S "$dir/munge.sock" ] && break; sleep 0.1; done
daemon ctld /usr/sbin/slurmctld -D -c
for node in n1 n2; do daemon $node /usr/sbin/slurmd -D -N $node; done
for _ in $(seq 1200); do
  [ "$(sinfo -h -N -t idle -o %n 2>/dev/null | wc -l)" = 2 ] && exit 0
  sleep 0.1
done
echo "the two nodes did not become idle: see $dir/log" >&2
exit 1

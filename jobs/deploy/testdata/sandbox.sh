#!/bin/sh
# A machine of its own for one command: this one's root under a layer that is thrown away, where graphscore is
# installed as README.md says. Mounts, processes, network and host name are its own and end with the command.
#
#   sandbox.sh REPO WORLD COMMAND...
#
# WORLD has srv and log, which are /srv/graphscore and /var/log/graphscore in there; root, which is copied over /; and
# layer, an empty folder. Its control groups are named graphscore-PID; who starts this removes them.
set -eu

if [ "$1" != inside ]; then
  for groups in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup/pids /sys/fs/cgroup/devices \
    /sys/fs/cgroup/memory; do
    if [ -w "$groups/cgroup.procs" ]; then
      mkdir "$groups/graphscore-$$"
      echo $$ >"$groups/graphscore-$$/cgroup.procs"
    fi
  done
  # Whatever ends who started this, it ends as well.
  exec timeout --signal=KILL 900 setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child --net --uts --ipc --cgroup --propagation private sh "$0" inside "$@"
fi
repo=$2 world=$3
shift 3

# The layer lies in memory; nothing of it is seen outside.
mount -t tmpfs -o mode=755 tmpfs "$world/layer"
root=$world/layer/root
mkdir "$world/layer/upper" "$world/layer/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$world/layer/upper,workdir=$world/layer/work" overlay "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$root/dev/"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# The program: the checkout that was built, moved to /opt/graphscore with its Python, as both may be in a home.
mkdir -p "$root/opt/graphscore" "$root/opt/python" "$root/srv/graphscore" "$root/var/log/graphscore"
mkdir "$world/layer/upper2" "$world/layer/work2"
mount -t overlay -o "lowerdir=$repo,upperdir=$world/layer/upper2,workdir=$world/layer/work2" overlay "$root/opt/graphscore"
venv=$root/opt/graphscore/python/.venv
mount --bind "$("$venv/bin/python" -c 'import sys; print(sys.base_prefix)')" "$root/opt/python"
mount -o remount,bind,ro "$root/opt/python"
ln -sf /opt/python/bin/python3 "$venv/bin/python3"
sed -i 's|^home = .*|home = /opt/python/bin|' "$venv/pyvenv.cfg"
sed -i "s|$repo|/opt/graphscore|" "$venv"/lib/python*/site-packages/*editable*.pth
mount --bind "$world/srv" "$root/srv/graphscore"
mount --bind "$world/log" "$root/var/log/graphscore"

# No clock but UTC, and no job or unit but ours.
rm -rf "$root/etc/localtime" "$root/etc/cron.d" "$root/etc/systemd/system" "$root/etc/logrotate.d"
: >"$root/etc/crontab"
cp -R "$world/root/." "$root/"
chown -R root:root "$root/etc/cron.d" "$root/etc/systemd/system"

in_root() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"; }
echo /opt/python/lib >"$root/etc/ld.so.conf.d/opt-python.conf"
in_root ldconfig
# As README.md says.
in_root useradd --system --shell /usr/sbin/nologin graphscore
in_root install -d -o graphscore -g graphscore /srv/graphscore/molecules/scores /var/log/graphscore
in_root install -d -g graphscore -m 775 /var/lib/prometheus/node-exporter

# systemd wants to see its control groups.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi
# Not chroot: in one, no unit could have users of its own.
cd "$root"
pivot_root . mnt
umount --lazy /mnt
mount --make-rshared / # as systemd wants it: credentials are mounted elsewhere first
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=sandbox \
  setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time "$@"

"""The section on Slurm: ``submit`` on two nodes of one core, daemons on this machine, against one run on one core.

It needs what `make test-slurm` needs: root, and Debian's slurmctld, slurmd, slurm-client and munge.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite import processes
from suite.machine import ROOT
from suite.processes import CommandError, execute
from suite.results import Row, Section, ratios
from suite.shards import ONE_CORE, WIDTHS, command, same
from suite.sides import BINARY, Setting
from suite.workloads import WORKLOADS

GRAPHS = 400_000
"""Some half a minute of one core."""
SHARDS = 8
UP = ROOT / "cmd" / "internal" / "cluster" / "testdata" / "slurm-up.sh"
JOB = """\
name: benchmark
input: {{path: {source}}}
output: {{path: {out}}}
model: {{path: {model}}}
workers: 1
submit:
  slurm:
    cpus: 1
"""


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start Slurm with two nodes of one core, and end it; the environment that names it."""
    with tempfile.TemporaryDirectory(prefix="slurm") as name:
        folder = Path(name)
        up = subprocess.run([str(UP), name, "1000"], capture_output=True, text=True, check=False)
        daemons = [int(file.read_text()) for file in folder.glob("pid.*")]
        processes.WAITING.update(daemons)
        try:
            if up.returncode:
                raise CommandError(f"Slurm does not start: {up.stderr.strip()[-500:]}")
            yield {"SLURM_CONF": str(folder / "slurm.conf")}
        finally:
            for pid in daemons:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            processes.WAITING.difference_update(daemons)


def two_nodes(setting: Setting) -> Section:
    """Seconds of one run on one core, and of submit with its planning, queue and finish on two nodes."""
    source = setting.input(WORKLOADS["molecules"], graphs=setting.graphs(GRAPHS))
    model = setting.model(WIDTHS)
    first = min(os.sched_getaffinity(0))
    out, job = setting.output("two"), setting.work / "slurm.yaml"
    job.write_text(JOB.format(source=source, out=out, model=model))
    with cluster() as extra:
        submit = [str(BINARY), "submit", str(job), "--engine", "slurm", "--shards", str(SHARDS), "--every", "500ms"]
        two = [execute(submit, extra=extra).seconds]
    alone = setting.output("one")
    single = command("run", source, model, alone, "--workers", "1")
    one = [execute(single, extra=ONE_CORE, cores={first}).seconds]
    same(out, alone)
    rows = [
        Row("two Slurm nodes of one core: speed / speed of one, submit in", ratios(one, two)),
        Row("two Slurm nodes of one core, submit in", two, "s"),
        Row("one core without Slurm", one, "s"),
    ]
    return Section("slurm-nodes", f"Two nodes of Slurm: {setting.graphs(GRAPHS):,} molecules", rows)

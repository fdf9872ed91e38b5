"""Compare this tree with an older commit: ``make bench-against BASE=HEAD~5 [BENCH='--rounds 9 --scale 0.5']``.

The commit is written to .cache/against and built there by its own Makefile, with its own python/.venv; it is kept for
the next time. Both score the same molecules in turns with three models. Times and CPU times are those of commands,
start-up included; above 1, this tree is slower. Ends with 1 where the two do not write the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from dataclasses import replace

from suite import against, terminal
from suite.limits import LIMITS
from suite.machine import ROOT
from suite.processes import CommandError, adopt_orphans
from suite.sides import Setting
from suite.workloads import shape

ROUNDS = 7


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", metavar="COMMIT", help="compare with this commit")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"pairs for each model (default {ROUNDS})")
    parser.add_argument("--scale", type=float, default=1, help="share of the graphs, for a quick try (default 1)")
    names = ",".join(shape(widths) for widths, _, _ in LIMITS)
    parser.add_argument("--models", metavar="WIDTHS,...", default=names, help=f"of {names}")
    args = parser.parse_args()
    args.models = [limit for limit in LIMITS if shape(limit[0]) in args.models.split(",")]
    if not args.models:
        parser.error(f"--models: there are {names}")
    return args


def compared(args: argparse.Namespace) -> bool:
    """Build the commit, measure, print, and report whether both wrote the same bytes."""
    commit = against.resolve(args.base)
    print(f"building {commit[:12]} in {against.CHECKOUTS}", flush=True)
    base = against.build(commit[:12], against.checkout(commit))
    other = against.differing(against.Build("this tree", ROOT).versions(), base.versions())
    print(f"other versions in {base.name}, which the numbers include: {'; '.join(other) or 'none'}\n", flush=True)
    work = against.CHECKOUTS / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    same = True
    for widths, _, share in args.models:
        begun = time.monotonic()
        section, differ = against.compare(Setting(work, args.rounds, args.scale), base, widths, share)
        print(terminal.show(replace(section, took_seconds=time.monotonic() - begun)), end="\n\n", flush=True)
        same = same and not differ
    shutil.rmtree(work)
    print("both write the same bytes" if same else f"NOT THE SAME BYTES as {base.name}: see above")
    return same


def main() -> int:
    """Return 0 where both wrote the same bytes, 1 where they did not or could not be measured."""
    args = arguments()
    against.forget_environment()
    adopt_orphans()
    try:
        return 0 if compared(args) else 1
    except (CommandError, OSError, subprocess.SubprocessError) as error:
        print(f"bench-against: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

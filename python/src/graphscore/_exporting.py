"""`python -m graphscore export chemprop`: models of other programs become model folders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from graphscore._exit_codes import NO_INPUT, USAGE
from graphscore._terminal import answer, line, tell

_SHOWN: Final = 8


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    export = commands.add_parser("export", help="write a model of another program as a model folder")
    kinds = export.add_subparsers(dest="kind", required=True, metavar="PROGRAM")
    chemprop = kinds.add_parser(
        "chemprop",
        help="models of chemprop 2, without chemprop or torch",
        description="Writes checkpoints of chemprop 2 as one model folder. Several are an ensemble: the scores are the"
        " means of theirs.",
        epilog="exit codes: 0 written; 64 usage; 65 a file is no model that can be exported exactly, or the folder"
        " cannot be written",
    )
    chemprop.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL.pt", help="what `chemprop train` wrote: .pt or .ckpt"
    )
    chemprop.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="the model folder")
    chemprop.add_argument(
        "--std", action="store_true", help="also write the standard deviation of the members, as <output>_std"
    )
    chemprop.add_argument("--name", metavar="NAME", help="the model's name (default: that of the folder)")


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    if options.std and len(options.models) == 1:
        tell("graphscore: --std is the deviation of two or more models, and there is one\n")
        return USAGE
    from graphscore.export import ExportError, from_chemprop  # noqa: PLC0415 - numpy takes its time

    try:
        outputs = from_chemprop(options.models, options.out, std=options.std, name=options.name)
    except ExportError as error:
        tell(line(f"graphscore: {error}"))
        return NO_INPUT
    shown = ", ".join(outputs[:_SHOWN]) + (f", ... ({len(outputs)} in all)" if len(outputs) > _SHOWN else "")
    count = f"{len(options.models)} models" if len(options.models) > 1 else "1 model"
    answer(line(f"wrote {options.out} from {count}; outputs: {shown}"))
    return 0

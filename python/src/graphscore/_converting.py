"""`python -m graphscore convert smiles`: its flags, one call, its text."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from graphscore._exit_codes import INTERRUPTED, PARTLY, TERMINATED
from graphscore._terminal import answer, line, tell

if TYPE_CHECKING:
    from graphscore.convert import Settings
    from graphscore.convert._run import Totals


def add_to(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    from graphscore.convert import FEATURES  # noqa: PLC0415
    from graphscore.convert._settings import DEFAULT_MAX_ATOMS, DEFAULT_PART_ROWS  # noqa: PLC0415

    convert = commands.add_parser("convert", help="convert SMILES to graphs")
    kinds = convert.add_subparsers(dest="kind", required=True, metavar="KIND")
    smiles = kinds.add_parser(
        "smiles",
        help="molecules of CSV, TSV, .smi and Parquet files, with RDKit",
        description="Converts molecules to graphs, one a row, in Parquet. Interrupted, the same command goes on.",
        epilog="exit codes: 0 all rows converted; 3 some rejected, see DIR/_rejects; 64 usage; 65 an input has no"
        " molecules; 66 an input is not there; 69 RDKit is missing; 71 not enough memory; 73 cannot write to DIR; 74 an"
        " input cannot be read; 75 another conversion writes to DIR; 78 DIR has parts of other settings or rows",
    )
    smiles.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=".csv, .tsv, .smi or .parquet; the first three also .gz, .bz2, .zst",
    )
    smiles.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the graphs")
    smiles.add_argument(
        "--features",
        required=True,
        choices=FEATURES,
        help="chemprop-v2: 72 of an atom, 14 of a bond, as chemprop 2; molecules: the 16 of jobs/examples/molecules",
    )
    smiles.add_argument(
        "--smiles-column",
        metavar="COL",
        help="default: smiles, SMILES, or the only column of text; .smi: the first field",
    )
    smiles.add_argument(
        "--id-column",
        metavar="COL",
        help="becomes graph_id; default: id, graph_id, name, else FILE#LINE; .smi: the second field",
    )
    smiles.add_argument(
        "--carry", nargs="+", action="extend", default=[], metavar="COL", help="columns that are copied"
    )
    smiles.add_argument(
        "--max-atoms",
        type=int,
        default=DEFAULT_MAX_ATOMS,
        metavar="N",
        help="larger molecules are rejected (default: %(default)s)",
    )
    smiles.add_argument(
        "--part-rows",
        type=int,
        default=DEFAULT_PART_ROWS,
        metavar="N",
        help="rows of the input in a part (default: %(default)s)",
    )
    smiles.add_argument("--processes", type=int, metavar="N", help="default: one a CPU")
    smiles.add_argument(
        "--redo", action="store_true", help="make parts of other settings or rows anew, instead of refusing them"
    )


def run(options: argparse.Namespace) -> int:
    """Convert, print what was done, and return the exit code."""
    from graphscore import convert  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _terminated)
    try:
        processes = cpus() if options.processes is None else options.processes
        totals = convert.smiles(options.files, options.out, _settings(options), processes=processes, redo=options.redo)
    except convert.ConvertError as error:
        tell(line(f"graphscore: {error}"))
        return error.code
    except KeyboardInterrupt:
        tell("graphscore: interrupted; the same command goes on from here\n")
        return INTERRUPTED
    _report(totals, options.out)
    return PARTLY if totals.rejected else 0


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    tell("graphscore: ended by SIGTERM; the same command goes on from here\n")
    raise SystemExit(TERMINATED)


def _settings(options: argparse.Namespace) -> Settings:
    from graphscore.convert import Settings  # noqa: PLC0415

    return Settings(
        features=options.features,
        max_atoms=options.max_atoms,
        part_rows=options.part_rows,
        smiles_column=options.smiles_column,
        id_column=options.id_column,
        carry=tuple(options.carry),
    )


def cpus() -> int:
    """Return the number of CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _report(totals: Totals, out: Path) -> None:
    lines = [f"{totals.rows:,} rows: {totals.converted:,} converted, {totals.rejected:,} rejected"]
    if totals.skipped_parts:
        lines.append(f"{totals.skipped_parts:,} parts were there already")
    if totals.rejected:
        reasons = ", ".join(f"{count:,} {code}" for code, count in totals.reasons.most_common())
        lines.append(f"rejected: {reasons}; each with its line in {out / '_rejects'}")
    if totals.repeated:
        among = "" if totals.all_ids else " of the first rows"
        lines.append(f"{totals.repeated:,} rows{among} have the graph_id of an earlier row; none is left out for that")
    answer("".join(map(line, lines)))

"""The rivals of the sections `chem-...`: ADMET-AI and chemprop on the CPU.

As scripts, which print lines of JSON:

* ``chemprop_rival.py admet SMILES OUT THREADS FIRST STEP`` loads both ensembles, warms up, and prints ``{}``. For each
  line that it reads after that it predicts once, writes OUT and prints molecules, seconds and CPU seconds. The lines:

  * ``predict``: `ADMETModel.predict`, without the physicochemical properties and the percentiles among the drugs of
    DrugBank, which take most of its time and which graphscore does not compute;
  * ``cached``: the same models in a careful script, as ADMET-AI makes the features of every molecule anew for each of
    the ten models: here once, before the clock starts, in batches of 256;
* ``chemprop_rival.py features SMILES``: chemprop's featurizer, parsing included, in CPU seconds of one core.

SMILES has one a line; `admet` takes every STEP-th from line FIRST, counted from 0. OUT becomes a Parquet file of the
predictions, a column a property, in the order of the lines.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

WARM_UP: Final = 64
BATCH: Final = 256


class Admet:
    """Both ensembles, and the molecules that they predict."""

    def __init__(self, smiles: Sequence[str]) -> None:
        from admet_ai import ADMETModel  # noqa: PLC0415

        self._smiles = list(smiles)
        self._model: Any = ADMETModel(include_physchem=False, drugbank_path=None, num_workers=0)
        self._graphs: list[Any] = []
        self._model.predict(self._smiles[:WARM_UP])

    def predict(self) -> dict[str, Any]:
        """Return predictions by property, with ADMET-AI's own loop."""
        found = self._model.predict(self._smiles)
        return {name: found[name].to_numpy() for name in found.columns}

    def make_features(self) -> None:
        """Make what `cached` predicts from; once is enough."""
        from chemprop.data import MoleculeDatapoint, MoleculeDataset, collate_batch  # noqa: PLC0415

        if self._graphs:
            return
        data = MoleculeDataset([MoleculeDatapoint.from_smi(one) for one in self._smiles])
        for at in range(0, len(data), BATCH):
            self._graphs.append(collate_batch([data[i] for i in range(at, min(at + BATCH, len(data)))]).bmg)

    def cached(self) -> dict[str, Any]:
        """Return the same from features that are there."""
        import torch  # noqa: PLC0415

        result: dict[str, Any] = {}
        with torch.inference_mode():
            for tasks, members in zip(self._model.task_lists, self._model.model_lists, strict=True):
                means = torch.cat(
                    [torch.stack([one.eval()(part) for one in members]).mean(dim=0) for part in self._graphs]
                )
                result |= {task: means[:, i].numpy() for i, task in enumerate(tasks)}
        return result


def features(smiles: Sequence[str]) -> float:
    """Return the CPU seconds of the features of molecules."""
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer  # noqa: PLC0415
    from chemprop.utils import make_mol  # noqa: PLC0415

    featurize = SimpleMoleculeMolGraphFeaturizer()
    for one in smiles[:WARM_UP]:
        featurize(make_mol(one))
    begun = time.process_time()
    for one in smiles:
        featurize(make_mol(one))
    return time.process_time() - begun


def admet(smiles: Sequence[str], out: Path, threads: int) -> None:
    """Predict with so many threads whenever a line asks for it, and write the predictions."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    out.parent.mkdir(parents=True, exist_ok=True)
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet:
        models = Admet(smiles)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        with quiet:
            if line == "cached\n":
                models.make_features()
            begun, cpu = time.time(), time.process_time()
            found = models.cached() if line == "cached\n" else models.predict()
            spent = {"seconds": time.time() - begun, "cpu_seconds": time.process_time() - cpu}
        pq.write_table(pa.table(found), out)
        print(json.dumps({"graphs": len(smiles), **spent}), flush=True)


def lines(file: str) -> list[str]:
    """Return the molecules of a file."""
    return Path(file).read_text(encoding="ascii").split("\n")[:-1]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["admet", source, out, threads, first, step]:
            admet(lines(source)[int(first) :: int(step)], Path(out), int(threads))
        case ["features", source]:
            print(json.dumps({"graphs": len(lines(source)), "cpu_seconds": features(lines(source))}))
        case _:
            sys.exit(__doc__)

"""Exports of trained models to model folders.

    from graphscore.export import from_chemprop, from_pyg
    from_pyg(module, "model", example=dataset[0])
    from_chemprop(["best.pt"], "model")

`from_chemprop` needs nothing beside this package, and is a command too: `python -m graphscore export chemprop`.
`from_pyg` needs the extra `export` (PyTorch and PyTorch Geometric) in the environment in which the module was trained;
scoring the folder needs neither.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphscore.export._error import ExportError, ExportWarning
from graphscore.export._exported import Exported

__all__ = ["ExportError", "ExportWarning", "Exported", "from_chemprop", "from_pyg", "load_state_dict"]


def from_chemprop(
    files: Sequence[str | Path], folder: str | Path, *, std: bool = False, name: str | None = None
) -> tuple[str, ...]:
    """Write one or more checkpoints of chemprop 2 as a model folder that scores molecules without chemprop.

    Nothing of a checkpoint is run: it is read by a pickle reader that builds tensors and inert records. Several files
    are an ensemble, whose scores are the means of theirs.

    Args:
        files: what `chemprop train` writes: model files (.pt) or checkpoints of Lightning (.ckpt).
        folder: the model folder: new, empty, or of a model, which is replaced.
        std: also write the population standard deviation of the members, as `<output>_std`.
        name: the model's name; default: the name of the folder.

    Returns:
        The names of the model's outputs: those of the checkpoint, else score, or score_0, score_1, ...; of a multiclass
        model one for each task and class.

    Raises:
        ExportError: a file is damaged, no checkpoint of chemprop 2, or of a model that cannot be exported exactly. The
            message names the file and what is wrong. Nothing is left in `folder`.
    """
    from graphscore.export import chemprop  # noqa: PLC0415 - numpy is imported when it is needed

    return chemprop.from_chemprop(files, folder, std=std, name=name)


def from_pyg(
    module: Any,
    folder: str | Path,
    *,
    example: Any,
    level: str | None = None,
    outputs: Sequence[str] | None = None,
    name: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> Exported:
    """Write a trained PyTorch Geometric module as a model folder that computes the same scores without PyTorch.

    The module's forward is traced, not run on data; what it returns is the table of scores. Before the folder gets its
    name, its scores on random graphs are compared with those of a copy of the module, in eval mode, on the CPU and in
    float64, for one graph at a time. The module itself is not changed.

    Args:
        module: a torch.nn.Module whose forward takes x and edge_index and whatever else of edge_weight, edge_attr,
            edge_type, graph_attr and batch it needs, or one Data object.
        folder: the model folder: new, empty, or of a model, which is replaced. A README.md in
            it stays.
        example: a torch_geometric.data.Data object, or a mapping of forward's arguments. It says which columns there
            are, how wide they are and which are integers; its values are one of the graphs that are compared.
        level: 'node', 'edge' or 'graph': an error where forward returns another one.
        outputs: a name for each number that forward returns for a row; default: 'score', or 'score_0', 'score_1', ...
        name: the model's name; default: the name of the module's class.
        arguments: what of a graph an argument or attribute with another name is, e.g. {'z': 'x', 'u': 'graph_attr'}.

    Returns:
        what the folder reads and returns, and the sentences of the warnings.

    Warns:
        ExportWarning: the folder scores a kind of graph, as one without edges, for which the module raises.

    Raises:
        ExportError: the module cannot be exported exactly; the message names the step, the line of its forward, and
            what to do. Nothing is left in `folder`.
    """
    try:
        from graphscore.export import _pyg  # noqa: PLC0415 - needs PyTorch
    except ImportError as error:
        raise _missing("from_pyg", error) from error
    made = _pyg.from_pyg(module, folder, example=example, level=level, outputs=outputs, name=name, arguments=arguments)
    for said in made.warnings:
        warnings.warn(said, ExportWarning, stacklevel=2)
    return made


def load_state_dict(module: Any, state: Mapping[str, Any]) -> None:
    """Load weights into a module, whatever wrapper they were saved from.

    Args:
        module: the module as it is made before training.
        state: a state_dict, or a checkpoint with one under 'state_dict', 'model_state_dict' or 'model'. Names may begin
            with `module.` (DistributedDataParallel), `model.` (Lightning) or `_orig_mod.` (torch.compile).

    Raises:
        ExportError: names or shapes are not those of the module.
    """
    try:
        from graphscore.export import _states  # noqa: PLC0415 - needs PyTorch
    except ImportError as error:
        raise _missing("load_state_dict", error) from error
    _states.load_state_dict(module, state)


def _missing(what: str, error: ImportError) -> ExportError:
    return ExportError(
        f"{what} needs torch >= 2.10 and torch-geometric >= 2.7 ({error}); install them with"
        " pip install 'graphscore[export]'"
    )

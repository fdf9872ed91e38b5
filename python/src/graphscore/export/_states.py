"""State dicts as training programs save them: with the prefixes of wrappers, or inside of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch

from graphscore.export._error import ExportError

_PREFIXES: Final = ("module.", "model.", "_orig_mod.")
_HOLDERS: Final = ("state_dict", "model_state_dict", "model")


def load_state_dict(module: torch.nn.Module, state: Mapping[str, Any]) -> None:
    """See graphscore.export.load_state_dict."""
    for key in _HOLDERS:
        if isinstance(state.get(key), Mapping):
            state = state[key]
            break
    own = set(module.state_dict())
    found = dict(state)
    while found and not own & found.keys():
        prefix = next((one for one in _PREFIXES if all(name.startswith(one) for name in found)), None)
        if prefix is None:
            break
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    wrapped = next((one for one in _PREFIXES if own and all(name.startswith(one) for name in own)), "")
    if wrapped and not any(name.startswith(wrapped) for name in found):
        found = {wrapped + name: value for name, value in found.items()}
    try:
        module.load_state_dict(found)
    except RuntimeError as error:
        raise ExportError(f"the state_dict does not fit the module: {' '.join(str(error).split())}") from None

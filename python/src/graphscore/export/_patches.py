"""Functions that torch.fx cannot record by itself, recorded while a module is traced.

torch_geometric's functions look at values (`int(index.max())`), torch's factories take sizes, which proxies cannot
pass for, and functions of torch in C that expect a number where a proxy is, as torch.pow, end the process. While
`patched` is entered, every name in every loaded Python module and in the traced module that means one of them means a
function that records the call instead, where a proxy is among its arguments.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType
from typing import Any, Final

import torch
import torch_geometric.nn.pool
import torch_geometric.utils
from torch import fx

Record = Callable[[Any, Any, Any], Any]
"""(function, args, kwargs) -> a proxy."""

_FACTORIES: Final = ("arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "randperm", "zeros")


def counted(value: Any) -> Any:
    """The number of rows of a value; only recorded, never called."""
    raise NotImplementedError(value)


@contextmanager
def patched(root: torch.nn.Module, record: Record) -> Iterator[None]:
    """Record calls with proxies until the end of the block."""
    wrapped = {id(function): _wrap(function, record) for function in _functions()}
    places: list[tuple[Any, Any, Any]] = []
    try:
        for holder in [*_namespaces(), *_attributes(root)]:
            items = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
            for key, value in items:
                if id(value) in wrapped:
                    places.append((holder, key, value))
                    holder[key] = wrapped[id(value)]
        yield
    finally:
        for holder, key, value in places:
            holder[key] = value


def _functions() -> list[Callable[..., Any]]:
    found = [getattr(torch, name) for name in _FACTORIES]
    for module in (torch, torch._C._nn, torch.linalg, torch.special):  # noqa: SLF001 - what F has is there
        names = [name for name in dir(module) if not name.startswith("_")]
        found += [one for name in names if isinstance(one := getattr(module, name), BuiltinFunctionType)]
    for module in (torch_geometric.utils, torch_geometric.nn.pool):
        found += [
            value for name in module.__all__ if callable(value := getattr(module, name)) and not isinstance(value, type)
        ]
    return found


def _namespaces() -> list[dict[str, Any]]:
    return [
        vars(module) for module in list(sys.modules.values()) if isinstance(getattr(module, "__dict__", None), dict)
    ]


def _attributes(root: torch.nn.Module) -> Iterator[Any]:
    for module in root.modules():
        yield vars(module)
        for value in list(vars(module).values()):
            if isinstance(value, (dict, list)):
                yield value


def _wrap(function: Callable[..., Any], record: Record) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _has_proxy(args) or _has_proxy(list(kwargs.values())):
            return record(function, args, kwargs)
        return function(*args, **kwargs)

    return wrapper


def _has_proxy(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_has_proxy(item) for item in value)
    return isinstance(value, fx.Proxy)

"""SciPy's loops over sparse matrices, without the rest of SciPy.

Context: `import scipy.sparse` brings in most of numpy (its tests, random numbers, a Fortran parser) and is more
than a third of a worker's start-up, for six C functions. Decision: the extension module that holds them is
loaded by itself. Price: this module names a private module of SciPy; without that, it is imported
as usual.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import TYPE_CHECKING

import scipy

if TYPE_CHECKING:
    from scipy.sparse import _sparsetools as tools
else:
    _spec = PathFinder.find_spec("scipy.sparse._sparsetools", [f"{folder}/sparse" for folder in scipy.__path__])
    if _spec is None or _spec.loader is None:
        from scipy.sparse import _sparsetools as tools
    else:
        tools = module_from_spec(_spec)
        _spec.loader.exec_module(tools)

coo_tocsr = tools.coo_tocsr
csr_matvec = tools.csr_matvec
csr_matvecs = tools.csr_matvecs
csr_scale_rows = tools.csr_scale_rows
csr_tocsc = tools.csr_tocsc
expandptr = tools.expandptr

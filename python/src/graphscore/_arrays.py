"""The array types of the package."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
"""Features, weights, scores: float32, row-major."""

Doubles: TypeAlias = npt.NDArray[np.float64]
"""What is summed or squared on the way."""

Indices: TypeAlias = npt.NDArray[np.int32]
"""Node numbers, counts and row pointers, as SciPy takes them."""

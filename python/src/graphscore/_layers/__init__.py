"""Layer types. A further one is a module like `sage`, and a line here."""

from __future__ import annotations

from typing import Final

from graphscore._layers import gcn, sage
from graphscore._layers._base import Forward, Layer, LayerType, MakeProduct
from graphscore._layers._spec import LayerSpec, Width

__all__ = ["LAYER_TYPES", "Forward", "Layer", "LayerSpec", "LayerType", "MakeProduct", "Width"]

LAYER_TYPES: Final[dict[str, LayerType]] = {"gcn": gcn.TYPE, "sage": sage.TYPE}
"""What a layer's `type` in config.json may be."""

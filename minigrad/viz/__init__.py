"""Pictures of networks and of what they learned. Needs matplotlib: `pip install "minigrad[viz]"`.

Every function takes the Axes (or Figure) to draw on, makes one where none is given, and returns it.
Nothing here touches pyplot, so a script without a display needs no setting: save a picture with
`ax.figure.savefig("net.png")`. The graph of a tensor is SVG text and needs no matplotlib.
"""

from __future__ import annotations

from .curves import training_curves
from .graph import Graph, graph
from .maps import confusion_matrix, feature_maps, filters
from .volumes import Volume, volumes

__all__ = [
    "Graph", "Volume", "confusion_matrix", "feature_maps", "filters", "graph", "training_curves",
    "volumes",
]

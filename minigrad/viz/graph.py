"""The autograd graph of a tensor as graphviz text and as SVG. The layout is in `_layout`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from ..engine import Node, Output
from ..tensor import Tensor
from ._layout import layered

__all__ = ["Graph", "graph"]

FILL = {"op": "#e8eef5", "leaf": "#d3ead9", "result": "#f7dcc4"}
SIZE, LINE, STEP = 11, 14, 30  # pixels: letters, lines of text, gap between layers


@dataclass
class Graph:
    """Boxes and arrows, oldest first: what was computed from what. Jupyter shows the picture."""

    labels: list[tuple[str, str]] = field(default_factory=list)  # title and shape
    kinds: list[str] = field(default_factory=list)  # "op", "leaf" or "result"
    edges: list[tuple[int, int]] = field(default_factory=list)  # from what was used to the user

    def dot(self) -> str:
        """The graph in graphviz's language, for `dot -Tsvg` and its many relatives."""
        box = 'shape=box style="rounded,filled" fontname=monospace'
        lines = ["digraph autograd {", f"  node [{box}];"]
        for i, ((title, shape), kind) in enumerate(zip(self.labels, self.kinds)):
            label = title.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'  n{i} [label="{label}\\n{shape}" fillcolor="{FILL[kind]}"];')
        lines += [f"  n{a} -> n{b};" for a, b in self.edges]
        return "\n".join([*lines, "}", ""])

    def svg(self) -> str:
        """The graph as an SVG document, laid out here: graphviz need not be installed."""
        texts = [[s for s in label if s] for label in self.labels]
        widths = [0.61 * SIZE * max(map(len, t)) + 14 for t in texts]  # monospace: 0.6 of the size
        height = 2 * LINE + 8
        xs, ranks, routes = layered(len(texts), self.edges, widths)
        rows = max(ranks, default=0)
        wide = max((x + w / 2 for x, w in zip(xs, widths)), default=0.0)
        wide = max([wide, *(x for route in routes for x in route)]) + 10
        tall = (rows + 1) * (height + STEP) - STEP + 20

        def y(rank: int) -> float:  # the top of a layer; rank 0, the result, is at the bottom
            return 10 + (rows - rank) * (height + STEP)

        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{tall:.0f}" '
            f'viewBox="0 0 {wide:.0f} {tall:.0f}" font-family="monospace" font-size="{SIZE}">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
            'markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a97a3"/></marker>'
            "</defs>",
            f'<rect width="{wide:.0f}" height="{tall:.0f}" fill="white"/>',
        ]
        for (a, _), route in zip(self.edges, routes):
            # Through the middle of every layer in between, straight down inside a layer.
            path = f"M{route[0]:.1f} {y(ranks[a]) + height:.1f}"
            for k in range(1, len(route)):
                x0, x1, top = route[k - 1], route[k], y(ranks[a] - k)
                bend = top - STEP / 2
                path += f"C{x0:.1f} {bend:.1f} {x1:.1f} {bend:.1f} {x1:.1f} {top:.1f}"
                if k < len(route) - 1:
                    path += f"V{top + height:.1f}"
            out.append(f'<path d="{path}" fill="none" stroke="#8a97a3" marker-end="url(#tip)"/>')
        for i, lines in enumerate(texts):
            x, top = xs[i] - widths[i] / 2, y(ranks[i])
            out.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{widths[i]:.1f}" height="{height}" rx="6" '
                f'fill="{FILL[self.kinds[i]]}" stroke="#8a97a3"/>'
            )
            for k, line in enumerate(lines):
                base = top + height / 2 + LINE * (k - (len(lines) - 1) / 2) + 4
                ink = "#22303c" if k == 0 else "#5b6873"
                out.append(
                    f'<text x="{xs[i]:.1f}" y="{base:.1f}" text-anchor="middle" fill="{ink}">'
                    f"{escape(line)}</text>"
                )
        return "\n".join([*out, "</svg>", ""])

    def save(self, path: str | Path) -> None:
        """Write the picture (`.svg`) or the text (`.dot`, `.gv`), as the name ends."""
        suffix = Path(path).suffix.lower()
        if suffix not in (".svg", ".dot", ".gv"):
            raise ValueError(
                f"Graph.save: the file's name must end in .svg, .dot or .gv; got {str(path)!r}. "
                "For a PNG, save the .dot file and run `dot -Tpng`."
            )
        Path(path).write_text(self.svg() if suffix == ".svg" else self.dot(), encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg()


def graph(tensor: Tensor, params: Mapping[str, Tensor] | Any = None) -> Graph:
    """What `tensor` was computed from: leaves that require grad, ops, and the tensor itself.

    Parameters
    ----------
    tensor : Tensor with a graph
        Where to start. What was computed without recording is not in it.
    params : mapping of str to Tensor, or Module
        Names for the leaves.

    Raises
    ------
    ValueError
        Nothing was recorded.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad.viz import graph
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> g = graph((w * w).sum(), {"w": w})
    >>> [title for title, shape in g.labels]
    ['w', 'Mul', 'Sum', 'result']
    """
    root = tensor.grad_fn
    if root is None:
        raise ValueError(
            f"graph: the tensor must have been computed from one that requires grad; got a leaf of "
            f"shape {tuple(tensor.shape)}. Set requires_grad=True before the forward pass."
        )
    if params is not None and not isinstance(params, Mapping):
        params = dict(params.named_parameters())
    names = {id(t): name for name, t in (params or {}).items()}
    out = Graph()
    places: dict[Any, int] = {}
    for item in _oldest_first(root):
        places[item] = len(out.labels)
        if isinstance(item, Node):
            out.kinds.append("op")
            title = item.name().removesuffix("0").removesuffix("Backward")
            out.labels.append((title, _shape(item.shape)))
            sources = [e.node if isinstance(e, Output) else e for e in item.inputs if e is not None]
            out.edges += [(places[s], places[item]) for s in dict.fromkeys(sources)]
        else:
            out.kinds.append("leaf")
            out.labels.append((names.get(id(item), "leaf"), _shape(item.shape)))
    out.edges.append((places[root], len(out.labels)))
    out.labels.append((names.get(id(tensor), "result"), _shape(tensor.shape)))
    out.kinds.append("result")
    return out


def _oldest_first(root: Node) -> list[Any]:
    """The nodes and leaves that `root` was made from, each before what was made from it."""
    nodes = {root}
    leaves: dict[Tensor, None] = {}  # in the order of their discovery
    stack = [root]
    while stack:
        for edge in stack.pop().inputs:
            edge = edge.node if isinstance(edge, Output) else edge
            if isinstance(edge, Tensor):
                leaves[edge] = None
            elif edge is not None and edge not in nodes:
                nodes.add(edge)
                stack.append(edge)
    return [*leaves, *sorted(nodes, key=lambda n: n.seq)]


def _shape(shape: Any) -> str:
    """(2, 3); for a node with several results, that of each."""
    if isinstance(shape, list) or (shape and isinstance(shape[0], tuple)):
        return " ".join(_shape(s) for s in shape)
    return f"({', '.join(map(str, shape))})" if shape else "scalar"

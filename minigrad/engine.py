"""The graph and its walk. Knows no op and no dtype; its only arithmetic is adding cotangents.

A graph is made of nodes. Each node stands for one recorded call and points at what it was made
from: other nodes, and leaves (tensors that collect a gradient). `walk` visits nodes newest first,
hands each the cotangent of its result, and passes what comes back on to its inputs. It is a loop,
not a recursion, so depth is bounded by memory alone.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from .errors import GradientError
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    inferring,
    is_grad_enabled,
    is_inference_mode_enabled,
    mode,
    no_grad,
    recording,
    set_detect_anomaly,
    set_grad_enabled,
    watching,
)

__all__ = [
    "Node",
    "Output",
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "inferring",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "mode",
    "no_grad",
    "recording",
    "set_detect_anomaly",
    "set_grad_enabled",
    "tick",
    "walk",
    "watching",
]

tick = itertools.count().__next__  # atomic: the nodes of all threads get one order


class Node:
    """One recorded call.

    `inputs` holds for each input a Node, an Output of a node with several results, a leaf, or
    None where no gradient is wanted. `shape` and `dtype` are those of the result.
    """

    __slots__ = ("__dict__", "__weakref__", "dtype", "inputs", "seq", "shape")

    seq: int
    inputs: tuple[Any, ...]
    shape: Any
    dtype: Any

    results = 1  # how many cotangents `pullback` takes
    hooks: list[tuple[int, Callable[[Any], Any]]] | None = None  # (which result, function)
    where: str | None = None  # the user's line that made this node, in anomaly mode

    def __init__(self, inputs: tuple[Any, ...], shape: Any, dtype: Any) -> None:
        self.seq = tick()
        self.inputs = inputs
        self.shape = shape
        self.dtype = dtype

    def name(self) -> str:
        """How the node is called in messages and reprs, such as MulBackward0."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes this one sends cotangents to, as PyTorch lists them."""
        edges = [(e.node, e.index) if isinstance(e, Output) else (e, 0) for e in self.inputs]
        return tuple([(e.shown() if isinstance(e, Node) else e, i) for e, i in edges])

    def shown(self) -> Node:
        """This node as users see it."""
        return self

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        """Cotangent of each input, given that of the result (a list of them for several results).

        `wanted` says which inputs matter; None means all that are in the graph.
        """
        raise NotImplementedError

    def first_order(
        self, g: Any, wanted: tuple[bool, ...] | None, lift: Callable[[Any], Any]
    ) -> Iterable[tuple[Any, Any]]:
        """`pullback` for a pass that is not recorded: pairs of an input's edge and its cotangent.

        Cotangents are bare arrays here; `lift` makes a Tensor of one.
        """
        several = g.__class__ is list
        lifted = [None if one is None else lift(one) for one in g] if several else lift(g)
        back = self.pullback(lifted, wanted)
        return [(e, None if t is None else t._data) for e, t in zip(self.inputs, back)]

    def watch(self, index: int, cell: Any) -> None:
        """Learn that from now on `cell` counts the in-place changes of result `index`."""

    def release(self) -> None:
        """Forget what was kept for `pullback`; a later `pullback` must raise."""

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Output:
    """One result of a node that has several."""

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, node: Node, index: int, shape: Any, dtype: Any) -> None:
        self.node = node
        self.index = index
        self.shape = shape
        self.dtype = dtype


def _leading_to(starts: Iterable[Node], targets: Iterable[Any]) -> set[Any]:
    """The edges and nodes, of those that `starts` were made from, that lead to a target.

    None, which stands for an input that wants no gradient, is counted as one of them.
    """
    found = list(starts)
    seen = set(found)
    for node in found:  # which grows as it is read
        for edge in node.inputs:
            if edge.__class__ is Output:
                edge = edge.node
            if edge not in seen and isinstance(edge, Node):
                seen.add(edge)
                found.append(edge)
    found.sort(key=operator.attrgetter("seq"))
    useful = set(targets)
    useful.update([t.node for t in targets if isinstance(t, Output)])
    for node in found:
        for edge in node.inputs:
            if edge in useful or (edge.__class__ is Output and edge.node in useful):
                useful.add(node)
                break
    useful.add(None)
    return useful


def _node_of(edge: Any) -> Any:
    return edge.node if edge.__class__ is Output else edge


def _add(
    sums: dict[Any, Any],
    owned: set[Any],
    edge: Any,
    g: Any,
    lift: Callable[[Any], Any] | None,
    plus: Callable[[Any, Any], Any],
) -> None:
    """Add `g` to what has arrived at `edge`.

    At a node with several results stands a list with one cotangent (or None) per result. `owned`
    are the edges whose sum was made here: being a bare array, it can be added to in place.
    """
    place: Any = edge
    if edge.__class__ is Output:
        if edge.node not in sums:
            sums[edge.node] = [None] * edge.node.results
        sums, place = sums[edge.node], edge.index
        before = sums[place]
    else:
        before = sums.get(edge)
    if before is None:
        sums[place] = g
    elif lift is None:
        sums[place] = plus(before, g)
    else:
        sums[place] = lift(plus(before, g))._data  # an array, also where NumPy makes a number of it
        owned.add(edge)


def walk(
    starts: Sequence[tuple[Any, Any]],
    targets: Sequence[Any] | None,
    retain_graph: bool,
    lift: Callable[[Any], Any] | None = None,
    plus: Callable[[Any, Any], Any] = operator.add,
) -> dict[Any, Any]:
    """Send cotangents from `starts` back through the graph.

    Parameters
    ----------
    starts : pairs (edge, cotangent)
        An edge is a Node, an Output or a leaf.
    targets : edges or None
        Where cotangents are wanted; None means at every leaf. Nodes that lead to no target
        do not run.
    lift : function, optional
        Without it the pass is itself recorded, and cotangents are Tensors. With it, nothing is,
        and they are bare arrays; it makes a Tensor of one for those who need that.
    plus : function
        How two cotangents are added.

    Returns
    -------
    dict
        The cotangent of each target that was reached.
    """
    first = {n for edge, _ in starts if isinstance(n := _node_of(edge), Node)}
    wanted = frozenset(targets or ())
    inner = any([isinstance(_node_of(edge), Node) for edge in wanted])
    useful = None if targets is None else _leading_to(first, wanted)
    found: dict[Any, Any] = {}
    sums: dict[Any, Any] = {}
    owned: set[Any] = set()
    # What has a cotangent and waits for its turn. A node's inputs are older than it, so when the
    # newest is taken, all that its cotangent is the sum of has arrived.
    waiting = sorted([(-node.seq, node) for node in first])
    mask = None
    anomaly = mode.anomaly
    with set_grad_enabled(lift is None):
        for edge, g in starts:
            _add(sums, owned, edge, g, lift, plus)
        while waiting:
            node = heappop(waiting)[1]
            g = sums.pop(node)
            if useful is not None and node not in useful:
                continue
            if node.hooks:
                g = _run_hooks(node, g, lift)
            if useful is not None:
                if inner:
                    _catch(node, g, wanted, found)
                mask = None
                if not useful.issuperset(node.inputs):
                    mask = tuple([
                        e is not None and (e in useful or _node_of(e) in useful)
                        for e in node.inputs
                    ])
                    if not any(mask):
                        continue
            if lift is None:
                back: Iterable[Any] = zip(node.inputs, node.pullback(g, mask))
            else:
                back = node.first_order(g, mask, lift)
            for edge, gi in back:
                if gi is None or edge is None:
                    continue
                if anomaly:
                    _check_finite(node, gi)
                if edge in sums:
                    if edge in owned:
                        before = sums[edge]
                        before += gi
                    else:
                        _add(sums, owned, edge, gi, lift, plus)
                elif isinstance(edge, Node):
                    sums[edge] = gi
                    heappush(waiting, (-edge.seq, edge))
                else:
                    if edge.__class__ is Output and edge.node not in sums:
                        heappush(waiting, (-edge.node.seq, edge.node))
                    _add(sums, owned, edge, gi, lift, plus)
            back, gi = (), None  # a node may take over the memory of what nobody else has
            if not retain_graph:
                node.release()
        for edge, g in sums.items():  # what is left stands at leaves
            if targets is None or edge in wanted:
                found[edge] = g
    return found


def _run_hooks(node: Node, g: Any, lift: Callable[[Any], Any] | None) -> Any:
    """What the hooks of `node` make of its cotangent (each may replace that of its result)."""
    for index, hook in list(node.hooks or ()):
        several = isinstance(g, list)
        one = g[index] if several else g
        if one is None:
            continue
        new = hook(one if lift is None else lift(one))
        if new is None:
            continue
        if tuple(new.shape) != tuple(one.shape):
            raise GradientError(
                f"{node.name()}: a hook must return a gradient of the shape it was given, "
                f"{tuple(one.shape)}, or None; got {tuple(new.shape)}."
            )
        if lift is not None:
            new = new._data
        if several:
            g[index] = new
        else:
            g = new
    return g


def _catch(node: Node, g: Any, wanted: frozenset[Any], found: dict[Any, Any]) -> None:
    """Note the cotangent of `node` if it, or one of its results, is a target."""
    if not isinstance(g, list):
        if node in wanted:
            found[node] = g
        return
    for edge in wanted:
        if edge.__class__ is Output and edge.node is node and g[edge.index] is not None:
            found[edge] = g[edge.index]


def _check_finite(node: Node, g: Any) -> None:
    if bool((g != g).any()):
        made = (
            f" The op was recorded at {node.where}."
            if node.where
            else (
                " Turn anomaly detection on before the forward pass to see the line that made it."
            )
        )
        raise GradientError(
            f"{node.name()}: a gradient that this op returned contains NaN.{made} Look there for a "
            "division by zero, a log or sqrt of zero, or an overflow."
        )

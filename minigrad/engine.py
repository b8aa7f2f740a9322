"""The graph and its walk. Knows no op and no dtype; its only arithmetic is adding cotangents.

A graph is made of nodes. Each node stands for one recorded call and points at what it was made
from: other nodes, and leaves (tensors that collect a gradient). `walk` visits nodes newest first,
hands each the cotangent of its result, and passes what comes back on to its inputs. It is a loop,
not a recursion, so depth is bounded by memory alone.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .errors import GradientError

__all__ = [
    "Node", "Output", "detect_anomaly", "enable_grad", "inference_mode", "is_grad_enabled",
    "is_inference_mode_enabled", "mode", "no_grad", "set_detect_anomaly", "set_grad_enabled", "walk",
]

_clock = itertools.count()  # next() on it is atomic: nodes of all threads get one order


class _Mode(threading.local):
    """What the current thread records."""

    recording = True
    inference = False
    anomaly = False


mode = _Mode()


class Node:
    """One recorded call.

    `inputs` holds for each input a Node, an Output of a node with several results, a leaf, or
    None where no gradient is wanted. `shape` and `dtype` are those of the result.
    """

    __slots__ = ("__weakref__", "dtype", "hooks", "inputs", "seq", "shape", "where")

    seq: int
    inputs: tuple[Any, ...]
    shape: Any
    dtype: Any
    hooks: list[tuple[int, Callable[[Any], Any]]] | None  # (which result, function)
    where: str | None  # the user's line that made this node, in anomaly mode

    results = 1  # how many cotangents `pullback` takes

    def __init__(self, inputs: tuple[Any, ...], shape: Any, dtype: Any) -> None:
        self.seq = next(_clock)
        self.inputs = inputs
        self.shape = shape
        self.dtype = dtype
        self.hooks = None
        self.where = None

    @property
    def name(self) -> str:
        """How the node is called in messages and reprs, such as MulBackward."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes this one sends cotangents to, as PyTorch lists them."""
        return tuple((e.node, e.index) if isinstance(e, Output) else (e, 0) for e in self.inputs)

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        """Cotangent of each input, given that of the result (a list of them for several results).

        `wanted` says which inputs matter; None means all that are in the graph.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Forget what was kept for `pullback`; a later `pullback` must raise."""

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Output:
    """One result of a node that has several."""

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, node: Node, index: int, shape: Any, dtype: Any) -> None:
        self.node = node
        self.index = index
        self.shape = shape
        self.dtype = dtype


def _reachable(starts: Iterable[Node]) -> list[Node]:
    """Every node that `starts` were made from, themselves included, newest first."""
    stack = list(starts)
    seen = set(stack)
    while stack:
        for edge in stack.pop().inputs:
            if edge.__class__ is Output:
                edge = edge.node
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=lambda node: node.seq, reverse=True)


def _leading_to(nodes: list[Node], targets: set[Any]) -> set[Any]:
    """Those edges and nodes of `nodes` (newest first) from which a target can be reached."""
    useful = set(targets)
    useful.update(t.node for t in targets if isinstance(t, Output))
    for node in reversed(nodes):
        for edge in node.inputs:
            if edge is not None and (edge in useful or _node_of(edge) in useful):
                useful.add(node)
                break
    return useful


def _node_of(edge: Any) -> Any:
    return edge.node if edge.__class__ is Output else edge


class _Pending:
    """Cotangents on their way, summed per edge. A sum that was made here is added to in place."""

    __slots__ = ("owned", "sums")

    def __init__(self) -> None:
        self.sums: dict[Any, Any] = {}
        self.owned: set[Any] = set()

    def add(self, edge: Any, g: Any) -> None:
        sums = self.sums
        if edge not in sums:
            sums[edge] = g
        elif edge in self.owned and not mode.recording:
            sums[edge] += g
        else:
            sums[edge] = sums[edge] + g
            self.owned.add(edge)


def walk(
    starts: Sequence[tuple[Any, Any]],
    targets: Sequence[Any] | None,
    retain_graph: bool,
    create_graph: bool,
) -> dict[Any, Any]:
    """Send cotangents from `starts` back through the graph.

    Parameters
    ----------
    starts : pairs (edge, cotangent)
        An edge is a Node, an Output or a leaf.
    targets : edges or None
        Where cotangents are wanted; None means at every leaf. Nodes that lead to no target
        do not run.

    Returns
    -------
    dict
        The cotangent of each target that was reached.
    """
    pending = _Pending()
    sums = pending.sums
    nodes = _reachable({n for edge, _ in starts if isinstance(n := _node_of(edge), Node)})
    wanted = None if targets is None else set(targets)
    useful = None if wanted is None else _leading_to(nodes, wanted)
    found: dict[Any, Any] = {}
    with set_grad_enabled(create_graph):
        for edge, g in starts:
            pending.add(edge, g)
        outputs: dict[Node, list[Output]] = {}
        for edge in list(sums):
            if edge.__class__ is Output:
                outputs.setdefault(edge.node, []).append(edge)
        for node in nodes:
            if useful is not None and node not in useful:
                sums.pop(node, None)
                continue
            g = _collect(node, sums, outputs.pop(node, ()), wanted, found)
            if g is None:
                continue
            mask = None
            if useful is not None:
                mask = tuple(
                    e is not None and (e in useful or _node_of(e) in useful) for e in node.inputs
                )
                if not any(mask):
                    continue
            for edge, gi in zip(node.inputs, node.pullback(g, mask)):
                if edge is None or gi is None:
                    continue
                if edge.__class__ is Output and edge not in sums:
                    outputs.setdefault(edge.node, []).append(edge)
                if mode.anomaly:
                    _check_finite(node, gi)
                pending.add(edge, gi)
            del g
            if not retain_graph:
                node.release()
        for edge, g in sums.items():  # what is left stands at leaves
            if wanted is None or edge in wanted:
                found[edge] = g
    return found


def _collect(
    node: Node, sums: dict[Any, Any], arrived: Sequence[Output], wanted: set[Any] | None,
    found: dict[Any, Any],
) -> Any:
    """Take the finished cotangent of `node` (a list if it has several results) out of `sums`."""
    g: Any
    if arrived:
        g = [None] * node.results
        for edge in arrived:
            g[edge.index] = sums.pop(edge)
    else:
        g = sums.pop(node, None)
        if g is None:
            return None
    if node.hooks:
        for index, hook in list(node.hooks):
            one = g[index] if arrived else g
            if one is None:
                continue
            new = hook(one)
            if new is None:
                continue
            if arrived:
                g[index] = new
            else:
                g = new
    if wanted is not None:
        if node in wanted:
            found[node] = g
        for edge in arrived:
            if edge in wanted:
                found[edge] = g[edge.index]
    return g


def _check_finite(node: Node, g: Any) -> None:
    if bool((g != g).any()):
        made = f" The op was recorded at {node.where}." if node.where else (
            " Turn anomaly detection on before the forward pass to see the line that made it."
        )
        raise GradientError(
            f"{node.name}: a gradient that this op returned contains NaN.{made} Look there for a "
            "division by zero, a log or sqrt of zero, or an overflow."
        )


class set_grad_enabled:
    """Switch recording on or off for this thread: at once, as a context, or as a decorator."""

    def __init__(self, mode_: bool) -> None:
        self.before = mode.recording
        self.value = bool(mode_)
        mode.recording = self.value

    def __enter__(self) -> None:
        mode.recording = self.value

    def __exit__(self, *exc: object) -> None:
        mode.recording = self.before

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        mode.recording = self.before
        return _decorate(functools.partial(set_grad_enabled, self.value), fn)


class _Switch:
    """A context and decorator that sets flags of this thread and restores them."""

    flags: dict[str, bool] = {}

    def __init__(self) -> None:
        self._before: list[dict[str, bool]] = []

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        if callable(fn):  # used as a bare decorator: @no_grad
            self.__init__()  # type: ignore[misc]
            return _decorate(cls, fn)
        return self

    def __enter__(self) -> None:
        self._before.append({k: getattr(mode, k) for k in self.flags})
        for k, v in self.flags.items():
            setattr(mode, k, v)

    def __exit__(self, *exc: object) -> None:
        for k, v in self._before.pop().items():
            setattr(mode, k, v)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return _decorate(type(self), fn)


def _decorate(make: Callable[[], Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with make():
            return fn(*args, **kwargs)

    return wrapped


class no_grad(_Switch):
    """Record nothing inside. A context and a decorator, per thread."""

    flags = {"recording": False}


class enable_grad(_Switch):
    """Record inside, even within `no_grad`. A context and a decorator, per thread."""

    flags = {"recording": True, "inference": False}


class inference_mode(_Switch):
    """Record nothing inside, and mark the results so that they can never enter a graph."""

    flags = {"recording": False, "inference": True}

    def __new__(cls, mode: Any = True) -> Any:
        if mode is False:
            return enable_grad()
        return super().__new__(cls, mode if callable(mode) else None)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()


class detect_anomaly(_Switch):
    """Name the op whose gradient became NaN, and the line that recorded it. Slow; for debugging."""

    flags = {"anomaly": True}


def set_detect_anomaly(value: bool) -> None:
    """Turn anomaly detection on or off for this thread."""
    mode.anomaly = bool(value)


def is_grad_enabled() -> bool:
    """Whether calls made now by this thread are recorded."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`."""
    return mode.inference

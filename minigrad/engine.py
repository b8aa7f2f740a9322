"""The graph and its walk. Knows no op and no dtype; its only arithmetic is adding cotangents.

A graph is made of nodes. Each node stands for one recorded call and points at what it was made
from: other nodes, and leaves (tensors that collect a gradient). `walk` visits nodes newest first,
hands each the cotangent of its result, and passes what comes back on to its inputs. It is a loop,
not a recursion, so depth is bounded by memory alone.
"""

from __future__ import annotations

import functools
import itertools
import operator
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from .errors import GradientError

__all__ = [
    "Node",
    "Output",
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "tick",
    "walk",
]

tick = itertools.count().__next__  # atomic: the nodes of all threads get one order


class _Mode(threading.local):
    """What the current thread records."""

    recording = True
    inference = False
    anomaly = False
    trace: Any = None  # of the user's rule that runs now and is recorded: see minigrad.trace


mode = _Mode()


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
        return tuple((e.node, e.index) if isinstance(e, Output) else (e, 0) for e in self.inputs)

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        """Cotangent of each input, given that of the result (a list of them for several results).

        `wanted` says which inputs matter; None means all that are in the graph.
        """
        raise NotImplementedError

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
    return sorted(seen, key=operator.attrgetter("seq"), reverse=True)


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


def _add(sums: dict[Any, Any], owned: set[Any], edge: Any, g: Any) -> None:
    """Add `g` to what has arrived at `edge`; a sum that was made here is added to in place.

    At a node with several results stands a list with one cotangent (or None) per result.
    """
    if edge.__class__ is Output:
        node = edge.node
        slots = sums.get(node)
        if slots is None:
            slots = sums[node] = [None] * node.results
        before = slots[edge.index]
        slots[edge.index] = g if before is None else before + g
        return
    before = sums.get(edge)
    if before is None:
        sums[edge] = g
    elif edge in owned and not mode.recording:
        before._add_in_place(g)
    else:
        sums[edge] = before + g
        owned.add(edge)


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
    nodes = _reachable({n for edge, _ in starts if isinstance(n := _node_of(edge), Node)})
    useful = None if targets is None else _leading_to(nodes, set(targets))
    wanted = frozenset(targets or ())
    found: dict[Any, Any] = {}
    sums: dict[Any, Any] = {}
    owned: set[Any] = set()
    mask = None
    anomaly = mode.anomaly
    with set_grad_enabled(create_graph):
        for edge, g in starts:
            _add(sums, owned, edge, g)
        for node in nodes:
            g = sums.pop(node, None)
            if g is None or (useful is not None and node not in useful):
                continue
            if node.hooks:
                g = _run_hooks(node, g)
            if useful is not None:
                _catch(node, g, wanted, found)
                mask = tuple([_node_of(e) in useful or e in useful for e in node.inputs])
                if not any(mask):
                    continue
                if all(mask):
                    mask = None
            for edge, gi in zip(node.inputs, node.pullback(g, mask)):
                if edge is not None and gi is not None:
                    if anomaly:
                        _check_finite(node, gi)
                    if edge in sums or edge.__class__ is Output:
                        _add(sums, owned, edge, gi)
                    else:
                        sums[edge] = gi
            if not retain_graph:
                node.release()
        for edge, g in sums.items():  # what is left stands at leaves
            if targets is None or edge in wanted:
                found[edge] = g
    return found


def _run_hooks(node: Node, g: Any) -> Any:
    """What the hooks of `node` make of its cotangent (each may replace that of its result)."""
    for index, hook in list(node.hooks or ()):
        several = isinstance(g, list)
        one = g[index] if several else g
        new = None if one is None else hook(one)
        if new is None:
            continue
        if tuple(new.shape) != tuple(one.shape):
            raise GradientError(
                f"{node.name()}: a hook must return a gradient of the shape it was given, "
                f"{tuple(one.shape)}, or None; got {tuple(new.shape)}."
            )
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


class set_grad_enabled:
    """Switch recording on or off for this thread: at once, as a context, or as a decorator."""

    def __init__(self, mode_: bool) -> None:
        self.before = mode.recording
        self.value = bool(mode_)
        mode.recording = self.value
        _trace_gap()

    def __enter__(self) -> None:
        mode.recording = self.value

    def __exit__(self, *exc: object) -> None:
        mode.recording = self.before

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        mode.recording = self.before
        return _decorate(functools.partial(set_grad_enabled, self.value), fn)


class _Switch:
    """A context and decorator that sets flags of this thread and restores them."""

    flags: ClassVar[dict[str, bool]] = {}

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
        _trace_gap()

    def __exit__(self, *exc: object) -> None:
        for k, v in self._before.pop().items():
            setattr(mode, k, v)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return _decorate(type(self), fn)


def _trace_gap() -> None:
    """Tell the trace of a recorded rule when what follows is not recorded."""
    if mode.trace is not None and not mode.recording:
        mode.trace.leaves()


def _decorate(make: Callable[[], Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with make():
            return fn(*args, **kwargs)

    return wrapped


class no_grad(_Switch):
    """Record nothing inside. A context and a decorator, per thread."""

    flags: ClassVar = {"recording": False}


class enable_grad(_Switch):
    """Record inside, even within `no_grad`. A context and a decorator, per thread."""

    flags: ClassVar = {"recording": True, "inference": False}


class inference_mode(_Switch):
    """Record nothing inside, and mark the results so that they can never enter a graph."""

    flags: ClassVar = {"recording": False, "inference": True}

    def __new__(cls, mode: Any = True) -> Any:
        if mode is False:
            return enable_grad()
        return super().__new__(cls, mode if callable(mode) else None)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()


class detect_anomaly(_Switch):
    """Name the op whose gradient became NaN, and the line that recorded it. Slow; for debugging."""

    flags: ClassVar = {"anomaly": True}


class set_detect_anomaly:
    """Turn anomaly detection on or off for this thread; as a context, until its end."""

    def __init__(self, value: bool, check_nan: bool = True) -> None:
        self.before = mode.anomaly
        mode.anomaly = bool(value)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        mode.anomaly = self.before


def is_grad_enabled() -> bool:
    """Whether calls made now by this thread are recorded."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`."""
    return mode.inference

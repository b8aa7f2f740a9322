"""summary: what every layer of a model takes in, gives out, learns and costs. Drawing is in viz."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import dtypes, nn
from .engine import no_grad
from .tensor import Tensor, wrap

__all__ = ["Row", "Summary", "summary"]

Shape = tuple[int, ...]


@dataclass
class Row:
    """One call of one module.

    Shapes are those of one example, without the batch dim; None if the module was never called.
    Counts are the module's own, without its children's, and for one example. Memory is that of
    the output, in bytes; only layers (modules without children) have any, and of these not the
    ones that return a view of their input or change it in place.
    """

    name: str
    type: str
    depth: int
    is_layer: bool
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    params: int = 0
    trainable: int = 0
    macs: int = 0
    memory: int = 0
    dense_params: int | None = None
    shared: bool = False  # its parameters stand in an earlier row, and are counted there


@dataclass
class Summary:
    """The rows and totals of a model; `str()` is the table."""

    model: str
    input_shape: Shape | None
    rows: list[Row] = field(default_factory=list)
    compare_dense: bool = False

    def _sum(self, name: str) -> int:
        return sum(getattr(row, name) or 0 for row in self.rows)

    @property
    def params(self) -> int:
        """Number of learned and frozen parameters, each counted once."""
        return self._sum("params")

    @property
    def trainable(self) -> int:
        """Number of parameters that require a gradient."""
        return self._sum("trainable")

    @property
    def macs(self) -> int:
        """Multiply-adds for one example."""
        return self._sum("macs")

    @property
    def memory(self) -> int:
        """Bytes of all layers' outputs for one example: about what training keeps."""
        return self._sum("memory")

    @property
    def dense_params(self) -> int:
        """Parameters if each convolution and pooling were a fully connected layer."""
        return sum(_dense(row) for row in self.rows)

    def __str__(self) -> str:
        return "\n".join(_table(self))

    __repr__ = __str__


def _dense(row: Row) -> int:
    return row.params if row.dense_params is None else row.dense_params


# multiply-adds of one call, from the layer, its input's and its output's size for one example
_Cost = Callable[[Any, int, int], int]
_COSTS: list[tuple[tuple[type, ...], _Cost]] = [
    ((nn.Conv1d, nn.Conv2d), lambda m, i, o: o * math.prod(m.weight.shape[1:])),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d), lambda m, i, o: i * math.prod(m.weight.shape[1:])),
    ((nn.Linear,), lambda m, i, o: o * m.in_features),
    ((nn.Bilinear,), lambda m, i, o: o * m.in1_features * (m.in2_features + 1)),
    ((nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d,
      nn.InstanceNorm2d), lambda m, i, o: o),
    ((nn.PReLU,), lambda m, i, o: o),
]
_SPATIAL = (
    nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.MaxPool1d, nn.MaxPool2d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
)


def summary(
    model: nn.Module, input_size: Any = None, *, input_data: Any = None, dtype: Any = None,
    depth: int | None = None, compare_dense: bool = False,
) -> Summary:
    """Run one example through `model` and tell what each layer does to it.

    The model runs in evaluation mode and without recording, and is left as it was: its modes,
    hooks, running statistics and gradients do not change.

    Parameters
    ----------
    input_size : tuple of int, or a list of them
        Shape of one example without the batch dim, such as (3, 32, 32); a list for a model of
        several inputs. Four numbers are taken as (N, C, H, W), and N is dropped.
    input_data : Tensor, or a tuple of them
        A batch to run instead of zeros of `input_size`.
    dtype : dtype
        Of the zeros; by default that of the model's parameters.
    depth : int
        Show modules nested up to this deep; what lies deeper is added to the module around it.
    compare_dense : bool
        Show beside each convolution and pooling how many parameters a fully connected layer from
        the same input volume to the same output volume would have.

    Returns
    -------
    Summary
        With `rows`, totals, and the table as its `str()`. Multiply-adds are counted for
        convolutions, linear layers and norms; what `forward` computes without layers is not seen.

    Raises
    ------
    ValueError
        No input given, or sizes that are not positive.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> s = minigrad.summary(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), (1, 5, 5))
    >>> s.params, s.macs, s.rows[1].output_shape
    (20, 162, (2, 3, 3))
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"summary: model must be a Module; got {type(model).__name__}.")
    inputs = _inputs(model, input_size, input_data, dtype)
    watch = _Watch(model)
    modes = [(m, m.training) for m in model.modules()]
    handles: list[Any] = []
    try:
        for m in model.modules():
            m.training = False
            handles.append(m.register_forward_pre_hook(watch.enter, prepend=True))
            handles.append(m.register_forward_hook(watch.leave))
        with no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for m, training in modes:
            m.training = training
    rows = watch.rows + watch.uncalled()
    if compare_dense:
        for row, m in zip(watch.rows, watch.called):
            if isinstance(m, _SPATIAL) and row.input_shape and row.output_shape:
                o = math.prod(row.output_shape)
                row.dense_params = math.prod(row.input_shape) * o + o
    if depth is not None:
        rows = _folded(rows, depth)
    return Summary(type(model).__name__, watch.rows[0].input_shape, rows, compare_dense)


def _inputs(model: nn.Module, sizes: Any, data: Any, dtype: Any) -> tuple[Any, ...]:
    if data is not None:
        return data if isinstance(data, tuple) else (data,)
    if sizes is None:
        raise ValueError(
            "summary: needs the shape of one example; use summary(model, (3, 32, 32)), or "
            "input_data=a_batch."
        )
    if hasattr(sizes, "__index__"):
        sizes = (sizes,)
    many = [sizes] if not sizes or hasattr(sizes[0], "__index__") else list(sizes)
    first = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    kind = dtypes.to_dtype(dtype) if dtype is not None else first or dtypes.get_default_dtype()
    for size in many:
        if not all(hasattr(n, "__index__") and n > 0 for n in size):
            raise ValueError(f"summary: input_size must be positive ints; got {sizes!r}.")
    return tuple(
        wrap(np.zeros((1, *(size[1:] if len(size) == 4 else size)), kind)) for size in many
    )


class _Watch:
    """Hooks that write a row when a module is entered and complete it when it is left."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.names = {m: name for name, m in reversed(list(model.named_modules()))}
        self.rows: list[Row] = []
        self.called: list[nn.Module] = []
        self.open: list[Row] = []
        self.seen: set[int] = set()  # ids of parameters that were counted

    def _row(self, m: nn.Module, depth: int) -> Row:
        row = Row(self.names[m], type(m).__name__, depth, not m._modules)
        own = list(m.parameters(recurse=False))
        row.shared = bool(own) and all(id(p) in self.seen for p in own)
        for p in own:
            if id(p) not in self.seen:
                self.seen.add(id(p))
                row.params += p.numel()
                row.trainable += p.numel() if p.requires_grad else 0
        return row

    def enter(self, m: nn.Module, args: Any) -> None:
        """A module is called: its row begins."""
        row = self._row(m, len(self.open))
        row.input_shape = _shape(args)
        self.rows.append(row)
        self.called.append(m)
        self.open.append(row)

    def leave(self, m: nn.Module, args: Any, output: Any) -> None:
        """The module returned: its row is complete."""
        row = self.open.pop()
        row.output_shape = _shape(output)
        if not row.is_layer:
            return
        given = [t._data for t in _tensors(args)]
        for t in _tensors(output):
            if not any(np.may_share_memory(t._data, a) for a in given):
                row.memory += t.nbytes // max(len(t) if t.ndim else 1, 1)
        i, o = math.prod(row.input_shape or (0,)), math.prod(row.output_shape or (0,))
        for kinds, cost in _COSTS:
            if isinstance(m, kinds):
                row.macs = cost(m, i, o)

    def uncalled(self) -> list[Row]:
        """Rows of modules that have parameters but were not called."""
        rows = []
        for name, m in self.model.named_modules():
            if m not in self.called and m._parameters:
                row = self._row(m, name.count(".") + 1)
                if row.params:
                    rows.append(row)
        return rows


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _tensors(v)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _shape(value: Any) -> Shape | None:
    """Shape of the first tensor in `value`, without the batch dim."""
    first = next(iter(_tensors(value)), None)
    return None if first is None else tuple(int(n) for n in first.shape[1:])


def _folded(rows: Sequence[Row], depth: int) -> list[Row]:
    """Rows up to `depth`; the counts of deeper ones are added to the row around them."""
    kept: list[Row] = []
    for row in rows:
        if row.depth <= depth or not kept:
            kept.append(row)
            continue
        outer = kept[-1]
        if row.dense_params is not None or outer.dense_params is not None:
            outer.dense_params = _dense(outer) + _dense(row)
        for name in ("params", "trainable", "macs", "memory"):
            setattr(outer, name, getattr(outer, name) + getattr(row, name))
    return kept


# the table ---------------------------------------------------------------------------------------


def _table(s: Summary) -> list[str]:
    head = ["Layer", "Input", "Output", "Parameters", "Multiply-adds", "Memory"]
    if s.compare_dense:
        head.append("Fully connected")
    lines = [head]
    for row in s.rows:
        name = row.name.rpartition(".")[2]
        label = "  " * row.depth + (f"{name}: " if name else "") + row.type
        params = f"{row.params:,}" if row.params else ""
        if row.params and not row.trainable:
            params += " (frozen)"
        elif row.trainable != row.params:
            params += f" ({row.params - row.trainable:,} frozen)"
        if row.shared:
            params = "(shared)"
        line = [
            label, _volume(row.input_shape),
            _volume(row.output_shape) if row.output_shape is not None else "(not called)", params,
            f"{row.macs:,}" if row.macs else "", _bytes(row.memory) if row.memory else "",
        ]
        if s.compare_dense:
            line.append("" if row.dense_params is None else f"{row.dense_params:,}")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    texts = []
    for line in lines:
        cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        texts.append("  ".join(cells).rstrip())
    rule = "─" * max(len(t) for t in texts)
    frozen = s.params - s.trainable
    totals = [
        f"Parameters: {s.params:,} ({s.trainable:,} trainable, {frozen:,} frozen), "
        f"{_bytes(4 * s.params)} as float32",
        f"Multiply-adds: {s.macs:,} per example",
        f"Activation memory: {_bytes(s.memory)} per example",
    ]
    if s.compare_dense and s.params:
        totals.append(
            f"Fully connected layers between the same volumes: {s.dense_params:,} parameters, "
            f"{s.dense_params / s.params:,.0f} times as many."
        )
        totals.append(
            "A convolution looks at a small window, and uses the same weights at every place."
        )
    return [texts[0], rule, *texts[1:], rule, *totals]


def _volume(shape: Shape | None) -> str:
    """Depth, height and width (or fewer), as in "3 × 32 × 32"."""
    if shape is None:
        return ""
    return " × ".join(map(str, shape)) if shape else "1 number"


def _bytes(n: float) -> str:
    units = ["GB", "MB", "KB"]
    if n < 1000:
        return f"{n:.0f} B"
    while n >= 1000 and units:
        n, unit = n / 1024, units.pop()
    return f"{n:.1f} {unit}"

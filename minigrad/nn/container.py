"""Modules that hold modules: Sequential, ModuleList, ModuleDict. For parameters see params.py."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..kernels.norm import batch_norm_fold
from ..modes import mode
from ..tensor import Tensor, wrap
from .activation import ReLU
from .conv import Conv2d
from .module import Module, _indented
from .norm import BatchNorm1d, BatchNorm2d

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

NORMS = (BatchNorm2d, BatchNorm1d)
FOLDED = 65536  # elements of a weight that take less time to scale than a batch norm to call


class _Numbered(Module):
    """Children named 0, 1, 2, ... that are used like a list."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _place(self, index: Any) -> int:
        """`index` counted from the front, checked against the length."""
        i = operator.index(index)
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"{type(self).__name__}: index {i} is out of range for {n} modules.")
        return i % n

    def _renumber(self, modules: Iterable[Module]) -> None:
        """Take `modules` as the children, checking them first."""
        modules = list(modules)
        for m in modules:
            if not isinstance(m, Module):
                name = type(self).__name__
                raise TypeError(f"{name}: expected a Module; got {type(m).__name__}.")
        self._modules.clear()
        self._modules.update((str(i), m) for i, m in enumerate(modules))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._slice(list(self._modules.items())[index])
        return list(self)[self._place(index)]

    def _slice(self, items: list[tuple[str, Any]]) -> Any:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, list(self._modules)[self._place(index)], module)

    def __delitem__(self, index: Any) -> None:
        modules = list(self)
        if isinstance(index, slice):
            del modules[index]
        else:
            del modules[self._place(index)]
        self._renumber(modules)

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns self."""
        if isinstance(modules, (Module, str)) and not isinstance(modules, _Numbered):
            raise TypeError(f"extend: expected several modules; got {type(modules).__name__}.")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before place `index`; those after it move up."""
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(
                f"insert: index {index} is out of range for {len(modules)} modules."
            )
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: Any = -1) -> Any:
        """Take out the module at `index` and return it."""
        module = self[index]
        del self[index]
        return module

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(other)


class Sequential(_Numbered):
    """Modules that run one after the other, each on what the one before returned.

    Parameters
    ----------
    *args : Module, or one OrderedDict of them
        A dict gives the modules names; otherwise they are called 0, 1, 2, ... .
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], Mapping)
        pairs = args[0].items() if named else ((str(i), m) for i, m in enumerate(args))
        for name, module in pairs:
            self.add_module(name, module)

    def _slice(self, items: list[tuple[str, Any]]) -> Any:
        return type(self)(OrderedDict(items))

    def forward(self, input: Any) -> Any:
        """Run `input` through all modules.

        A batch norm and a relu after it take one pass, and where no graph is recorded a
        convolution, the batch norm after it (by its running statistics), and a relu.
        """
        before: Any = None  # one of these, which waits to see what follows,
        options: dict[str, Any] = {}  # and what it does of that
        kinds = NORMS if mode.recording else (Conv2d, *NORMS)
        for module in self._modules.values():
            if before is not None:
                if _is_plain(module, ReLU):
                    input, before, options = before(input, **options, relu=True), None, {}
                    continue
                if type(before) is Conv2d and not options:
                    filters = _folded(before, module, input)
                    if filters is not None:
                        options["filters"] = filters
                        continue
                input, before, options = before(input, **options), None, {}
            kind: Any = type(module)
            if kind in kinds and _is_plain(module, kind):
                before = module
            else:
                input = module(input)  # type: ignore[misc]
        return input if before is None else before(input, **options)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*(list(self) * self._times(other)))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Sequential:
        self._renumber(list(self) * self._times(other))
        return self

    @staticmethod
    def _times(n: Any) -> int:
        if not isinstance(n, int):
            raise TypeError(f"Sequential: can only be repeated an int of times; got {n!r}.")
        if n <= 0:
            raise ValueError(f"Sequential: must be repeated at least once; got {n}.")
        return n


def _folded(conv: Conv2d, module: Any, input: Any) -> tuple[Tensor, Tensor] | None:
    """Weight and bias with which the convolution does what the module after it does as well.

    By a batch norm's running statistics. None for another module, and where nothing is gained: the
    weight is scaled each time, and may be larger than the images.
    """
    if not _is_plain(module, BatchNorm2d) or module.training or not isinstance(input, Tensor):
        return None
    for layer in (conv, module):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if name in layer.__dict__:  # somebody has put another thing in its place
                return None
    own, affine, known = conv._parameters, module._parameters, module._buffers
    try:  # not by attribute: seven of them take as long as the kernel
        weight, bias, scale, shift = own["weight"], own["bias"], affine["weight"], affine["bias"]
        mean, var = known["running_mean"], known["running_var"]
    except KeyError:
        return None
    if weight is None or mean is None or var is None:
        return None
    x, w = input._data, weight._data
    dtype, filters = x.dtype, w.shape[:1]
    if x.ndim != 4 or w.dtype is not dtype or w.size > max(FOLDED, x.size):
        return None
    vectors: list[Any] = [None if v is None else v._data for v in (bias, mean, var, scale, shift)]
    if [v for v in vectors if v is not None and (v.dtype is not dtype or v.shape != filters)]:
        return None  # the layer itself says what is wrong
    moved, m, v, factor, term = vectors
    made = batch_norm_fold(w, moved, m, v, module.eps, factor, term)
    return wrap(made[0]), wrap(made[1])


def _is_plain(module: Any, kind: type[Module]) -> bool:
    """Whether `module` does what its class does, seen by no hook."""
    return (
        type(module) is kind and module._hooks is None and "forward" not in module.__dict__
    )


class ModuleList(_Numbered):
    """A list of modules that are registered; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _slice(self, items: list[tuple[str, Any]]) -> ModuleList:
        return type(self)([m for _, m in items])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        texts = [repr(m) for m in self]
        if not texts:
            return f"{self._get_name()}()"
        lines, start = [], 0
        for i in range(1, len(texts) + 1):  # equal neighbours are shown once
            if i < len(texts) and texts[i] == texts[start]:
                continue
            one = i - start == 1
            head = f"({start}): " if one else f"({start}-{i - 1}): {i - start} x "
            lines.append(_indented(head + texts[start]))
            start = i
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dict of modules that are registered, in order; it has no forward of its own."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take out the module `key` and return it."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Pairs of name and module."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Add modules from a dict or from pairs of name and module."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"ModuleDict: expected a mapping or pairs of name and module; got {modules!r}."
            )
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for i, pair in enumerate(pairs):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(
                    f"ModuleDict: element {i} must be a pair of name and module; got {pair!r}."
                )
            self[pair[0]] = pair[1]

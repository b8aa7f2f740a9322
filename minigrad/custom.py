"""What ops declared outside minigrad get on top of our own: checks around forward and rules.

How an op is declared is in minigrad.op; what is checked when, in minigrad.contract.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy import ndarray as Array

from .contract import SMALL, Watch, line_of, switch
from .engine import mode
from .errors import GradientError
from .record import OpNode
from .tensor import Tensor
from .trace import Trace, is_zero_for_others, varied

if TYPE_CHECKING:
    from .op import Op

__all__ = ["CustomNode", "Guard", "is_array", "is_list", "refuse", "refuse_rule", "written"]


def refuse(op: Op) -> None:
    """Raise if a declaration from outside minigrad cannot mean what it says."""
    name = op.name
    for p in op.signature.parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise TypeError(
                f"{name}: parameters must be named; got *{p.name}. For any number of tensors take "
                f"one list, as in def {name}({p.name}: Sequence[Array])."
            )
        if not op.variadic and p.name in op.inputs and is_list(p.annotation):
            raise TypeError(
                f"{name}: an input that is a list (Sequence[Array]) must be the only one; got "
                f"inputs {', '.join(op.inputs)}. Put all tensors into the one list."
            )
    if op.promote not in (None, "arithmetic", "float"):
        raise TypeError(f"{name}: promote must be 'arithmetic' or 'float'; got {op.promote!r}.")
    taken = [n for n in (*op.outputs, *op.byproducts) if n in op.parameters or n in ("g", "needs")]
    if taken:
        raise TypeError(
            f"{name}: outputs and by-products need names of their own; got {', '.join(taken)}."
        )
    unknown = [n for n in op.constant if n not in (*op.inputs, *op.outputs)]
    if unknown:
        raise TypeError(
            f"{name}: constant must name inputs or outputs ({', '.join((*op.inputs, *op.outputs))})"
            f"; got {', '.join(unknown)}."
        )


def refuse_rule(op: Op, rule: Any, name: str | None) -> NoReturn:
    """Raise because a rule asks for `name`, which nobody knows, or for nothing at all."""
    known = [*op.inputs, *op.outputs, *op.settings, *op.byproducts, "y", "needs"]
    got = "no parameters" if name is None else repr(name)
    raise TypeError(
        f"{op.name}: a rule takes the cotangent g, and then may name the inputs (or "
        f"<input>_shape), outputs, settings ({', '.join(dict.fromkeys(known))}); got {got}. The "
        f"rule stands at {line_of(rule)}."
    )


def is_array(annotation: Any) -> bool:
    """Whether a parameter is an input; annotations are strings or, without the import, types."""
    return "Array" in str(annotation) or "ndarray" in str(annotation)


def is_list(annotation: Any) -> bool:
    """Whether a parameter annotated like this is a list of inputs."""
    return any(word in str(annotation) for word in ("Sequence[", "ist[", "uple["))


def written(annotation: Any) -> str:
    """An annotation as it stands in the code, with or without `from __future__ import`."""
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    return annotation.__name__ if plain else str(annotation)


class Guard:
    """A user's forward, checked; stands where the forward of our own ops stands."""

    __slots__ = ("count", "fn", "many", "op", "seen", "watch")

    def __init__(self, op: Op, fn: Any) -> None:
        self.op, self.fn, self.watch = op, fn, Watch()
        self.seen = self.watch.seen
        self.count = 0 if op.variadic else len(op.inputs)
        self.many = len(op.outputs) + len(op.byproducts)

    def __call__(self, *values: Any) -> Any:
        op, many = self.op, self.many
        arrays = values[: self.count] if self.count else values[0]
        before = None
        if switch.on:
            key = tuple([a.shape if a.__class__ is Array else None for a in arrays])
            if key not in self.seen:
                before = self.watch.copies(key, arrays)
        try:
            got = self.fn(*values)
        except Exception as e:
            if type(e).__module__.startswith("numba"):
                raise self._not_compiled(e, values) from e
            raise
        if before is not None and (i := self.watch.restored(arrays, before)) is not None:
            what = _input(op, i)
            raise GradientError(
                f"{op.name}: forward must not change its inputs; it changed {what!r} of shape "
                f"{arrays[i].shape}. Work on a copy, as in {op.inputs[0]} = {op.inputs[0]}.copy(); "
                "a buffer that is meant to change is a setting: leave its annotation Array out. "
                f"The op stands at {op.where}."
            )
        if many == 1:
            if got.__class__ is Array and got.base is None and got.dtype.kind != "O":
                for a in arrays:
                    if got is a and not op.view:
                        return got.copy()
                return got
            return self._own(got, arrays, op.outputs[0])
        if got.__class__ is not tuple or len(got) != many:
            n = f"a tuple of {len(got)}" if isinstance(got, tuple) else _what(got)
            raise TypeError(
                f"{op.name}: forward must return {many} values "
                f"({', '.join((*op.outputs, *op.byproducts))}) as a tuple; got {n}. The op stands "
                f"at {op.where}."
            )
        names = (*op.outputs, *op.byproducts)
        return tuple([self._own(y, arrays, name) for y, name in zip(got, names)])

    def _own(self, y: Any, arrays: Sequence[Any], name: str) -> Any:
        """One result as an array that shares no memory with an input (unless `view` was said)."""
        if y.__class__ is not Array:
            if isinstance(y, (float, int, bool)) and not isinstance(y, np.generic):
                floats = [a.dtype for a in arrays if isinstance(a, Array) and a.dtype.kind == "f"]
                return np.asarray(y, floats[0] if floats and isinstance(y, float) else None)
            if not isinstance(y, (Array, np.generic)):
                raise TypeError(
                    f"{self.op.name}: forward must return {name!r} as an ndarray; got {_what(y)}."
                    f"{_hint(y)} The op stands at {self.op.where}."
                )
            y = np.asarray(y)
        if y.dtype.kind == "O":
            raise TypeError(
                f"{self.op.name}: {name!r} must be an array of numbers; got dtype object. The op "
                f"stands at {self.op.where}."
            )
        if not self.op.view:
            for a in arrays:
                if y is a or (isinstance(a, Array) and np.may_share_memory(y, a)):
                    return y.copy()
        return y

    def _not_compiled(self, error: Exception, values: Sequence[Any]) -> TypeError:
        """Numba's complaint, short, with the op's name and what it was given."""
        op = self.op
        names = (*op.inputs, *op.settings)
        given = ", ".join(f"{n} {_kind(v)}" for n, v in zip(names, values))
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        lines = [line.strip() for line in text.splitlines()]
        lines = [
            s for s in lines if s and not s.startswith(("Failed in", "This error may", "- arg"))
        ]
        return TypeError(
            f"{op.name}: Numba cannot compile the forward for these arguments; got {given}. Numba "
            f"says: {' | '.join(lines[:6])}. The op stands at {op.where}."
        )


def _input(op: Op, i: int) -> str:
    return f"{op.inputs[0]}[{i}]" if op.variadic else op.inputs[i]


def _what(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _kind(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], Array):
        return "[" + ", ".join(_kind(v) for v in value) + "]"
    if isinstance(value, Array):
        order = "" if value.flags.c_contiguous else ", not C-contiguous"
        return f"{value.shape} {value.dtype}{order}"
    return repr(value)


def _hint(value: Any) -> str:
    if value is None:
        return " Does it end in a return?"
    if isinstance(value, Tensor):
        return " A forward gets and gives ndarrays; what is made of Tensors needs no op."
    if isinstance(value, tuple):
        return ' Several outputs are declared by name: @op(outputs="values indices").'
    return ""


class CustomNode(OpNode):
    """One recorded call of a user's op; checks what the rules return."""

    __slots__ = ()

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        self.check_kept(self.kept)
        if self.plan.op.several:
            g = self._fill(g)
        if not mode.recording:
            return self._checked(g, wanted, None)
        trace = Trace(g if isinstance(g, tuple) else (g,))
        g = tuple(trace.given) if isinstance(g, tuple) else trace.given[0]
        with trace:
            return self._checked(g, wanted, trace)

    def _checked(
        self, g: Any, wanted: tuple[bool, ...] | None, trace: Trace | None
    ) -> Sequence[Any]:
        """What the rules return for `g`, held to the contract."""
        plan, inputs, kept = self.plan, self.inputs, self.kept
        op = plan.op
        on, cotangents = switch.on, g if g.__class__ is tuple else (g,)
        before = [0] * len(cotangents)
        for t in cotangents:
            if t._cell is not None:  # few have one: only what may be changed from outside
                before = [t._version for t in cotangents]
        grads: list[Any] = [None] * len(inputs)
        for rule in plan.rules:
            if wanted is not None and not op.variadic and not any([wanted[i] for i in rule.inputs]):
                continue
            args = [
                kept[i]
                if kind == "input"
                else self.settings[i]
                if kind == "setting"
                else self._fetch(kind, i, wanted)
                for kind, i in rule.fetch
            ]
            if trace is not None:
                trace.left = ""
            if not on:
                back = rule.fn(g, *args)
            elif self.shape in rule.watch.seen:
                back = rule.fn(g, *args)
                for t in cotangents:
                    if t._cell is not None:
                        self._check_changed(rule, cotangents, before, None)
            else:
                back = self._watched(rule, g, args)
            if op.variadic or rule.joint:
                places = range(len(inputs)) if op.variadic else rule.inputs
                if not isinstance(back, (tuple, list)) or len(back) != len(places):
                    self._wrong_number(rule, back, len(places))
            else:
                places, back = rule.inputs, (back,)
            for nth, i in enumerate(places):
                gi, edge = back[nth], inputs[i]
                if gi is None or edge is None:
                    continue
                if not isinstance(gi, Tensor):
                    self._not_a_tensor(rule, i, gi)
                if trace is not None:
                    gi = self._closed(trace, rule, i, nth, gi, g, args)
                a, like = gi._data, edge._data if isinstance(edge, Tensor) else edge
                if a.shape != like.shape:
                    gi = self._unbroadcast(gi, i, edge, f"The rule stands at {line_of(rule.fn)}")
                    a = gi._data
                if a.dtype is not like.dtype and a.dtype != like.dtype:
                    gi = self._cast(rule, i, gi, like.dtype, g)
                odd = on and (a.size > SMALL or not isfinite((v := a.ravel()).dot(v)))
                if odd and op.watch.suspect(a):
                    bad = op.watch.non_finite(a, (g, args))
                    if bad is not None:
                        self._non_finite(rule, i, a, bad)
                grads[i] = gi
        for i, edge in enumerate(inputs):
            if edge is not None and grads[i] is None and (wanted is None or wanted[i]):
                self._check_has_rule(i)
        return grads

    def _watched(self, rule: Any, g: Any, args: list[Any]) -> Any:
        """Call a rule, and see that it leaves what it was given as it was."""
        given = [*g, *args] if isinstance(g, tuple) else [g, *args]
        tensors = [t for t in given if isinstance(t, Tensor)]
        versions = [t._version for t in tensors]
        arrays = [t._data for t in tensors]
        new = self.shape not in rule.watch.seen
        before = rule.watch.copies(self.shape, arrays) if new else None
        back = rule.fn(g, *args)
        self._check_changed(rule, tensors, versions, before and rule.watch.restored(arrays, before))
        return back

    def _check_changed(
        self, rule: Any, tensors: Sequence[Tensor], versions: Sequence[int], changed: int | None
    ) -> None:
        for i, t in enumerate(tensors):
            if i == changed or t._version != versions[i]:
                raise GradientError(
                    f"{self.op.name}: the gradient rule of {self._names(rule)} changed what it was "
                    f"given in place (a tensor of shape {tuple(t._data.shape)}), which other ops "
                    f"rely on. Write g = g * 2 for g *= 2. The rule stands at {line_of(rule.fn)}."
                )

    def _closed(
        self, trace: Trace, rule: Any, i: int, nth: int, gi: Tensor, g: Any, args: list[Any]
    ) -> Any:
        name = self.op.name

        def elsewhere() -> Any:
            other = tuple(varied(t, 1.0) for t in g) if isinstance(g, tuple) else varied(g, 1.0)
            got = rule.fn(other, *[varied(a, 1e-3) for a in args])
            return got[nth] if isinstance(got, (tuple, list)) else got

        what = f"{name}: the gradient of {_input(self.op, i)!r}"
        advice = (
            f"The rule stands at {line_of(rule.fn)}. Write it with ops and without detach "
            "(comparisons carry no gradient anyway); put a kernel into an op of its own:\n"
            f"    @op\n    def {name}_grad(g: Array, ...): return kernel(g, ...)\n"
            f'    {name}_grad.gradient("g", ...)'
        )
        return trace.closed(gi, self.inputs, what, advice, lambda: is_zero_for_others(elsewhere))

    def _names(self, rule: Any) -> str:
        return ", ".join(repr(self.op.inputs[i]) for i in rule.inputs)

    def _wrong_number(self, rule: Any, back: Any, n: int) -> None:
        got = str(len(back)) if isinstance(back, (tuple, list)) else f"one {type(back).__name__}"
        of = "tensors in the list" if self.op.variadic else f"inputs {self._names(rule)}"
        raise GradientError(
            f"{self.op.name}: the gradient rule must return a tuple of {n} gradients, one for each "
            f"of the {of}; got {got}. Return None where no gradient flows. The rule stands at "
            f"{line_of(rule.fn)}."
        )

    def _not_a_tensor(self, rule: Any, i: int, got: Any) -> None:
        hint = "Return None if no gradient flows"
        if isinstance(got, Array):
            hint = "Rules are written with ops over Tensors; call a kernel through an op of its own"
        raise TypeError(
            f"{self.op.name}: the gradient of {_input(self.op, i)!r} must be a Tensor or None; got "
            f"{_what(got)}. {hint}. The rule stands at {line_of(rule.fn)}."
        )

    def _cast(self, rule: Any, i: int, gi: Tensor, dtype: np.dtype, g: Any) -> Tensor:
        """`gi` in the input's dtype; an error if digits were lost on the way."""
        got = gi._data.dtype
        cotangents = g if isinstance(g, tuple) else (g,)
        least = min([dtype.itemsize, *[t._data.dtype.itemsize for t in cotangents]])
        if got.kind != "f" or got.itemsize < least:
            raise GradientError(
                f"{self.op.name}: the gradient of {_input(self.op, i)!r} must have its dtype "
                f"{dtype}; the rule returned {got}. Compute it from g, which has the output's "
                f"dtype. The rule stands at {line_of(rule.fn)}."
            )
        out: Tensor = gi.to(dtype)
        return out

    def _non_finite(self, rule: Any, i: int, a: Array, bad: tuple[int, ...]) -> None:
        raise GradientError(
            f"{self.op.name}: the gradient of {_input(self.op, i)!r}, of shape {a.shape}, is "
            f"{a[bad]} at {list(bad)} although its cotangent and all that the rule got is finite. "
            "Look for a division by zero, a log or sqrt of zero or an overflow; choose a finite "
            "slope with minigrad.where. If it is meant, switch this check off with "
            f"minigrad.autograd.set_contract_checks(False). The rule stands at {line_of(rule.fn)}."
        )

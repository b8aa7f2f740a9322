"""How an op is declared, registered, differentiated and installed as a Tensor method.

An op is a function over ndarrays with one gradient rule per input beside it:

    @op(method="mul __mul__", reflected="__rmul__", promote="arithmetic")
    def mul(input: Array, other: Array):
        return np.multiply(input, other)

    mul.gradient("input", lambda g, other: g * other)
    mul.gradient("other", lambda g, input: g * input)

Parameters annotated with `Array` are its inputs (tensors); all others are settings (plain values).
A rule is written with ops over Tensors. Its parameters say what it gets, and so what the graph
keeps alive: `g` the cotangent, `y` the output (or an output's own name), an input's name its value,
`<input>_shape` the input's shape, a setting's name its value, `needs` the names of the inputs whose
gradients are wanted, `spare` whether it may overwrite g (never, but in rules of minigrad's own for
several inputs, where no graph is wanted). A rule that is an op, as in `relu.gradient("input",
relu_grad)`, or operators alone is the fastest: where no graph is wanted it runs on arrays (see
minigrad.plan).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

from numpy import ndarray as Array

from .call import elementwise, general
from .complaints import dress, of_call, taught
from .contract import Watch, line_of
from .custom import CustomNode, Guard, is_array, is_list, refuse, written
from .plan import GradientRule, Plan
from .record import OpNode
from .tensor import Tensor

__all__ = ["Array", "Op", "Plan", "composite", "op", "registry"]

registry: dict[str, Any] = {}  # name -> op or composite of minigrad; the systematic tests walk it


F = TypeVar("F", bound=Callable[..., Any])
Rule = Callable[..., Any]  # (cotangent, what it names ...) -> gradient


class OpFunction(Protocol):
    """The function that a declaration makes: what users call, and where rules are declared."""

    __name__: str
    op: Op

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    @overload
    def gradient(self, *inputs: str) -> Callable[[Rule], Rule]: ...

    @overload
    def gradient(self, input: str, rule: Rule, /) -> Rule: ...


class Op:
    """The declaration of an op; the function that users call carries it as `.op`."""

    def __init__(
        self,
        forward: Callable[..., Any],
        name: str,
        promote: str | None,
        view: bool,
        outputs: tuple[str, ...],
        byproducts: tuple[str, ...],
        differentiable: bool,
        constant: tuple[str, ...],
        plain: Callable[..., Any] | None,
    ) -> None:
        self.constant, self.watch = constant, Watch()
        differentiable = differentiable and not set(outputs) <= set(constant)
        self.custom = not forward.__module__.startswith("minigrad.")
        self.forward, self.name, self.promote, self.view = forward, name, promote, view
        self.several = len(outputs) > 1
        self.outputs, self.byproducts, self.differentiable = outputs, byproducts, differentiable
        self.signature = inspect.signature(forward)
        parameters = self.signature.parameters.values()
        self.parameters = tuple(p.name for p in parameters)
        marked = [p for p in parameters if is_array(p.annotation)]
        self.inputs = tuple(p.name for p in marked)
        self.optional = tuple(p.default is None for p in marked)
        self.variadic = len(marked) == 1 and is_list(marked[0].annotation)
        self.settings = tuple(p for p in self.parameters if p not in self.inputs)
        kinds = [written(self.signature.parameters[p].annotation) for p in self.settings]
        self.numbers = tuple(  # settings that must be a number: place, whole, may be None
            (i, kind.startswith("int"), kind.endswith("None"))
            for i, kind in enumerate(kinds)
            if kind.removesuffix(" | None") in ("int", "float")
        )
        if not marked:
            raise TypeError(f"{name}: at least one parameter must be annotated Array.")
        self.defaults = tuple(p.default for p in parameters)
        self.positional = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
        order = [self.parameters.index(p) for p in (*self.inputs, *self.settings)]
        self.order = order if order != sorted(order) else None  # gather(input, dim, index)
        regular = self.order is None and self.positional == len(self.parameters)
        self.apply = forward if regular else _in_order(forward, order, self)
        self.quick = plain or forward  # what a call with inputs alone runs
        if self.custom:
            self.apply, self.quick = Guard(self, self.apply), Guard(self, forward)
        self.rules: list[GradientRule] = []
        self.plans: dict[tuple[bool, ...], Plan] = {}
        self.alike: list[Plan | None] = [None] * 4  # see `plan_alike`
        self.standard = self.defaults[len(self.inputs) :]  # the settings of a plain call
        called = "".join(w.capitalize() for w in name.strip("_").split("_")) + "Backward0"
        self.plain_node = CustomNode if self.custom else OpNode
        self.node = type(called, (self.plain_node,), {"__slots__": ()})  # see OpNode
        self.where = line_of(forward)

    @overload
    def gradient(self, *inputs: str) -> Callable[[Rule], Rule]: ...

    @overload
    def gradient(self, input: str, rule: Rule, /) -> Rule: ...

    def gradient(self, *inputs: Any) -> Any:
        """Declare the gradient rule of `inputs`: a decorator, or `gradient(name, rule)`.

        A rule for several inputs returns one gradient for each.
        """
        names, fn = (inputs[:-1], inputs[-1]) if callable(inputs[-1]) else (inputs, None)
        for name in names:
            if name not in self.inputs:
                raise TypeError(
                    f"{self.name}: has no input {name!r}; its inputs are {self.inputs}."
                )

        twice = [n for r in self.rules for n in names if self.inputs.index(n) in r.inputs]
        if twice:
            raise TypeError(f"{self.name}: has a gradient rule for input {twice[0]!r} already.")

        def declare(rule: Callable[..., Any]) -> Callable[..., Any]:
            self.rules.append(GradientRule(self, names, rule))
            self.plans.clear()
            self.alike = [None] * 4
            return rule

        return declare if fn is None else declare(fn)

    def plan(self, wants: tuple[bool, ...]) -> Plan:
        """What to keep for backward, given which inputs want gradients."""
        plan = self.plans.get(wants)
        if plan is None:
            plan = self.plans[wants] = Plan(self, wants)
        return plan

    def plan_alike(self, first: bool, second: bool) -> Plan:
        """`plan` for one or two inputs of the shape and dtype of the output."""
        plan = Plan(self, (first, second)[: len(self.inputs)], alike=True)
        self.alike[first + 2 * second] = plan
        return plan

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """All parameters in order, with defaults; `axis`, `keepdims` stand for `dim`, `keepdim`."""
        values = [*args, *self.defaults[len(args) :]]
        if len(args) > self.positional:
            self.signature.bind(*args, **kwargs)  # raises Python's own message
        for key, value in kwargs.items():
            key = _ALIASES.get(key, key) if key not in self.parameters else key
            if key not in self.parameters:
                raise TypeError(
                    f"{self.name}: got an unexpected keyword argument {key!r}; its parameters are "
                    f"{', '.join(self.parameters)}."
                )
            i = self.parameters.index(key)
            if i < len(args):
                self.signature.bind(*args, **kwargs)
            values[i] = value
        if any([v is _EMPTY for v in values]):  # not `in`, which compares tensors by element
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as e:
                raise TypeError(f"{self.name}: {e}.") from None
        return values


def _in_order(forward: Callable[..., Any], order: list[int], op: Op) -> Callable[..., Any]:
    """`forward` as a function of its inputs, then its settings, all by position."""
    n, names = op.positional, op.parameters[op.positional :]
    if op.order is None and len(names) == 1:  # the common sum(input, dim, keepdim, *, dtype)
        (name,) = names
        return lambda *values: forward(*values[:-1], **{name: values[-1]})
    back = sorted(range(len(order)), key=order.__getitem__)

    def apply(*values: Any) -> Any:
        given = [values[i] for i in back]
        return forward(*given[:n], **dict(zip(names, given[n:])))

    return apply


_EMPTY = inspect.Parameter.empty
_ALIASES = {"axis": "dim", "keepdims": "keepdim"}


@overload
def op(forward: Callable[..., Any], /) -> OpFunction: ...


@overload
def op(
    *,
    name: str | None = None,
    method: str = "",
    reflected: str = "",
    inplace: str = "",
    promote: str | None = None,
    view: bool = False,
    outputs: str = "y",
    byproducts: str = "",
    differentiable: bool = True,
    constant: str = "",
    plain: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], OpFunction]: ...


def op(
    forward: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    method: str = "",
    reflected: str = "",
    inplace: str = "",
    promote: str | None = None,
    view: bool = False,
    outputs: str = "y",
    byproducts: str = "",
    differentiable: bool = True,
    constant: str = "",
    plain: Callable[..., Any] | None = None,
) -> Any:
    """Declare an op from its forward function over ndarrays.

    Parameters
    ----------
    method, reflected, inplace : str
        Names of Tensor methods to install, separated by spaces: plain, with the first two inputs
        swapped, and changing the first input in place.
    promote : 'arithmetic' or 'float'
        Bring the inputs to one dtype as PyTorch does, broadcast them, and sum gradients back to
        the inputs' shapes; 'float' also turns integers into the default float dtype.
    view : bool
        The result may share memory with the first input.
    outputs, byproducts : str
        Names of what `forward` returns, if more than one value. By-products reach the rules but
        not the caller.
    differentiable : bool
        False: results never enter a graph (comparisons, argmax).
    constant : str
        Names of floating inputs and outputs through which no gradient flows. An input with neither
        this nor a rule is an error when its gradient is asked for.
    plain : function, optional
        What `forward` comes to where no settings are given, if that is one NumPy function: it is
        called instead, which saves 0.1 us.

    Ops declared outside minigrad are checked as they run: see minigrad.contract.
    """

    def declare(forward: Callable[..., Any]) -> Any:
        record = Op(
            forward,
            name or forward.__name__.lstrip("_"),
            promote,
            view,
            tuple(outputs.split()),
            tuple(byproducts.split()),
            differentiable,
            tuple(constant.split()),
            plain,
        )
        if record.custom:
            refuse(record)
        fast = promote is not None and len(record.inputs) <= 2 and not record.variadic and not view
        fast = fast and len(record.outputs) == 1 and not record.byproducts and not record.order
        call: Any = elementwise(record) if fast else general(record)
        dress(call, forward, record.name)
        if fast:
            dress(call.exact, forward, record.name)
        call.op, call.gradient = record, record.gradient
        _register(forward.__name__, call, forward)
        _install(call, forward, method, reflected, inplace)
        return call

    return declare if forward is None else declare(forward)


def _register(name: str, call: Any, declared: Callable[..., Any]) -> None:
    """Enter minigrad's own ops in the registry; those of users stay with them."""
    if not declared.__module__.startswith("minigrad."):
        return
    known = registry.setdefault(name, call).__module__
    if known != declared.__module__:
        raise TypeError(f"{name}: is declared in {known} and in {declared.__module__}. Rename one.")
    registry[name] = call


def _install(call: Any, declared: Any, method: str, reflected: str, inplace: str) -> None:
    from .inplace import in_place

    exact = getattr(call, "exact", call)  # takes the inputs alone, by position: operators
    alone = exact is not call and len(call.op.parameters) == 1
    made = {
        **{m: exact if alone or m.startswith("__") else call for m in method.split()},
        **{m: _swapped(exact, m) for m in reflected.split()},
        **{m: in_place(call, m) for m in inplace.split()},
    }
    if not declared.__module__.startswith("minigrad."):
        for m, fn in made.items():
            if not getattr(getattr(Tensor, m, call), "custom", False) and hasattr(Tensor, m):
                raise TypeError(
                    f"{call.__name__}: Tensor has a {m!r} already, which other code relies on. "
                    "Choose another name for the method."
                )
            fn.custom = True
    for m, fn in made.items():
        setattr(Tensor, m, fn)


def _swapped(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def reflected(self: Tensor, other: Any) -> Any:
        return call(other, self)

    reflected.__name__ = name
    return reflected


@overload
def composite(fn: F, /) -> F: ...


@overload
def composite(*, method: str = "", inplace: str = "", name: str = "") -> Callable[[F], F]: ...


def composite(fn: Any = None, *, method: str = "", inplace: str = "", name: str = "") -> Any:
    """Register a function that is written with ops, and install it as a Tensor method.

    It needs no gradient rule; `axis`/`keepdims` are accepted for `dim`/`keepdim`.
    """

    def declare(fn: Any) -> Any:
        call = _aliased(fn) if "dim" in inspect.signature(fn).parameters else taught(fn)
        _register(name or fn.__name__, call, fn)
        _install(call, fn, method, "", inplace)
        return call

    return declare if fn is None else declare(fn)


def _aliased(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`taught`, of a function that also takes `axis` and `keepdims`."""
    name = fn.__name__

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {_ALIASES.get(k, k): v for k, v in kwargs.items()}
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            known = of_call(fn, name, error, args, kwargs)
            if known is error:
                raise
            raise known from known.__cause__

    dress(call, fn, name)
    return call

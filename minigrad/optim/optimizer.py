"""The base of all optimisers: groups of parameters, their state, and hooks. No formula lives here.

An optimiser is a class with `defaults`, a `_check` of its options and a `step` that calls
`_update` for each parameter. The arithmetic is `minigrad.kernels.optim`: one pass over memory,
in place.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from ..engine import enable_grad
from ..errors import ShapeError
from ..inplace import bump
from ..tensor import Tensor, wrap
from .hooks import Hooks
from .options import required

__all__ = ["Optimizer", "ParamsT", "required"]

ParamsT = Iterable[Any]  # tensors, (name, tensor) pairs, or dicts of options with "params"



class Optimizer(Hooks):
    """Base class of optimisers.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
        What to change. A dict is a group: its "params", and the options that differ from
        `defaults` for them.
    defaults : dict
        The options of groups that do not say otherwise.

    Attributes
    ----------
    param_groups : list of dict
        Options can be changed between steps, as in `optimizer.param_groups[0]["lr"] = 0.01`.
    state : dict from Tensor to dict
        What the optimiser remembers about each parameter.
    """

    _like_param: tuple[str, ...] = ()  # entries of the state that have the parameter's shape

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._init_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}. Pass model.parameters(), or [tensor]."
            )
        self._check(defaults)
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list. Pass model.parameters(); a generator that "
                "was already used up is empty, so make it a list first."
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # groups ----------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with options of their own.

        Raises
        ------
        TypeError
            The group is not a dict, or what it holds are not tensors.
        ValueError
            A parameter is not a leaf or is in another group, or an option makes no sense.
        """
        if not isinstance(param_group, dict):
            raise TypeError(
                f"param_group must be a dict, but got {type(param_group)}. Write "
                "{'params': [...], 'lr': ...}."
            )
        if "params" not in param_group:
            raise KeyError("a parameter group must hold its tensors under the key 'params'.")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names and len(names) != len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing."
            )
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        for p in params:
            _check_param(p)
        group = param_group
        group["params"] = params
        if names:
            group["param_names"] = names
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            group.setdefault(name, default)
        self._check(group)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters: each step "
                "changes them more than once. Leave out the copies.",
                stacklevel=3,
            )
        for other in self.param_groups:
            if ("param_names" in group) != ("param_names" in other):
                how = "with names" if names else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {how} to the optimizer"
                )
            if not set(params).isdisjoint(other["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                g = p._grad
                if g is None or set_to_none:
                    p._grad = None
                    continue
                if g._rg:  # made under create_graph: cut it off
                    g = p._grad = wrap(g._data)
                g._data.fill(0)
                bump(g, "zero_grad")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        Parameters
        ----------
        closure : function without arguments
            Clears the gradients, computes the loss, runs backward and returns the loss, which
            is then returned.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: step is not written. A subclass of Optimizer must define it."
        )

    # what subclasses use ---------------------------------------------------------------------

    def _loss(self, closure: Callable[[], Any] | None) -> Any:
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def _with_grad(self, group: dict[str, Any]) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        """The parameters of a group that have a gradient, each with its state."""
        for p in group["params"]:
            if p._grad is not None:
                yield p, self.state[p]

    def _update(
        self, kernel: Callable[..., None], p: Tensor, states: tuple[Tensor | None, ...],
        *settings: Any,
    ) -> None:
        """Run `kernel(param, grad, *states, *settings)` on flat arrays and count the change."""
        x = p._data
        g = p._grad._data  # type: ignore[union-attr]
        kept = [None if s is None else s._data for s in states]
        if _plain(x, g, *kept):
            kernel(x, g, *kept, *settings)
            bump(p, f"{type(self).__name__}.step")
            return
        if g.shape != x.shape:
            raise ShapeError(
                f"{type(self).__name__}.step: a gradient must have its parameter's shape; got "
                f"parameter {x.shape}, gradient {g.shape}. Call zero_grad() after changing .data."
            )
        if g.dtype != x.dtype:
            g = g.astype(x.dtype)
        if not x.flags.writeable or (0 in x.strides and x.size > 1):
            raise RuntimeError(
                f"{type(self).__name__}.step: several elements of a parameter of shape {x.shape} "
                "share one memory location (it was expanded), or its memory is read-only. Use "
                "param.clone() as the parameter."
            )
        arrays = [x]
        for s in states:
            if s is not None:
                arrays.append(s._data)
                if s._data.shape != x.shape or s._data.dtype != x.dtype:
                    raise ShapeError(
                        f"{type(self).__name__}.step: the state must have its parameter's shape "
                        f"and dtype; got parameter {x.shape} {x.dtype}, state {s._data.shape} "
                        f"{s._data.dtype}. Was load_state_dict given another model's state?"
                    )
        flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays]  # copies where they must be
        rest = iter(flat[1:])
        kernel(
            flat[0], np.ascontiguousarray(g).reshape(-1),
            *[None if s is None else next(rest) for s in states], *settings,
        )
        for a, f in zip(arrays, flat):
            if not a.flags.c_contiguous:
                a[...] = f.reshape(a.shape)
        bump(p, f"{type(self).__name__}.step")

    # saving and loading ----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state and the options, with parameters as numbers in the order of the groups.

        The tensors in it are the optimiser's own: later steps change them. `minigrad.save`
        stores it as it is now; use `copy.deepcopy` to keep it in memory.
        """
        for hook in self._hooks["state_dict_pre"]:
            hook(self)
        number: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                number.setdefault(id(p), i)
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [number[id(p)] for p in group["params"]]
            start += len(packed["params"])
            groups.append(packed)
        state = {
            (number[id(k)] if isinstance(k, Tensor) else k): v for k, v in self.state.items()
        }
        out: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._hooks["state_dict_post"]:
            out = hook(self, out) or out
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that `state_dict` gave, of this optimiser or of PyTorch's.

        Tensors are copied, and cast to the dtype of their parameter. Nothing changes if it
        does not fit.

        Raises
        ------
        ValueError
            Another number of groups or parameters, or state of another shape.
        """
        state_dict = dict(state_dict)
        for hook in self._hooks["load_state_dict_pre"]:
            state_dict = hook(self, state_dict) or state_dict
        if not {"state", "param_groups"} <= state_dict.keys():
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected the keys 'state' and "
                f"'param_groups'; got {sorted(map(str, state_dict))}. Pass what "
                "optimizer.state_dict() returned."
            )
        saved = [{k: deepcopy(v) for k, v in g.items()} for g in state_dict["param_groups"]]
        sizes = [len(g["params"]) for g in self.param_groups]
        got = [len(g["params"]) for g in saved]
        if len(sizes) != len(got):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: the optimizer has "
                f"{len(sizes)}, the state dict {len(got)}."
            )
        if sizes != got:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                f"optimizer's group: the optimizer's have {sizes} parameters, the loaded {got}."
            )
        params = {
            i: p
            for group, new in zip(self.param_groups, saved)
            for i, p in zip(new["params"], group["params"])
        }
        state: defaultdict[Any, Any] = defaultdict(dict)
        for k, v in state_dict["state"].items():
            if k in params:
                self._check_kind(v, k)
                state[params[k]] = self._adapt(params[k], v, None, k)
            else:
                state[k] = v
        for group, new in zip(self.param_groups, saved):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
            for name, value in self.defaults.items():  # what older state dicts lack
                new.setdefault(name, value)
        self.state, self.param_groups = state, saved
        for hook in self._hooks["load_state_dict_post"]:
            hook(self)

    def _check_kind(self, entry: Any, number: Any) -> None:
        mine = self._like_param
        if mine and isinstance(entry, dict) and entry and not any(k in entry for k in mine):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state of a parameter must hold one of "
                f"{', '.join(mine)}; got {', '.join(map(str, entry))} for parameter {number}. It "
                "is the state of another kind of optimizer."
            )

    def _adapt(self, p: Tensor, value: Any, key: Any, number: Any) -> Any:
        """A copy of one entry of a loaded state; floating tensors get the dtype of `p`."""
        if isinstance(value, dict):
            return {k: self._adapt(p, v, k, number) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._adapt(p, v, key, number) for v in value)
        if hasattr(value, "detach") and not isinstance(value, Tensor):
            value = value.detach()  # another framework's tensor
        if isinstance(value, Tensor) or hasattr(value, "__array__"):
            array = value._data if isinstance(value, Tensor) else np.asarray(value)
            cast = p.is_floating_point() and key != "step"
            if key in self._like_param and array.shape != p._data.shape:
                raise ValueError(
                    f"{type(self).__name__}.load_state_dict: {key!r} of parameter {number} must "
                    f"have the parameter's shape {p._data.shape}; got {array.shape}. The state "
                    "is of another model, or its parameters are in another order."
                )
            return wrap(np.array(array, dtype=p.dtype if cast else None, order="C"))
        if key == "step" and isinstance(value, (int, float)):
            return wrap(np.array(value, np.float32))
        return value

    # copies and looks ------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {k: self.__dict__[k] for k in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_hooks" not in self.__dict__:
            self._init_hooks()

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"


def _plain(x: np.ndarray, *others: np.ndarray | None) -> bool:
    """Whether all are writeable, in C order, of one shape and dtype: as good as always."""
    shape, dtype = x.shape, x.dtype
    for a in others:
        if a is not None and not (a.flags.carray and a.dtype is dtype and a.shape == shape):
            return False
    return x.flags.carray


def _check_param(p: Any) -> None:
    if not isinstance(p, Tensor):
        raise TypeError(
            f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}. "
            "Pass tensors or (name, tensor) pairs."
        )
    if p._node is not None and not p._retains:
        raise ValueError(
            "can't optimize a non-leaf Tensor: it was made by "
            f"{p._node_name()} and is computed anew each time. Optimize what it is computed from, "
            "or make it a leaf by .detach().requires_grad_()."
        )

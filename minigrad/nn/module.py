"""Module: a function with parameters. Calling it, its modes, converting, states, showing it.

Attributes and walks are in _tree.py, what hooks do in _hooks.py, states in _state.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .. import dtypes
from ..errors import GradientError, ShapeError
from ..inplace import bump
from ..tensor import Tensor, wrap
from ..values import RemovableHandle, device
from ._hooks import Hooks, add_hook, call_with_hooks
from ._state import load_state, save_state
from ._tree import Tree

__all__ = ["Module"]

M = TypeVar("M", bound="Module")


class Module(Tree):
    """Base of all layers and models.

    A subclass calls `super().__init__()`, assigns parameters and other modules as attributes, and
    defines `forward`; calling the module runs it. An error that is raised in a layer names the
    layer by its path in the model that was called (`features.3.conv: conv2d: ...`).
    """

    _hooks: Hooks | None = None  # a module without hooks goes straight to forward

    # calling ---------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return call_with_hooks(self, args, kwargs)
        except Exception as error:
            _name_the_layer(self, error)
            raise

    def _forward_missing(self, *args: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function. Define '
            "forward(self, ...) in the class."
        )

    forward: Callable[..., Any] = _forward_missing

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments.

        With `with_kwargs` it is called as `hook(module, args, kwargs)` and returns both.
        """
        return add_hook(self, "forward_pre", (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns replaces the output.

        With `with_kwargs` it is called as `hook(module, args, kwargs, output)`; with `always_call`
        even if forward raised.
        """
        return add_hook(self, "forward", (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when both are known in the backward pass.

        They are tuples with one gradient (or None) per positional argument and per output. What the
        hook returns replaces `grad_input`.
        """
        return add_hook(self, "backward", hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward; it may replace them."""
        return add_hook(self, "backward_pre", hook, prepend)

    # modes and gradients ---------------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Set training mode (dropout, batch statistics) here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set `requires_grad` of every parameter."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient, or fill it with zeros."""
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad = p.grad.detach()
                p.grad._data.fill(0)
                bump(p.grad, "zero_grad")

    # converting ------------------------------------------------------------------------------

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Convert floating parameters and buffers, in place: to(dtype), to(device), to(other).

        The only device is the CPU; another is an error. Integers stay as they are.
        """
        dtype, where = kwargs.pop("dtype", None), kwargs.pop("device", None)
        for option in ("non_blocking", "copy", "memory_format"):
            kwargs.pop(option, None)
        if kwargs:
            raise TypeError(f"to: got an unexpected keyword argument {next(iter(kwargs))!r}.")
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, (str, device)):
                where = arg
            elif arg is not None and not isinstance(arg, bool):
                dtype = arg
        if where is not None:
            device(where)
        return self if dtype is None else self._cast(dtype, "to")

    def cpu(self: M) -> M:
        """Self: everything is on the CPU."""
        return self

    def float(self: M) -> M:
        """Make all floating parameters and buffers float32."""
        return self._cast(dtypes.float32, "float")

    def double(self: M) -> M:
        """Make all floating parameters and buffers float64."""
        return self._cast(dtypes.float64, "double")

    def half(self: M) -> M:
        """Make all floating parameters and buffers float16."""
        return self._cast(dtypes.float16, "half")

    def type(self: M, dst_type: Any) -> M:
        """Make all parameters and buffers `dst_type`, integers too."""
        dst = dtypes.to_dtype(dst_type)
        return self._apply(lambda t: wrap(t._data.astype(dst, copy=False)))

    def _cast(self: M, dtype: Any, name: str) -> M:
        target = dtypes.to_dtype(dtype)
        if target.kind != "f":
            raise TypeError(f"{name}: only accepts floating point dtypes; got {target}.")
        return self._apply(
            lambda t: wrap(t._data.astype(target, copy=False)) if t._data.dtype.kind == "f" else t
        )

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Replace the values of every parameter, gradient and buffer by `fn` of them."""
        for module in self.modules() if recurse else (self,):
            for p in module._parameters.values():
                if p is not None:
                    p.data = fn(p.data)
                    if p._grad is not None:
                        p._grad = fn(p._grad.data)
            for name, b in module._buffers.items():
                if b is not None:
                    module._buffers[name] = fn(b)
        return self

    # states ----------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by path, in order, sharing the module's memory.

        They are detached unless `keep_vars`. Clone them for a copy that later steps leave alone.
        """
        return save_state(self, destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy values into parameters and buffers; nothing is changed if anything does not fit.

        Parameters
        ----------
        state_dict : mapping of str to Tensor
            ndarrays, and other libraries' tensors that NumPy can read, are taken as well.
        strict : bool
            Names on one side only are an error.
        assign : bool
            Put the given tensors in place of the module's own, keeping their dtype.

        Returns
        -------
        namedtuple (missing_keys, unexpected_keys)

        Raises
        ------
        RuntimeError
            Lists every missing, unexpected and ill-fitting name.
        """
        return load_state(self, state_dict, strict, assign)

    def get_extra_state(self) -> Any:
        """What a subclass wants to keep in `state_dict` besides tensors."""
        raise RuntimeError("get_extra_state: define it in the class to keep more than tensors.")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave."""
        raise RuntimeError("set_extra_state: define it in the class that has get_extra_state.")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` reads the module."""
        return add_hook(self, "state_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after `state_dict` read it."""
        return add_hook(self, "state_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before `load_state_dict` compares the module."""
        return add_hook(self, "load_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after `load_state_dict`."""
        return add_hook(self, "load_post", hook)

    # showing ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The settings shown between the parentheses of the repr."""
        return ""

    def _get_name(self) -> str:
        return self.__class__.__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        rows = [f"({name}): {_indented(repr(m))}" for name, m in self._modules.items()]
        if not rows and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*lines, *rows]) + "\n)"


def _indented(text: str) -> str:
    """All lines but the first moved two columns to the right."""
    return text.replace("\n", "\n  ")


_OURS = (
    ValueError, TypeError, IndexError, RuntimeError, NotImplementedError, ShapeError, GradientError
)


def _name_the_layer(module: Module, error: Exception) -> None:
    """Put the path from `module` to the layer that raised in front of the message.

    Every module on the way out does this, so that in the end the path starts at the outermost one.
    """
    if type(error) not in _OURS or not error.args or not isinstance(error.args[0], str):
        return
    inner, path, message = getattr(error, "_layer", (module, "", error.args[0]))
    if inner is not module:
        found = next((name for name, m in module.named_modules() if m is inner), None)
        if found is None:
            return
        path = f"{found}.{path}" if path else found
        error.args = (f"{path}: {message}", *error.args[1:])
    error._layer = (module, path, message)  # type: ignore[attr-defined]

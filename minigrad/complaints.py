"""What Python and NumPy complain about, in the words of the function that was called.

Checks stand in the functions themselves, before any work. Whatever they did not foresee ends here:
a text that speaks of internals becomes one that names the function and what it was given, with the
original as its cause.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from .errors import GradientError, ShapeError

__all__ = ["dress", "explained", "of_call", "taught"]

F = TypeVar("F", bound=Callable[..., Any])

_OURS = re.compile(r"[\w.]+(\[.*?\]|\(\))?( \(.*?\))?: ")  # "conv2d: ...", "tensors[0]: ..."
_KINDS: tuple[tuple[type[Exception], type[Exception]], ...] = (
    (TypeError, TypeError),
    (AttributeError, TypeError),
    (IndexError, IndexError),
    (ValueError, ShapeError),
    (ArithmeticError, ShapeError),
    (AssertionError, ShapeError),
    (LookupError, ShapeError),
    (RuntimeError, RuntimeError),
)


def explained(name: str, error: Exception, given: Iterable[tuple[str, Any]]) -> Exception:
    """`error` if its text is ours; else one that says what was called with what.

    Parameters
    ----------
    name : str
        The function, as users call it.
    given : pairs of str and object
        The arguments that say something, by name.
    """
    error = getattr(error, "unforeseen", error)  # the outermost name is what the user called
    if _is_ours(error):
        return error
    shown = ", ".join(f"{key} {_shown(value)}" for key, value in given) or "nothing"
    reason = str(error).split("\n")[0].rstrip(". ") or type(error).__name__
    new: Exception
    if isinstance(error, MemoryError):
        new = MemoryError(
            f"{name}: the result must fit in memory; got {shown}. {reason}: use smaller sizes."
        )
    else:
        kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), RuntimeError)
        new = kind(
            f"{name}: these arguments cannot be used; got {shown}. The reason: {reason}. "
            f"See help({name})."
        )
    new.__cause__ = new.unforeseen = error  # type: ignore[attr-defined]
    return new


def of_call(
    fn: Callable[..., Any], name: str, error: Exception, args: tuple[Any, ...], kwargs: Any
) -> Exception:
    """`explained`, of a call of `fn`; Python's own text where the arguments do not fit `fn`."""
    tb = error.__traceback__
    if isinstance(error, TypeError) and (tb is None or tb.tb_next is None):
        return error
    try:
        given = _signature(fn).bind_partial(*args, **kwargs).arguments.items()
    except (TypeError, ValueError):
        given = kwargs.items()
    return explained(name, error, given)


def taught(fn: F) -> F:
    """A public function whose unforeseen errors say what it was called with."""
    name = fn.__name__

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            known = of_call(fn, name, error, args, kwargs)
            if known is error:
                raise
            raise known from known.__cause__

    dress(call, fn, name)
    return call  # type: ignore[return-value]


def dress(call: Any, fn: Callable[..., Any], name: str) -> None:
    """Let `call` look like `fn` to help() and inspect."""
    call.__name__ = call.__qualname__ = name
    call.__doc__, call.__module__ = fn.__doc__, fn.__module__
    call.__wrapped__ = fn


@lru_cache(maxsize=256)
def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(fn)


def _is_ours(error: Exception) -> bool:
    """Whether minigrad raised it on purpose: its type is ours, or its text and its place are."""
    if isinstance(error, (ShapeError, GradientError, NotImplementedError, OSError, Warning)):
        return True
    if not _OURS.match(str(error)):
        return False
    tb, module = error.__traceback__, "minigrad"
    while tb is not None:
        module, tb = str(tb.tb_frame.f_globals.get("__name__")), tb.tb_next
    return module.partition(".")[0] not in ("numpy", "numba")


def _shown(value: Any) -> str:
    """A value for a message: shape and dtype of arrays, else its repr, shortened."""
    array = getattr(value, "_data", value)
    if isinstance(array, np.ndarray):
        return f"{array.shape} {array.dtype}"
    try:
        text = repr(value)
    except Exception:
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."

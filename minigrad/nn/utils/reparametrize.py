"""Weights computed anew before each call: weight_norm and spectral_norm, as forward pre-hooks."""

from __future__ import annotations

from typing import Any, TypeVar

from ...engine import no_grad
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from ..parameter import Parameter

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


def _rows(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix with one row per index of `dim`."""
    return weight.movedim(dim, 0).reshape(weight.shape[dim], -1)


class _Hook:
    """Puts the computed weight in its place before each call; `name` is the weight's."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Tensor:
        raise NotImplementedError

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))


def _put(module: Module, hook: _Hook) -> None:
    module.__dict__[f"_{hook.name}_hook"] = hook, module.register_forward_pre_hook(hook)


def _take(module: Module, name: str, kind: type[_Hook], op: str) -> _Hook:
    found = module.__dict__.pop(f"_{name}_hook", None)
    if found is None or not isinstance(found[0], kind):
        raise ValueError(f"{op}: {name!r} of {type(module).__name__} is not computed by it.")
    found[1].remove()
    hook: _Hook = found[0]
    return hook


def _parameter(module: Module, name: str, op: str) -> Parameter:
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"{op}: {type(module).__name__} has no parameter {name!r}.")
    if f"_{name}_hook" in module.__dict__:
        raise RuntimeError(f"{op}: {name!r} is computed already; cannot register two of them.")
    return weight


class _WeightNorm(_Hook):
    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def norm(self, v: Tensor) -> Tensor:
        """Over all dims but `dim`, kept."""
        if self.dim is None:
            return v.norm()
        rows = _rows(v, self.dim).norm(dim=1)
        return rows.reshape([-1 if d == self.dim % v.ndim else 1 for d in range(v.ndim)])

    def compute(self, module: Module) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / self.norm(v))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Make a parameter the product of a size and a direction, w = g · v / |v|.

    `<name>_g` and `<name>_v` become the parameters; the norm is over all dims but `dim` (None:
    over all). Source: Salimans and Kingma, "Weight normalization", equation 2.
    """
    weight, hook = _parameter(module, name, "weight_norm"), _WeightNorm(name, dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(hook.norm(weight).detach().clone()))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    _put(module, hook)
    hook(module, ())
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make `<name>` a plain parameter again, with its present value."""
    weight = _take(module, name, _WeightNorm, "remove_weight_norm").compute(module).detach()
    return _restore(module, name, weight, (name + "_g", name + "_v"))


class _SpectralNorm(_Hook):
    def __init__(self, name: str, steps: int, dim: int, eps: float) -> None:
        super().__init__(name)
        self.steps, self.dim, self.eps = steps, dim, eps

    def compute(self, module: Module) -> Tensor:
        return self.divided(module, module.training)

    def divided(self, module: Module, improve: bool) -> Tensor:
        """The weight over its largest singular value, after power iterations if `improve`."""
        weight: Tensor = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        rows = _rows(weight, self.dim)
        if improve:
            with no_grad():
                for _ in range(self.steps):
                    v.copy_(F.normalize(rows.t() @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(rows @ v, dim=0, eps=self.eps))
        return weight / (u.clone() @ (rows @ v.clone()))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> M:  # fmt: skip
    """Divide a parameter by its largest singular value, seen as a matrix with rows along `dim`.

    `<name>_orig` becomes the parameter; `<name>_u` and `<name>_v`, buffers, come closer to the
    singular vectors with each call in training. Source: Miyato et al., "Spectral normalization
    for generative adversarial networks", algorithm 1.
    """
    if n_power_iterations <= 0:
        raise ValueError(
            "spectral_norm: n_power_iterations must be positive; got n_power_iterations "
            f"{n_power_iterations}."
        )
    weight = _parameter(module, name, "spectral_norm")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = _SpectralNorm(name, n_power_iterations, dim, eps)
    rows = _rows(weight.detach(), dim)
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    for which, n in (("_u", rows.shape[0]), ("_v", rows.shape[1])):
        module.register_buffer(name + which, F.normalize(rows.new_empty(n).normal_(), dim=0))
    with no_grad():
        setattr(module, name, weight.detach())
    _put(module, hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make `<name>` a plain parameter again, with its present value."""
    hook = _take(module, name, _SpectralNorm, "remove_spectral_norm")
    assert isinstance(hook, _SpectralNorm)
    weight = hook.divided(module, False).detach()
    return _restore(module, name, weight, (name + "_orig", name + "_u", name + "_v"))


def _restore(module: M, name: str, weight: Tensor, gone: tuple[str, ...]) -> M:
    for other in (*gone, name):
        delattr(module, other)
    module.register_parameter(name, Parameter(weight))
    return module

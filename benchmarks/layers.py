"""Single layers: forward and backward in training mode, and inference on small batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .contestants import Contestant
from .measure import in_turn
from .results import Result

__all__ = ["CASES", "Case", "forward_step", "layers", "training_step"]

Step = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A layer and its input. `first`: a network's first layer, whose input wants no gradient."""

    group: str
    name: str
    make: Callable[[Any], Any]  # nn -> the layer
    shape: tuple[int, ...]
    first: bool = False
    labels: int = 0  # a loss: so many classes
    dtype: str = "float32"
    infer: bool = False


def _conv(
    batch: int, c: int, size: int, f: int, k: int, stride: int = 1, first: bool = False,
    group: str = "conv-other", kind: str = "", **options: Any,
) -> Case:
    """A convolution whose padding keeps the size, unless it is given."""
    padding = options.pop("padding", options.get("dilation", 1) * (k // 2))
    name = f"{kind or 'conv'} {k}x{k}{' s' + str(stride) if stride > 1 else ''}"
    return Case(
        group,
        f"{name} {batch},{c},{size},K{f}" + " (input without gradient)" * first,
        lambda nn: nn.Conv2d(c, f, k, stride, padding, **options),
        (batch, c, size, size),
        first,
    )


CASES = [
    *(
        _conv(*sizes, 3, group="conv3x3")
        for sizes in (
            (64, 16, 32, 16), (64, 32, 32, 32), (64, 64, 16, 64), (64, 128, 8, 128),
            (16, 64, 56, 64), (16, 128, 28, 128), (16, 256, 14, 256), (16, 512, 7, 512),
        )
    ),
    _conv(64, 1, 28, 8, 5, first=True),
    _conv(64, 3, 32, 32, 3, first=True),
    _conv(16, 3, 224, 64, 7, 2, first=True),
    _conv(16, 64, 56, 128, 3, 2),
    _conv(64, 16, 32, 32, 3, 2),
    _conv(16, 256, 14, 512, 1),
    _conv(16, 64, 56, 64, 1),
    _conv(64, 6, 14, 16, 5, padding=0),
    _conv(16, 96, 28, 96, 3, kind="depthwise", groups=96),
    _conv(16, 96, 56, 96, 3, 2, kind="depthwise", groups=96),
    _conv(64, 64, 16, 64, 3, kind="4 groups", groups=4),
    _conv(64, 32, 16, 32, 3, kind="dilated", dilation=2),
    Case(
        "conv-other", "1-D conv 5 64,32,256,K64",
        lambda nn: nn.Conv1d(32, 64, 5, padding=2), (64, 32, 256),
    ),
    Case(
        "conv-other", "transposed 4x4 s2 64,64,8,K32",
        lambda nn: nn.ConvTranspose2d(64, 32, 4, 2, 1), (64, 64, 8, 8),
    ),
]

_REST: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "max pool 2x2 64,32,28": (lambda nn: nn.MaxPool2d(2), (64, 32, 28, 28)),
    "max pool 3x3 s2 16,64,112": (lambda nn: nn.MaxPool2d(3, 2, 1), (16, 64, 112, 112)),
    "avg pool 2x2 64,32,28": (lambda nn: nn.AvgPool2d(2), (64, 32, 28, 28)),
    "adaptive avg pool to 1 64,64,8": (lambda nn: nn.AdaptiveAvgPool2d(1), (64, 64, 8, 8)),
    "adaptive avg pool to 7 16,256,14": (lambda nn: nn.AdaptiveAvgPool2d(7), (16, 256, 14, 14)),
    "batch norm 64,16,32": (lambda nn: nn.BatchNorm2d(16), (64, 16, 32, 32)),
    "batch norm 16,256,14": (lambda nn: nn.BatchNorm2d(256), (16, 256, 14, 14)),
    "batch norm + relu 64,64,32": (
        lambda nn: nn.Sequential(nn.BatchNorm2d(64), nn.ReLU()), (64, 64, 32, 32),
    ),
    "relu 64,32,28": (lambda nn: nn.ReLU(), (64, 32, 28, 28)),
    "linear 64,3136->128": (lambda nn: nn.Linear(3136, 128), (64, 3136)),
    "linear 64,512->1000": (lambda nn: nn.Linear(512, 1000), (64, 512)),
}
CASES += [Case("pool-norm-linear", name, *rest) for name, rest in _REST.items()]
CASES += [
    replace(case, group="inference-layer", name=f"{case.name.split(' (')[0]}, batch {batch}",
            shape=(batch, *case.shape[1:]), infer=True)
    for case in CASES for batch in (1, 8)
]
CASES += [
    Case("pool-norm-linear", f"cross-entropy {batch},{labels}",
         lambda nn: nn.CrossEntropyLoss(), (batch, labels), labels=labels)
    for batch, labels in ((64, 10), (256, 1000))
]
_DOUBLE = (
    "conv 3x3 64,32,32,K32", "conv 3x3 16,128,28,K128", "conv 3x3 s2 64,16,32,K32",
    "conv 1x1 16,64,56,K64", "depthwise 3x3 16,96,28,K96", "max pool 2x2 64,32,28",
    "batch norm 64,16,32", "linear 64,512->1000",
)
CASES += [replace(c, group="float64", dtype="float64") for c in CASES if c.name in _DOUBLE]


def layers(
    libraries: list[Contestant], only: Callable[[str, str], bool], budget: float = 1.0
) -> list[Result]:
    """Milliseconds of one layer; of `conv ...` N,C,H,K stand in the case's name, as in papers."""
    results = []
    for case in CASES:
        if only(case.group, case.name):
            able = [c for c in libraries if len(case.shape) == 4 or not c.only_images]
            make = forward_step if case.infer else training_step
            steps = {c.name: make(c, case) for c in able}
            seconds = in_turn(steps, budget=budget / 2 if case.infer else budget, settle=True)
            unit = "us" if min(seconds.values()) < 5e-4 else "ms"
            results.append(Result(case.group, case.name, seconds, unit, _flops(case)))
    return results


def training_step(contestant: Contestant, case: Case) -> Step:
    """Forward and backward with a given cotangent of the output."""
    rng = np.random.default_rng(0)
    layer, x = _prepared(contestant, case, rng)
    parameters = list(layer.parameters())
    x.requires_grad_(not case.first)
    if case.labels:
        target = contestant.lib.tensor(rng.integers(0, case.labels, case.shape[0]))

        def loss() -> None:
            x.grad = None
            layer(x, target).backward()

        return loss
    y = rng.standard_normal(tuple(layer(x).shape)).astype(case.dtype)
    g = contestant.tensor(contestant.lib.tensor(y))

    def step() -> None:
        x.grad = None
        for p in parameters:
            p.grad = None
        layer(x).backward(g)

    return step


def forward_step(contestant: Contestant, case: Case) -> Step:
    """The forward pass in evaluation mode, without a graph."""
    layer, x = _prepared(contestant, case, np.random.default_rng(0))
    layer.eval()

    def step() -> None:
        with contestant.lib.no_grad():
            layer(x)

    return step


def _prepared(contestant: Contestant, case: Case, rng: np.random.Generator) -> tuple[Any, Any]:
    lib = contestant.lib
    layer = contestant.model(case.make(lib.nn).to(getattr(lib, case.dtype)))
    x = rng.standard_normal(case.shape).astype(case.dtype)
    return layer, contestant.tensor(lib.tensor(x))


def _flops(case: Case) -> float | None:
    """Two per multiply-add of convolutions and linear layers, for each pass that runs."""
    import minigrad

    layer = case.make(minigrad.nn)
    weight = getattr(layer, "weight", None)
    if weight is None or weight.ndim < 2:
        return None
    with minigrad.no_grad():
        y = layer(minigrad.zeros(1, *case.shape[1:]))
    transposed = "Transpose" in type(layer).__name__
    places = math.prod(case.shape[2:] if transposed else y.shape[2:]) * case.shape[0]
    passes = 1 if case.infer else 2 if case.first else 3
    return 2.0 * places * weight.numel() * passes

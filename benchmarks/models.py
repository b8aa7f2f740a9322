"""Whole networks: a training step, and inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .contestants import Contestant
from .measure import in_turn
from .networks import NETWORKS, Network
from .results import Result

__all__ = ["inference", "models", "training_step"]

Step = Callable[[], Any]


def models(
    libraries: list[Contestant], only: Callable[[str, str], bool], budget: float = 3.0
) -> list[Result]:
    """Milliseconds for forward, cross-entropy, backward and SGD's update; and for inference."""
    results = []
    for net in NETWORKS:
        kinds = [("train", training_step, net.batch)]
        kinds += [("inference-net", inference, n) for n in (net.batch, 1)]
        for group, make, batch in kinds:
            name = f"{net.name} batch {batch}"
            if only(group, name):
                steps = {c.name: make(c, net, batch) for c in libraries}
                seconds = in_turn(steps, budget=budget, settle=True)
                rate = {n: round(batch / t) for n, t in seconds.items()}
                results.append(Result(group, name, seconds, notes={"images/s": rate}))
    return results


def training_step(contestant: Contestant, net: Network, batch: int) -> Step:
    """Forward, cross-entropy, backward, and SGD's update with momentum, always of one batch."""
    lib = contestant.lib
    rng = np.random.default_rng(0)
    model = contestant.model(net.make(lib))
    x = contestant.tensor(lib.tensor(_images(rng, batch, net)))
    target = lib.tensor(rng.integers(0, 10, batch))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    cross_entropy = lib.nn.functional.cross_entropy

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(x), target).backward()
        optimizer.step()

    return step


def inference(contestant: Contestant, net: Network, batch: int) -> Step:
    """The forward pass, in evaluation mode and without a graph."""
    lib = contestant.lib
    model = contestant.model(net.make(lib).eval())
    x = contestant.tensor(lib.tensor(_images(np.random.default_rng(0), batch, net)))

    def step() -> None:
        with lib.no_grad():
            model(x)

    return step


def _images(rng: np.random.Generator, batch: int, net: Network) -> Any:
    return rng.standard_normal((batch, *net.image), dtype=np.float32)

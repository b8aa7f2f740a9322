"""Generators of random numbers, and the default one. What draws from them is in ops/random.py.

One stream of numbers per generator, drawn by the calling thread: results depend on the seed and the
order of calls, never on the number of threads.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any

import numpy as np

from .tensor import Tensor, wrap
from .values import device as check_device

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

_START = 67280421310721  # what PyTorch's default generator starts from
_STATE_BYTES = 56


class Generator:
    """A stream of random numbers with a seed and a state that can be stored.

    The numbers come from NumPy's PCG64; they are not PyTorch's, but the calls are.
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = check_device(device)
        self._lock = threading.Lock()
        self._seed = _START
        self._bits = np.random.PCG64(_START)
        self._numpy = np.random.Generator(self._bits)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, an int in [-2^63, 2^64); returns self."""
        if isinstance(seed, (Tensor, np.generic)):
            seed = seed.item()
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"manual_seed: seed must be an int; got {type(seed).__name__}.")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: seed must be in [-2^63, 2^64); got {seed}.")
        self._seed = seed % 2**64
        with self._lock:
            self._bits.state = np.random.PCG64(self._seed).state
        return self

    def seed(self) -> int:
        """Start from a seed taken from the operating system, and return it."""
        new = secrets.randbits(63)
        self.manual_seed(new)
        return new

    def initial_seed(self) -> int:
        """The seed this generator started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """Everything that decides the numbers to come, as a (56,) uint8 tensor."""
        with self._lock:
            s: Any = self._bits.state
        packed = b"".join(
            (
                s["state"]["state"].to_bytes(16, "little"),
                s["state"]["inc"].to_bytes(16, "little"),
                int(s["has_uint32"]).to_bytes(8, "little"),
                int(s["uinteger"]).to_bytes(8, "little"),
                self._seed.to_bytes(8, "little"),
            )
        )
        return wrap(np.frombuffer(packed, np.uint8).copy())

    def set_state(self, new_state: Tensor) -> None:
        """Continue from a state that `get_state` returned."""
        a = new_state._data if isinstance(new_state, Tensor) else None
        if a is None or a.dtype != np.uint8 or a.shape != (_STATE_BYTES,):
            got = type(new_state).__name__ if a is None else f"{a.dtype} of shape {a.shape}"
            raise TypeError(
                f"set_state: new_state must be what get_state returned, a ({_STATE_BYTES},) uint8 "
                f"tensor; got {got}."
            )
        raw = a.tobytes()
        state, inc, has, last, start = (
            int.from_bytes(raw[i:j], "little")
            for i, j in ((0, 16), (16, 32), (32, 40), (40, 48), (48, 56))
        )
        with self._lock:
            self._bits.state = {
                "bit_generator": "PCG64",
                "state": {"state": state, "inc": inc},
                "has_uint32": has,
                "uinteger": last,
            }
        self._seed = start

    def numpy(self) -> np.random.Generator:
        """NumPy's generator behind this one; drawing from it moves this one on."""
        return self._numpy

    def clone_state(self) -> Generator:
        """A new generator that will give the same numbers."""
        twin = Generator()
        twin.set_state(self.get_state())
        return twin

    def __getstate__(self) -> Any:
        return self.get_state()._data

    def __setstate__(self, state: Any) -> None:
        self.__init__()  # type: ignore[misc]
        self.set_state(wrap(state))


class _DefaultGenerator(Generator):
    """The one that `manual_seed` seeds. Within `private` a thread draws from another instead."""

    def numpy(self) -> np.random.Generator:
        """NumPy's generator behind this one, or the calling thread's private one."""
        return getattr(_local, "numpy", None) or self._numpy


_local = threading.local()
default_generator = _DefaultGenerator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator again from `seed`."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the default generator from a seed taken from the operating system, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


class fork_rng:
    """A context after which the default generator continues as if nothing had been drawn in it."""

    def __init__(self, devices: Any = None, enabled: bool = True) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self._state = get_rng_state()

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            set_rng_state(self._state)


class private:
    """A context in which this thread draws from a generator of its own, and moves no other on.

    Parameters
    ----------
    *seeds : int
        What decides its numbers, all of them together.
    """

    def __init__(self, *seeds: int) -> None:
        self.seeds = seeds

    def __enter__(self) -> None:
        self._before = getattr(_local, "numpy", None)
        _local.numpy = np.random.Generator(np.random.PCG64(self.seeds))

    def __exit__(self, *exc: object) -> None:
        _local.numpy = self._before


def numpy_generator(generator: Generator | None) -> np.random.Generator:
    """NumPy's generator behind `generator`, or behind the default one."""
    if generator is None:
        return default_generator.numpy()
    if not isinstance(generator, Generator):
        raise TypeError(
            f"generator: must be a minigrad.Generator or None; got {type(generator).__name__}."
        )
    return generator.numpy()

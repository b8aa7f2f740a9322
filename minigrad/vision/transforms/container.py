"""Transforms made of other callables: Compose and Lambda."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._base import Transform

__all__ = ["Compose", "Lambda", "is_batched"]


def is_batched(transform: Any) -> bool:
    """Whether `transform` (None is no transform) says that it works on whole batches."""
    return transform is None or bool(getattr(transform, "batched", False))


class Compose(Transform):
    """Apply transforms one after another.

    Parameters
    ----------
    transforms : sequence of callables

    Examples
    --------
    >>> from minigrad.vision import transforms
    >>> transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    Compose(
        ToTensor()
        Normalize(mean=(0.5,), std=(0.5,))
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        try:
            wrong = [t for t in transforms if not callable(t)]
        except TypeError:
            raise TypeError(
                f"Compose: transforms must be a list; got {type(transforms).__name__}. Use "
                "Compose([first, second])."
            ) from None
        if wrong:
            raise TypeError(f"Compose: every transform must be callable; got {wrong[0]!r}.")
        self.transforms = transforms

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether all of the transforms work on whole batches."""
        return all(is_batched(t) for t in self.transforms)

    def forward(self, img: Any) -> Any:
        """The result of the last transform."""
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        lines = [line for t in self.transforms for line in repr(t).splitlines()]
        return "\n".join([f"{type(self).__name__}(", *(f"    {line}" for line in lines), ")"])


class Lambda(Transform):
    """Apply a function.

    Parameters
    ----------
    lambd : callable
        Gets what the Lambda gets, an image or a whole batch.

    Notes
    -----
    Whether a function means the same on a batch cannot be known, so data sets hand it one image
    after another. If it does, say so: ``t = Lambda(f); t.batched = True``.
    """

    batched = False

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(
                f"Lambda: argument lambd should be callable, got {type(lambd).__name__!r}."
            )
        self.lambd = lambd

    def forward(self, img: Any) -> Any:
        """`lambd(img)`."""
        return self.lambd(img)

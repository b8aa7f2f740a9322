"""Embedding: a table of vectors that is looked up by index."""

from __future__ import annotations

from typing import Any

from ..engine import no_grad
from ..errors import ShapeError
from ..inplace import bump
from ..tensor import Tensor
from . import functional as F
from . import init
from ._checks import size
from .linear import empty_parameter
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A vector for each index, looked up. See `functional.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Number of vectors, and their size.
    padding_idx : int
        This vector is zero at first and gets no gradient; negative counts from the end.
    max_norm, norm_type : float
        Vectors that are looked up are first scaled, in place, to a norm of at most `max_norm`.

    Attributes
    ----------
    weight : (num_embeddings, embedding_dim) ~ N(0, 1)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = size("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = size("Embedding", "embedding_dim", embedding_dim)
        if scale_grad_by_freq or sparse:
            raise NotImplementedError(
                "Embedding: scale_grad_by_freq and sparse gradients are not supported. Leave them "
                "False."
            )
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx must be within num_embeddings {num_embeddings}; got "
                    f"{padding_idx}."
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if _weight is None:
            self.weight = empty_parameter(num_embeddings, embedding_dim, dtype=dtype, device=device)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight)
        self.weight.requires_grad_(not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew; zeros at `padding_idx`."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight._data[self.padding_idx] = 0
            with no_grad():
                bump(self.weight, "reset_parameters")

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer with the given (num_embeddings, embedding_dim) table, not learned if `freeze`."""
        if embeddings.ndim != 2:
            raise ShapeError(
                "from_pretrained: embeddings must be (num_embeddings, embedding_dim); got shape "
                f"{tuple(embeddings.shape)}."
            )
        rows, cols = embeddings.shape
        return cls(
            rows, cols, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings,
            freeze,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(...) int -> (..., embedding_dim)."""
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type
        )

    def extra_repr(self) -> str:
        """The sizes."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text

"""Checks of a loader's options, with PyTorch's messages. No loading happens here."""

from __future__ import annotations

from typing import Any

__all__ = ["check_batches", "check_stream", "check_workers"]


MOST_WORKERS = 1024


def check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool
) -> None:
    """Raise where the options of worker threads make no sense together."""
    if isinstance(num_workers, bool) or not isinstance(num_workers, int):
        raise TypeError(f"DataLoader: num_workers must be an int; got num_workers {num_workers!r}.")
    if num_workers < 0:
        raise ValueError(
            f"num_workers option should be non-negative; got num_workers {num_workers}. Use "
            "num_workers=0 to fetch in the calling thread."
        )
    if num_workers > MOST_WORKERS:
        raise ValueError(
            f"DataLoader: num_workers must be at most {MOST_WORKERS}; got num_workers "
            f"{num_workers}. More threads than processors do not help: try 2 to 8."
        )
    if timeout < 0:
        raise ValueError(f"timeout option should be non-negative; got timeout {timeout}.")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified with workers. Let num_workers > 0, or "
            "leave prefetch_factor out."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(
            f"prefetch_factor option should be non-negative; got prefetch_factor {prefetch_factor}."
        )
    if persistent and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    """Raise where an order is given for a data set that is a stream."""
    for option, value in (
        ("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)
    ):
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {option} option, but got "
                f"{option}={value}. A stream has its own order: shuffle in its __iter__."
            )


def check_batches(
    batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: Any
) -> None:
    """Raise where the options that form batches make no sense together."""
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    others = batch_size != 1 or shuffle or sampler is not None or drop_last
    if batch_sampler is not None and others:
        raise ValueError(
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
            "drop_last"
        )
    if batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )
    if batch_size is not None and (
        isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0
    ):
        raise ValueError(
            f"batch_size should be a positive integer value, but got batch_size={batch_size}"
        )

"""Checks for gradients and ops. Hypothesis is imported only by `cases` and `strategies`."""

from __future__ import annotations

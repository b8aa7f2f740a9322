"""Numeric kernels: ndarrays in, ndarrays out. No Tensor, no gradients, no checks of user input.

Every kernel has a plain NumPy reference beside it; Numba is the fast path and is imported only
when the first kernel runs. The policy (threads, cache, flags) stands in `minigrad.kernels.jit`.
"""

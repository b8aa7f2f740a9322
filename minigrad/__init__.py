"""minigrad: a deep-learning framework that one can read, with PyTorch's names.

Tensors and functions stand here, layers in `nn`, optimisers in `optim`, data in `utils.data` and
`vision`. Importing this loads NumPy and minigrad itself; Numba comes with the first kernel, and
`vision`, `viz`, `profiler` and `testing` when they are first named.
"""

# ruff: noqa: F403 - the families of ops say in their own __all__ what is public
from __future__ import annotations

import importlib
from typing import Any

from . import amp, autograd, backends, cuda, jit, linalg, nn, ops, optim, random, settings, utils
from .amp import autocast
from .autograd.functional import vmap
from .convert import as_tensor, from_numpy, is_tensor, tensor
from .dtypes import (
    bool_ as bool,
)
from .dtypes import (
    can_cast,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    result_type,
    set_default_dtype,
    uint8,
)
from .dtypes import (
    float16 as half,
)
from .dtypes import (
    float32 as float,
)
from .dtypes import (
    float64 as double,
)
from .dtypes import (
    int16 as short,
)
from .dtypes import (
    int32 as int,
)
from .dtypes import (
    int64 as long,
)
from .engine import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .kernels.conv import get_conv_algorithm, set_conv_algorithm
from .kernels.jit import get_num_threads, set_num_threads, warmup
from .ops.activation import celu, selu
from .ops.adaptive_pool import adaptive_avg_pool1d, adaptive_max_pool1d
from .ops.buckets import *
from .ops.combine import *
from .ops.compare import *
from .ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .ops.convert import *
from .ops.creation import *
from .ops.distance import *
from .ops.dropout import alpha_dropout, dropout
from .ops.einsum import *
from .ops.elementwise import *
from .ops.embedding import embedding
from .ops.extremes import *
from .ops.gather import *
from .ops.index import *
from .ops.join import *
from .ops.limits import *
from .ops.linalg import *
from .ops.margin_loss import cosine_similarity
from .ops.norm import batch_norm, instance_norm
from .ops.pairwise import *
from .ops.piecewise import hardshrink, prelu, relu, threshold
from .ops.pool import avg_pool1d, max_pool1d, max_pool2d
from .ops.random import *
from .ops.rearrange import *
from .ops.reduce import *
from .ops.resample import pixel_shuffle, pixel_unshuffle
from .ops.rounding import *
from .ops.row_norm import group_norm, layer_norm
from .ops.scan import *
from .ops.section import *
from .ops.shape import *
from .ops.softmax import log_softmax, softmax
from .ops.unary import *
from .printing import set_printoptions
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .serialization import load, load_checkpoint, save, save_checkpoint
from .settings import *
from .summary import summary
from .tensor import Tensor
from .values import (
    Size,
    channels_last,
    contiguous_format,
    device,
    layout,
    memory_format,
    preserve_format,
    strided,
)

__version__ = "0.1.0"

__all__ = [
    "Generator",
    "Size",
    "Tensor",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_max_pool1d",
    "alpha_dropout",
    "amp",
    "as_tensor",
    "autocast",
    "autograd",
    "avg_pool1d",
    "backends",
    "batch_norm",
    "bool",
    "can_cast",
    "celu",
    "channels_last",
    "contiguous_format",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_similarity",
    "cuda",
    "default_generator",
    "device",
    "double",
    "dropout",
    "dtype",
    "embedding",
    "enable_grad",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "get_conv_algorithm",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "group_norm",
    "half",
    "hardshrink",
    "iinfo",
    "inference_mode",
    "initial_seed",
    "instance_norm",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "jit",
    "layer_norm",
    "layout",
    "linalg",
    "load",
    "load_checkpoint",
    "log_softmax",
    "long",
    "manual_seed",
    "max_pool1d",
    "max_pool2d",
    "memory_format",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "preserve_format",
    "promote_types",
    "random",
    "relu",
    "result_type",
    "save",
    "save_checkpoint",
    "seed",
    "selu",
    "set_conv_algorithm",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "set_rng_state",
    "settings",
    "short",
    "softmax",
    "strided",
    "summary",
    "tensor",
    "threshold",
    "uint8",
    "utils",
    "vmap",
    "warmup",
]
__all__ += ops.buckets.__all__
__all__ += ops.combine.__all__
__all__ += ops.compare.__all__
__all__ += ops.convert.__all__
__all__ += ops.creation.__all__
__all__ += ops.distance.__all__
__all__ += ops.einsum.__all__
__all__ += ops.elementwise.__all__
__all__ += ops.extremes.__all__
__all__ += ops.gather.__all__
__all__ += ops.index.__all__
__all__ += ops.join.__all__
__all__ += ops.limits.__all__
__all__ += ops.linalg.__all__
__all__ += ops.pairwise.__all__
__all__ += ops.random.__all__
__all__ += ops.rearrange.__all__
__all__ += ops.reduce.__all__
__all__ += ops.rounding.__all__
__all__ += ops.scan.__all__
__all__ += ops.section.__all__
__all__ += ops.shape.__all__
__all__ += ops.unary.__all__
__all__ += settings.__all__

_LATER = ("profiler", "testing", "vision", "viz")


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}")

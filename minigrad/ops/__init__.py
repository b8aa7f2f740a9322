"""The differentiable functions, one file per family. Importing this installs all Tensor methods.

The functions of `minigrad` are re-exported here; those of `nn.functional` from their own files.
"""

# ruff: noqa: F403
from . import (  # noqa: F401
    activation,
    adaptive_pool,
    conv,
    cross_entropy,
    dropout,
    embedding,
    loss,
    norm,
    pad,
    pool,
    resample,
    row_norm,
    softmax,
    unpool,
)
from .compare import *
from .convert import *
from .creation import *
from .distance import *
from .einsum import *
from .elementwise import *
from .extremes import *
from .gather import *
from .index import *
from .join import *
from .limits import *
from .linalg import *
from .random import *
from .rearrange import *
from .reduce import *
from .scan import *
from .section import *
from .shape import *
from .unary import *

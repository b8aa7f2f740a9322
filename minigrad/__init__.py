from .tensor import Tensor
from .convert import as_tensor, from_numpy, is_tensor, tensor
from .ops import elementwise

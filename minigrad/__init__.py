from .convert import as_tensor, from_numpy, is_tensor, tensor
from .ops import elementwise
from .tensor import Tensor

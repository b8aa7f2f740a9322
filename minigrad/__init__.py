from .tensor import *
from .ops import elementwise

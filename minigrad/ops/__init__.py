"""The differentiable functions, one file per family. Importing this installs all Tensor methods."""

def tensor_repr(t):
    return f"tensor({t._data}, {t.grad_fn})"

"""cuDNN's switches, accepted and without effect: results here are always deterministic."""

benchmark = False
deterministic = True
enabled = False


def is_available() -> bool:
    """Always False."""
    return False

"""Apple's GPU: not used."""


def is_available() -> bool:
    """Always False."""
    return False

"""Measurements: `python -m benchmarks layers models ...`. minigrad imports none of this."""

"""Measurements: `python -m benchmarks overhead layers models`. minigrad imports none of this."""

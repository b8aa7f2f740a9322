"""Measurements: `python -m benchmarks overhead|layers|models`. Nothing here is imported by minigrad."""

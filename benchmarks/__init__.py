"""Ratios against stock mlflow and FastTrackML: `python -m benchmarks.compare`."""

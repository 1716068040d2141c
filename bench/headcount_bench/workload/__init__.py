"""The workload that all measurements share: generated files, and the standard questions."""

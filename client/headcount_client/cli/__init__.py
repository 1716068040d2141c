"""The command line ``headcount``."""

from headcount_client.cli.app import main

__all__ = ["main"]

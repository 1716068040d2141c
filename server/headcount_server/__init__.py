"""The server of Headcount."""

__version__ = "0.1.0"

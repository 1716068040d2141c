"""Lengths of time of results."""

from __future__ import annotations

from datetime import timedelta


def milliseconds(length: timedelta | None) -> float:
    """A length of time in milliseconds; 0 for none."""
    return 0.0 if length is None else length / timedelta(milliseconds=1)

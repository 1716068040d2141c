"""Settings of all tests: none of them is a measurement, so no example has a deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("headcount", deadline=None)
settings.load_profile("headcount")

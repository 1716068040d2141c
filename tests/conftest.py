"""Settings of all tests: none of them is a measurement, so no example has a deadline.

The examples of property tests are the same in every run, so that a run fails for what changed; the
profile `random` draws others each time: `make test-random`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large]  # both depend on how busy the machine is
settings.register_profile("random", deadline=None, print_blob=True, suppress_health_check=CALM)
settings.register_profile(
    "headcount", settings.get_profile("random"), derandomize=True, database=None
)
settings.load_profile("headcount")

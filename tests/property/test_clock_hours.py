"""Clock hours of the core are those of the oracle, also where a zone changes by part of an hour."""

from __future__ import annotations

from headcount_server.core.calendar import calendar
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.time import Zone
from tests.strategies.settings import HOUR, ZONES, clocks


@given(st.sampled_from(tuple(ZONES)), st.data())
def test_an_hour_begins_and_ends_at_the_same_instants(zone: str, data: st.DataObject) -> None:
    near = data.draw(st.sampled_from(clocks(zone)))
    time = near + data.draw(st.integers(-3 * HOUR, 3 * HOUR))
    core, oracle = calendar(zone), Zone(zone)
    assert core.hour_start(time) == oracle.hour_start(time)
    assert core.hour_end(time) == oracle.hour_end(time)
    assert oracle.hour_start(time) <= time <= oracle.hour_end(time)

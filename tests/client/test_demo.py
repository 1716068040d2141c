"""The demo: its data, and the whole of it on a server of its own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
from headcount_client.demo.people import DAY_US, DAYS, generate

TODAY = 20_000


def test_the_same_people_for_the_same_day():
    one, events = generate(3000, TODAY)
    two, again = generate(3000, TODAY)
    assert one.email == two.email
    assert all(np.array_equal(a.times, b.times) for a, b in zip(events, again, strict=True))
    other, _ = generate(3000, TODAY, seed=8)
    assert other.email != one.email


def test_events_are_of_the_last_year_and_of_people_who_had_signed_up():
    people, events = generate(3000, TODAY)
    assert [one.event for one in events] == ["sent", "open", "click", "purchase"]
    for one in events:
        assert len(one) > 100
        assert (one.times >= (TODAY - DAYS) * DAY_US).all()
        assert (one.times < TODAY * DAY_US).all()
        assert (one.times // DAY_US >= people.signup_day[one.people]).all()
        assert (np.diff(one.times) >= 0).all()
        for coded in one.dimensions.values():
            assert coded.codes.max() < len(coded.dictionary)
    purchases = events[-1]
    assert people.spend_cents.sum() == purchases.measures["amount"][0].sum()


def test_there_are_more_than_a_million_events():
    _, events = generate(100_000, TODAY)
    assert sum(map(len, events)) > 1_000_000


@pytest.mark.skipif(
    not entry_points(group="headcount.commands", name="serve"),
    reason="headcount is not installed, so its entry points are not there",
)
def test_the_demo_ends_by_itself(tmp_path):
    options = ["--once", "--subscribers", "2000", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-m", "headcount_client", "demo", *options],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'country = "DE"' in done.stdout
    assert "To go on by hand" in done.stdout
    assert list((tmp_path / "data").iterdir())

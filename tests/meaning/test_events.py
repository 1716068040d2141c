"""Every kind of rule on what people did."""

from __future__ import annotations

import pytest

from tests.meaning.told import Told


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("did open", "a b c"),
        ("did open ever", "a b c"),
        ("did open at least 3 times", "a b"),
        ("did open at most 3 times", "b c d"),
        ("did open exactly 3 times", "b"),
        ("did open more than 3 times", "a"),
        ("did open fewer than 3 times", "c d"),
        ("did open fewer than 1 times", "d"),
        ("did open fewer than 0 times", ""),
        ("did open between 1 and 3 times", "b c"),
        ("did open between 0 and 3 times", "b c d"),
        ("did open between 3 and 1 times", ""),
        ("did not open between 1 and 3 times", "a d"),
        ("did open at least 0 times", "a b c d"),
        ("did open exactly 0 times", "d"),
        ("did open at least 3 time", "a b"),
        ("did open at least 99999999999999999999999 times", ""),
        ("did open on at least 2 days", "a b"),
        ("did open on exactly 2 days", "b"),
        ("did open on at most 1 days", "c d"),
        ("did open on more than 2 day", "a"),
        ("did open on between 1 and 2 days", "b c"),
        ("did not open on at least 2 days", "c d"),
        ("did any of (open, click) at least 4 times", "a b"),
        ("did any of (open, open) at least 4 times", "a"),
        ("did any of (click) exactly 1 times", "b d"),
        ("did any of (open, click) on at least 3 days", "a b"),
        ('did any of (open, click) where (campaign = "x") exactly 1 times', None),
        ('did any of (open, click) exactly 1 times where (campaign = "x")', "b d"),
        ("first any of (open, click) on 2026-03-01", "a b"),
        ("last any of (open, click) on 2026-03-06", "b d"),
        ("did open at least 2 times in last 30 days", "a b"),
        ("did open at least 2 times on 2026-03-02", "b"),
        ('did click where campaign = "x" and link = "l" in last 60 days', "b"),
        ('did click where campaign = "x" in last 60 days and everyone', "b d"),
        ('did click where campaign = "x" and everyone', None),
        ('did click where (campaign = "x") in last 60 days and everyone', "b d"),
        ("did click where (campaign is set and link is missing)", "d"),
        ("did click where (campaign is missing)", ""),
        ('did click where (not link = "l" or campaign = "y")', "d"),
        ('did click where (link != "l")', "d"),
    ],
)  # fmt: skip
def test_how_often(text: str, who: str | None) -> None:
    told = Told("UTC").person("a").person("b").person("c").person("d")
    told.did("a", "open", "2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04T23:59:59.999999")
    told.did("b", "open", "2026-03-01", "2026-03-02", "2026-03-02")
    told.did("c", "open", "2026-03-05")
    told.did("b", "click", "2026-03-06", campaign="x", link="l").did(
        "d", "click", "2026-03-06", campaign="X"
    )
    if who is None:
        assert told.refused(text).reason in ("SYNTAX", "UNCLOSED_WHERE")
    else:
        assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("sum(purchase.amount) >= 30", "a b"),
        ("sum(purchase.amount) > 30", "b"),
        ("sum(purchase.amount) = 30", "a"),
        ("sum(purchase.amount) != 30", "b c d"),
        ("sum(purchase.amount) <= 0", "c d"),
        ("sum(purchase.amount) < 0.01", "c d"),
        ("sum(purchase.amount) between -5 and 0", "c d"),
        ("sum(purchase.amount) between 1 and 30", "a"),
        ("sum(purchase.amount) between 30 and 1", ""),
        ('sum(purchase.amount) >= 20 where (category = "x")', "a b"),
        ('sum(purchase.amount) > 33.33 where (category = "x") in last 60 days', "b"),
        ("sum(purchase.quantity) = 0", "a b d"),
        ("sum(purchase.quantity) > 0", "c"),
        ("avg(purchase.amount) = 15", "a"),
        ("avg(purchase.amount) >= 11.11", "a b"),
        ("avg(purchase.amount) > 11.113", "a b"),
        ("avg(purchase.amount) > 11.114", "a"),
        ("avg(purchase.amount) <= 0", "c"),
        ("avg(purchase.quantity) = 2.5", "c"),
        ("not avg(purchase.amount) > 0", "c d"),
        ("min(purchase.amount) = 10", "a"),
        ("min(purchase.amount) < 10.005", "a c"),
        ("max(purchase.amount) between 13.34 and 20", "a"),
        ("max(purchase.amount) <= 5", "c"),
        ("max(purchase.amount) < 5", ""),
        ("max(purchase.quantity) >= 3", "c"),
        ("min(purchase.quantity) <= 2", "c"),
        ("count distinct(purchase.product) >= 2", "b"),
        ("count distinct(purchase.product) = 0", "c d"),
        ("count distinct(purchase.product) < 2", "a c d"),
        ("count distinct(purchase.amount) = 2", "a b c"),
        ("count distinct(purchase.quantity) = 2", "c"),
    ],
)
def test_how_much(text: str, who: str) -> None:
    """``avg`` is a fraction: 33.34 of three are more than 11.113 and less than 11.114."""
    told = Told().person("a").person("b").person("c").person("d")
    told.did("a", "purchase", "2026-03-01", category="x", product="p", amount="10")
    told.did("a", "purchase", "2026-03-02", category="X", product="P", amount="20.00")
    told.did("b", "purchase", "2026-03-01", "2026-03-02", category="x", product="p", amount="10.01")
    told.did("b", "purchase", "2026-03-01", category="x", product="q", amount="13.32")
    told.did("c", "purchase", "2026-03-02", amount="-5", quantity="2")
    told.did("c", "purchase", "2026-03-02", amount="5", quantity="3")
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ('favourite(purchase.category) = "shoes"', "a b"),
        ('favourite(purchase.category) = "hats"', "b"),
        ('favourite(purchase.category) in ("hats", "shoes")', "a b"),
        ('favourite(purchase.category) not in ("hats")', "a c d"),
        ('favourite(purchase.category) = exactly "Shoes"', "a"),
        ('favourite(purchase.category) != exactly "Shoes"', "b c d"),
        ('favourite(purchase.category) = "hats" in last 30 days', "b"),
        ('favourite(purchase.category) = "shoes" where (amount > 5)', "a"),
        ('favourite(purchase.category) = "hats" where (amount > 5)', ""),
    ],
)
def test_affinity(text: str, who: str) -> None:
    """By number of events; ties are all favourites; events without the dimension are left out."""
    told = Told().person("a").person("b").person("c").person("d")
    told.did("a", "purchase", "2026-03-02", category="shoes", amount="9")
    told.did("a", "purchase", "2026-03-03", category="Shoes", amount="1")
    told.did("a", "purchase", "2026-03-04", category="hats", amount="1")
    told.did("b", "purchase", "2026-03-04", category="hats").did(
        "b", "purchase", "2026-02-04", category="shoes"
    )
    told.did("b", "purchase", "2026-03-04").did("b", "purchase", "2026-03-05").did(
        "c", "purchase", "2026-03-05"
    )
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("last open more than 5 days ago", "a"),
        ("last open in last 5 days", "b"),
        ("first open more than 5 days ago", "a b"),
        ("first open in last 5 days", ""),
        ("last open", "a b"),
        ("last open ever", "a b"),
        ("not last open ever", "c"),
        ("last open on 2026-03-26", "b"),
        ("last open in last 132 hours", "b"),
        ("last open in last 131 hours", ""),
        ('last open where (campaign = "x") more than 5 days ago', "a b"),
        ('last open where (campaign = "x") in last 5 days', ""),
        ('last open is (campaign = "y")', "b"),
        ('first open is (campaign = "x")', "a b"),
        ('last open is (campaign = "x") more than 5 days ago', "a"),
        ('last open where (campaign = "x") is (link = "l")', "b"),
        ("last open is (link is missing)", "a b"),
        ('last open is (not campaign = "x")', "b"),
        ('last click is (campaign = "second")', "c"),
        ('first click is (campaign = "first")', "c"),
        ('last any of (open, click) is (campaign = "y")', "b"),
        ("last open in next 5 days", ""),
    ],
)
def test_recency(text: str, who: str) -> None:
    """The first or last of the events that pass the where, which is then tested.

    Of two at one time the last is the one written last, the first the one written first.
    """
    told = Told("UTC").person("a").person("b").person("c")
    told.did("a", "open", "2026-03-25T23:59:59.999999", campaign="x")
    told.did("b", "open", "2026-03-26", campaign="y")
    told.did("b", "open", "2026-03-01", campaign="x", link="l")
    told.did("c", "click", "2026-03-01", campaign="first").did(
        "c", "click", "2026-03-01", campaign="second"
    )
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("rate(open / sent) >= 0.5", "a b"),
        ("rate(open / sent) > 0.5", "b"),
        ("rate(open / sent) = 0.5", "a"),
        ("rate(open / sent) > 0.333333333333333333333333333", "a b"),
        ("rate(open / sent) = 0", "c"),
        ("rate(open / sent) >= 0", "a b c"),
        ("rate(open / sent) < 9", "a b c"),
        ("not rate(open / sent) > 0", "c d e"),
        ("rate(open / sent) != 0", "a b d e"),
        ("rate(open / sent) between 1 and 2 in last 90 days", "b"),
        ("rate(open / open) = 1", "a b d"),
        ("rate(open / sent) >= 0 in last 0 days", ""),
    ],
)
def test_rates(text: str, who: str) -> None:
    """Events over events; false where the denominator is 0."""
    told = Told()
    for key in "abcde":
        told.person(key)
    told.did("a", "sent", "2026-03-01", "2026-03-02").did("a", "open", "2026-03-02")
    told.did("b", "sent", "2026-03-01").did("b", "open", "2026-03-02", "2026-03-03")
    told.did("c", "sent", "2026-03-01").did("d", "open", "2026-03-01")
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("stars = 5", "a"),
        ("stars = 3.75", "b"),
        ("stars >= 3.75", "a b"),
        ("stars > 3.75", "a"),
        ("stars = 0", "c"),
        ("stars <= 5", "a b c"),
        ("stars != 0", "a b d"),
        ("stars = 2.5 in last 10 days", "b"),
        ("stars between 2 and 4 in last 365 days", "b"),
        ("stars >= 0 in last 0 days", ""),
    ],
)
def test_stars(text: str, who: str) -> None:
    """Distinct campaigns sent in the window; opens and clicks count up to now."""
    told = Told("UTC")
    for key in "abcd":
        told.person(key)
    for key in "ab":
        told.did(key, "sent", "2026-03-01", "2026-03-02", campaign="one")
        told.did(key, "open", "2026-02-01", campaign="ONE").did(
            key, "click", "2026-03-30", campaign="one"
        )
    told.did("b", "sent", "2026-03-25", campaign="two").did(
        "b", "click", "2026-03-26", campaign="two"
    )
    told.did("b", "sent", "2026-03-25").did("b", "open", "2026-03-26", campaign="three")
    told.did("c", "sent", "2026-03-25", campaign="two").did(
        "c", "click", "2026-04-26", campaign="two"
    )
    told.did("d", "open", "2026-03-25", campaign="two").did("d", "sent", "2026-03-25")
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("did open where campaign in last 1 campaigns sent", "a"),
        ("did open where campaign in last 2 campaigns sent", "a b"),
        ("did open where campaign in any of last 2 campaigns sent", "a b"),
        ("did open where campaign in all of last 2 campaigns sent", "a"),
        ("did open where campaign in all of last 9 campaigns sent", "a"),
        ("did open where campaign in at least 2 of last 2 campaigns sent", "a"),
        ("did open where campaign in at least 1 of last 2 campaigns sent", "a b"),
        ("did open where campaign in at least 0 of last 2 campaigns sent", "a b c d"),
        ("did open where campaign in at least 3 of last 2 campaigns sent", ""),
        ("did open where campaign in none of last 2 campaigns sent", "c d"),
        ("did open where campaign in none of last 1 campaigns sent", "b c d"),
        ("did not open where campaign in last 2 campaigns sent", "c d"),
        ('did open where (campaign in last 2 campaigns sent and link = "l")', "a"),
        ("did open where campaign in last 2 campaigns sent in last 5 days", "a"),
        ("did open where campaign in last 2 campaigns sent in last 300 days", "a b"),
        ("did click where campaign in last 2 campaigns sent", ""),
        ("did open where campaign in last 0 campaigns sent", ""),
        ("did open where campaign in all of last 0 campaigns sent", ""),
        ("did open where campaign in none of last 0 campaigns sent", "a b c d"),
    ],
)
def test_the_last_campaigns_sent(text: str, who: str) -> None:
    """Latest sending first; at equal times the larger name; the window limits the opens alone."""
    told = Told("UTC")
    for key in "abcd":
        told.person(key)
    for key in "abc":
        told.did(key, "sent", "2026-01-01", campaign="k").did(
            key, "sent", "2026-01-01", campaign="m"
        )
        told.did(key, "open", "2026-01-02", campaign="old")
    told.did("a", "open", "2026-03-30", campaign="M", link="l").did(
        "a", "open", "2026-03-01", campaign="k"
    )
    told.did("b", "open", "2026-01-01", campaign="k").did("d", "open", "2026-01-01", campaign="k")
    assert told.who(text) == who


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("did open where campaign in last 2 campaigns sent and everyone", "UNCLOSED_WHERE"),
        ("did open where (campaign in last 2 campaigns sent or link is set)",
         "UNSUPPORTED_IN_WHERE"),
        ("did open where (not campaign in last 2 campaigns sent)", "UNSUPPORTED_IN_WHERE"),
        ("did open where (campaign in last 2 campaigns sent and campaign in last 3 campaigns sent)",
         "UNSUPPORTED_IN_WHERE"),
        ("did open at least 2 times where campaign in last 2 campaigns sent",
         "UNSUPPORTED_IN_WHERE"),
        ("did open where campaign in last 2 campaigns sent within 3 days after day",
         "UNSUPPORTED_IN_WHERE"),
        ("did open where campaign in last 2 campaigns sent in at least 2 of last 3 weeks",
         "UNSUPPORTED_IN_WHERE"),
        ("first open where campaign in last 2 campaigns sent", "UNSUPPORTED_IN_WHERE"),
        ("last open is (campaign in last 2 campaigns sent)", "UNSUPPORTED_IN_WHERE"),
        ("did open where link in last 2 campaigns sent", "WRONG_NAME"),
        ("did open where campaign in last 2 campaigns click", "WRONG_NAME"),
        ("did open where (everyone)", "SYNTAX"),
        ("did purchase where (amount in top 3)", "UNSUPPORTED_TEST"),
        ("did purchase where (amount in bottom 3%)", "UNSUPPORTED_TEST"),
        ("did purchase where (category changed in last 3 days)", "UNSUPPORTED_TEST"),
        ("did purchase where (category in last 3 days)", "UNSUPPORTED_TEST"),
        ("did purchase where (category on 2026-01-01)", "UNSUPPORTED_TEST"),
        ("did purchase where (amount = amount)", "WRONG_TYPE"),
        ('did purchase where (category has "x")', "UNSUPPORTED_TEST"),
        ("did purchase where (category > 3)", "UNSUPPORTED_TEST"),
        ('did purchase where (amount = "3")', "WRONG_TYPE"),
        ("did purchase where (country is set)", "UNKNOWN_PROPERTY"),
        ("did any of (open, purchase) where (campaign is set)", "UNKNOWN_PROPERTY"),
        ("sum(purchase.category) > 3", "WRONG_TYPE"),
        ("avg(purchase.product) > 3", "WRONG_TYPE"),
        ("min(open.campaign) > 3", "WRONG_TYPE"),
        ("sum(purchase.nothing) > 3", "UNKNOWN_PROPERTY"),
        ("sum(nothing.amount) > 3", "UNKNOWN_EVENT"),
        ('favourite(purchase.amount) = "x"', "WRONG_TYPE"),
        ('favourite(purchase.category) contains "x"', "UNSUPPORTED_TEST"),
        ("favourite(purchase.category) is set", "UNSUPPORTED_TEST"),
        ("rate(open / nothing) > 1", "UNKNOWN_EVENT"),
        ("did open then not click then open", "INVALID_SEQUENCE"),
        ("did open then not click without purchase", "INVALID_SEQUENCE"),
        ("did open then click same product", "UNKNOWN_PROPERTY"),
        ("did purchase then purchase same amount", "WRONG_TYPE"),
        ("did open within 3 days after age", "WRONG_TYPE"),
        ("did open within 3 days after nothing", "UNKNOWN_ATTRIBUTE"),
        ("did nothing", "UNKNOWN_EVENT"),
        ("did open within 3 days after seen", None),
        ("did open where (link matches /(/)", "INVALID_REGEX"),
        ("did open in more than 3 of last 4 weeks", "SYNTAX"),
        ("did open at least 3 times then click", "SYNTAX"),
        ("did open then click at least 3 times", "SYNTAX"),
        ("did any of (open, click) then any of (open, click)", "SYNTAX"),
    ],
)  # fmt: skip
def test_what_events_do_not_have_is_refused(text: str, reason: str | None) -> None:
    told = Told()
    if reason is None:
        assert told.who(text) == ""
    else:
        assert told.refused(text).reason == reason


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("did purchase within 30 days after day", "a b"),
        ("did purchase within 0 days after day", "a"),
        ("did purchase within 29 days after day", "a"),
        ("did purchase within 1 months after day", "a"),
        ("did purchase within 31 days after day", "a b c"),
        ("did purchase within 1 days before day", "a d"),
        ("did purchase within 0 days before day", "a"),
        ("did purchase at least 2 times within 30 days after day", ""),
        ("did purchase at most 1 times within 30 days after day", "a b c d"),
        ("did not purchase within 30 days after day", "c d e"),
        ("did purchase within 99999999999999999 years after day", "a b c"),
        ("did purchase within 99999999999999999 years before day", "a d"),
        ("did purchase on at least 1 days within 30 days after day", "a b"),
    ],
)
def test_relative_to_a_date(text: str, who: str) -> None:
    """That day to the N-th after it, both included; false where the date is missing."""
    told = Told("UTC")
    for key in "abcd":
        told.person(key, day="2026-02-01")
    told.person("e").did("e", "purchase", "2026-02-02")
    for key, day in {
        "a": "2026-02-01T23:59",
        "b": "2026-03-03T23:59",
        "c": "2026-03-04",
        "d": "2026-01-31",
    }.items():
        told.did(key, "purchase", day)
    assert told.who(text) == who


def test_at_most_times_around_a_missing_date_is_false() -> None:
    told = Told().person("e")
    assert told.who("did purchase at most 1 times within 30 days after day") == ""
    assert told.who("did purchase exactly 0 times within 30 days before day") == ""
    assert told.who("did not purchase within 30 days before day") == "e"


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("did open then click", "a b c"),
        ("did open then click within 2 days", "a b"),
        ("did open then click within 48 hours", "a b"),
        ("did open then click within 2879 minutes", "a"),
        ("did open then click within 0 minutes", "a"),
        ("did click then open", "a d"),
        ("did click then open within 0 minutes", "a"),
        ("did open then open", "d"),
        ("did open then not click", "d"),
        ("did open then not click within 2 days", "c d"),
        ("did open then not click within 1 days", "b c d"),
        ("did not open then click", "d e"),
        ("did open then click all within 1 weeks", "a b"),
        ("did open then click in last 30 days", "a b"),
        ("did open then click after 2026-03-02", "b"),
        ("did any of (open, click) then click within 3 weeks", "a b c"),
        ("did open then not click all within 10 days", "c d"),
    ],
)
def test_sequences(text: str, who: str) -> None:
    """Each step another event, at or after the one before, at most that much later."""
    told = Told("UTC")
    for key in "abcde":
        told.person(key)
    told.did("a", "open", "2026-03-01T10:00").did("a", "click", "2026-03-01T10:00")
    told.did("b", "open", "2026-03-03T10:00").did("b", "click", "2026-03-05T10:00")
    told.did("c", "open", "2026-02-01").did("c", "click", "2026-02-21")
    told.did("d", "click", "2026-03-01").did("d", "open", "2026-03-02", "2026-03-20")
    assert told.who(text) == who


def test_steps_have_conditions_of_their_own_and_may_agree() -> None:
    told = Told("UTC").person("a").person("b")
    told.did("a", "open", "2026-03-01T10:00", campaign="x").did(
        "a", "click", "2026-03-01T11:00", campaign="X", link="l"
    )
    told.did("b", "open", "2026-03-01T10:00", campaign="x").did(
        "b", "click", "2026-03-01T11:00", campaign="y", link="l"
    )
    told.did("b", "sent", "2026-03-01T11:00")
    assert told.who("did open then click") == "a b"
    assert told.who("did open then click same campaign") == "a"
    assert told.who('did open where campaign = "x" then click where campaign = "y"') == "b"
    assert told.who('did open then click where (link = "l") within 1 hour same campaign') == "a"
    assert told.who("did open then click within 59 minutes") == ""
    assert told.who("did open then click same link") == ""
    assert told.who("did open then click without sent") == "a"
    assert told.who('did open then click without sent where (campaign = "z")') == "a b"
    assert told.who("did open then click without open") == "a b"
    assert told.who("did open then click without click") == "a b"
    assert told.who("did " + " then ".join(["open"] * 2)) == ""


def test_a_sequence_has_up_to_eight_steps() -> None:
    told = Told("UTC").person("a").person("b")
    told.did("a", "open", *["2026-03-01"] * 8).did("b", "open", *["2026-03-01"] * 7)
    assert told.who("did " + " then ".join(["open"] * 8)) == "a"
    fault = told.refused("did " + " then ".join(["open"] * 9))
    assert fault.reason == "LIMIT_EXCEEDED"
    assert "8" in fault.description


def test_then_not_holds_also_when_the_time_has_not_run_out() -> None:
    told = Told("UTC").person("a").did("a", "open", "2026-03-31T12:00")
    told.did("a", "click", "2026-03-31T12:35")
    assert told.who("did open then not click within 1 day") == "a"
    assert told.who("did open then not click within 1 day", "2026-03-31T12:35") == ""
    assert told.who("did open then not click within 30 minutes", "2026-04-09") == "a"
    assert told.who("did open then not click in last 0 days", "2026-03-31T12:35") == ""


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("did open in at least 2 of last 2 weeks", "a"),
        ("did open in at least 1 of last 2 weeks", "a b"),
        ("did open in exactly 1 of last 2 weeks", "b"),
        ("did open in at most 1 of last 2 weeks", "b c d"),
        ("did open in at least 3 of last 3 weeks", ""),
        ("did open in at least 2 of last 3 weeks", "a b"),
        ("did open in at least 0 of last 3 weeks", "a b c d"),
        ("did open in at least 4 of last 3 weeks", ""),
        ("did open at least 2 times in at least 1 of last 2 weeks", "b"),
        ("did open at most 1 times in at least 2 of last 2 weeks", "a c d"),
        ("did open at most 0 times in exactly 2 of last 2 weeks", "c d"),
        ("did not open in at least 1 of last 2 weeks", "c d"),
        ("did open between 1 and 1 times in at least 1 of last 3 weeks", "a b"),
        ("did open exactly 2 times in at least 1 of last 2 weeks", "b"),
        ("did open fewer than 2 times in at least 2 of last 2 weeks", "a c d"),
        ("did open in at least 2 of last 2 days", ""),
        ("did open in at least 1 of last 1 days", "a"),
        ("did open in at least 2 of last 2 months", "c"),
        ("did open in exactly 1 of last 1 quarters", "a b c"),
        ("did open in at least 1 of last 2 years", "a b c"),
        ('did open where (campaign = "x") in at least 1 of last 4 weeks', "b"),
        ("did open on at least 2 days in at least 1 of last 2 weeks", ""),
    ],
)
def test_habits(text: str, who: str) -> None:
    """The current week, month or day, so far, and those before it; 31 March 2026 was a Tuesday."""
    told = Told("UTC")
    for key in "abcd":
        told.person(key)
    told.did("a", "open", "2026-03-31", "2026-03-29T23:59")
    told.did("b", "open", "2026-03-23", "2026-03-23T01:00", "2026-03-22", campaign="x")
    told.did("c", "open", "2026-02-28T23:59", "2026-03-01")
    assert told.who(text) == who


def test_inactive_is_without_any_event_of_an_active_type() -> None:
    told = Told("UTC").person("a").person("b").person("c").person("d")
    told.did("a", "open", "2026-03-01").did("b", "sent", "2026-03-30").did(
        "c", "purchase", "2026-02-28"
    )
    told.did("d", "open", "2026-04-01")
    assert told.who("inactive for 30 days") == "b c d"
    assert told.who("inactive for 31 days") == "b d"
    assert told.who("inactive for 1 months") == "b d"
    assert told.who("inactive for 0 days") == "a b c d"
    assert told.who("inactive for 5 hours") == "a b c d"
    assert told.who("not inactive for 9999 years") == "a c"


def test_events_of_one_time_keep_the_order_they_were_written_in() -> None:
    told = Told("UTC").person("a")
    for campaign in ("first", "second", "third"):
        told.did("a", "open", "2026-03-01", campaign=campaign)
    told.world.reload()
    told.did("a", "open", "2026-03-01", campaign="fourth")
    told.world.reload()
    assert told.who('last open is (campaign = "fourth")') == "a"
    assert told.who('first open is (campaign = "first")') == "a"


def test_late_events_count_on_the_day_they_happened() -> None:
    told = Told("UTC").person("a")
    assert told.who("did open on 2020-02-29") == ""
    told.did("a", "open", "2026-03-01").did("a", "open", "2020-02-29T23:59:59.999999")
    assert told.who("did open on 2020-02-29") == "a"
    assert told.who("first open on 2020-02-29") == "a"
    assert told.who("last open in last 60 days") == "a"
    assert told.who("did open on exactly 2 days") == "a"

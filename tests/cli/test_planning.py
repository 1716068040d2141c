"""``forecast`` and ``diff`` as a user runs them."""

import sys

import pytest


def test_a_forecast_lists_the_days_with_who_enters_and_leaves(shop):
    found = shop.done("forecast", "shop", "signup in last 30 days", "--days", "30",
                      "--as-of", "2026-03-03T10:00:00Z")  # fmt: skip
    lines = found.out.splitlines()
    assert any(line.split()[:2] == ["now", "1"] for line in lines)
    (leaving,) = [line for line in lines if line.split()[:3] == ["2026-03-31", "0", "-1"]]
    assert leaving
    assert "1 → 0 in 30 days: 0 enter, 1 leave" in found.out


def test_a_forecast_is_json_for_programs(shop):
    found = shop.json("forecast", "shop", "signup in last 30 days", "--days", "2",
                      "--as-of", "2026-03-29T10:00:00Z")  # fmt: skip
    assert [set(point) for point in found["points"]] == [
        {"time", "count", "reachable", "entered", "left"}
    ] * 3
    assert [point["count"] for point in found["points"]] == [1, 1, 0]
    assert found["points"][2]["left"] == 1
    assert found["points"][2]["time"] == "2026-03-31T21:59:59.999999Z"
    assert (found["audience"], found["audience_size"]) == ("shop", 4)
    assert found["as_of"] == "2026-03-29T10:00:00Z"


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_forecast_is_drawn_into_a_file(shop, tmp_path, ending):
    file = tmp_path / f"forecast.{ending}"
    shop.done("forecast", "shop", "signup in last 30 days", "--plot", str(file))
    begin = file.read_bytes()[:5]
    assert begin == (b"\x89PNG\r" if ending == "png" else b"<?xml")


def test_a_file_that_can_not_be_drawn_is_wrong_usage(shop, tmp_path, monkeypatch):
    for file, reason in (("x.what", "what"), ("no/such/x.png", "No such file")):
        found = shop.run("forecast", "shop", "everyone", "--plot", str(tmp_path / file))
        assert found.code == 2
        assert reason in found.err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = shop.run("forecast", "shop", "everyone", "--plot", "x.png")
    assert (found.code, "headcount[plot]" in found.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["forecast", "shop"],
        ["forecast", "shop", "everyone", "--segment", "s"],
        ["forecast", "shop", "everyone", "--days", "401"],
        ["diff", "shop", "everyone"],
        ["diff", "shop", "everyone", "nobody", "--segment", "s"],
    ],
)
def test_too_little_or_too_much_is_wrong_usage(shop, arguments):
    assert shop.run(*arguments).code == 2


def test_a_diff_tells_who_stays_is_lost_and_is_won(shop):
    found = shop.done("diff", "shop", "age <= 40", "age >= 40")
    rows = [line.split() for line in found.out.splitlines()]
    assert ["both", "1", "50.0", "%", "0", "bob"] in rows
    assert ["only", "old", "1", "50.0", "%", "1", "ann"] in rows
    assert ["only", "new", "1", "50.0", "%", "1", "dot"] in rows
    assert "2 → 2 (+0)" in found.out


def test_a_diff_is_json_for_programs(shop):
    found = shop.json("diff", "shop", "age <= 40", "age >= $low", "--param", "low=40",
                      "--within", 'country = "DE"', "--sample", "1")  # fmt: skip
    assert (found["old_count"], found["new_count"]) == (2, 1)
    assert found["both"] == {"count": 1, "reachable": 0, "sample": ["bob"]}
    assert found["only_old"] == {"count": 1, "reachable": 1, "sample": ["ann"]}
    assert found["only_new"] == {"count": 0, "reachable": 0, "sample": []}


def test_the_old_version_may_be_a_segment(shop):
    shop.done("segment", "create", "shop", "grown", "age >= 30")
    try:
        found = shop.json("diff", "shop", "--segment", "grown", "age >= 40")
        assert (found["old_count"], found["new_count"], found["only_old"]["sample"]) == (
            3,
            2,
            ["ann"],
        )
        found = shop.json("forecast", "shop", "--segment", "grown", "--days", "1")
        assert [point["count"] for point in found["points"]] == [3, 3]
    finally:
        shop.done("segment", "delete", "shop", "grown")


def test_a_fault_of_either_version_is_underlined(shop):
    found = shop.run("diff", "shop", "age >= 40", "agee >= 40")
    assert found.code == 3
    assert "  agee >= 40\n  ^^^^" in found.err

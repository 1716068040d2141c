"""What is measured of counts that move: editors that type, and watches while events stream in."""

import json

from click.testing import CliRunner
from headcount_bench.cli import main


def ran(*arguments: str) -> list[dict[str, float]]:
    done = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_every_keystroke_of_every_editor_is_answered():
    (found,) = ran("editors", "--subscribers", "2000", "--editors", "4", "--seconds", "1")
    assert (found["editors"], found["subscribers"]) == (4, 2_000)
    assert found["keystrokes"] == 4 * 5
    assert 4 <= found["answers"] <= found["keystrokes"]
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]


def test_updates_of_watches_reflect_every_write():
    (found,) = ran(
        "watches", "--subscribers", "20000", "--watches", "3", "--events", "200", "--seconds", "1"
    )
    assert (found["watches"], found["events_per_s"]) == (3, 200)
    assert found["updates_per_s"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]

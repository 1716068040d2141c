"""Transcripts: a command, ``----``, its result; each file is a story of one audience.

``GOLDEN=write pytest tests/golden`` writes the results anew, for review as a change.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from headcount_server.core.commands import CreateSegment, DeleteSegment, FreezeSegment
from headcount_server.core.query import (
    Ask,
    By,
    ExplainNode,
    breakdown,
    count,
    explain,
    match,
    overlap,
    page,
)
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import InSegment, Text
from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from headcount_server.errors import HeadcountError, InvalidInput

from tests.property.world import World
from tests.strategies.settings import micros

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


class Story:
    """An audience that the commands of one transcript change and ask."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.now = 0

    def run(self, command: str) -> str:
        """The result of a command, which may be an error."""
        name, rest = [*command.split(None, 1), ""][:2]
        handler: Callable[[str], str] = getattr(self, f"do_{name}")
        try:
            return handler(rest.strip())
        except InvalidInput as error:
            lines = [f"{type(error).__name__}: {error.message}"]
            lines += [f"  at {v.field} [{v.start}, {v.end}): {v.reason}" for v in error.violations]
            return "\n".join(lines)
        except HeadcountError as error:
            return f"{type(error).__name__}: {error.message}"

    def do_now(self, text: str) -> str:
        self.now = micros(datetime.fromisoformat(text))
        if self.world is not None:
            self.world.clock = self.now
        return text

    def do_create(self, toml: str) -> str:
        given: dict[str, Any] = tomllib.loads(toml)
        head = given.get("audience", {})
        attributes = tuple(
            AttributeSchema(name, AttributeType(kind["type"]), kind["scale"])
            if isinstance(kind, dict)
            else AttributeSchema(name, AttributeType(kind))
            for name, kind in given.get("attributes", {}).items()
        )
        events = tuple(
            EventSchema(name, tuple(e.get("dimensions", ())), tuple(e.get("measures", {}).items()))
            for name, e in given.get("events", {}).items()
        )
        schema = Schema(
            KeyType(head.get("key", "string")), head.get("time_zone", "UTC"),
            head.get("reachable", ""), attributes, events,
        )  # fmt: skip
        self.world = World(schema, self.now)
        return "created"

    def do_upsert(self, line: str) -> str:
        world = self._world()
        key, values = json.loads(line, parse_float=Decimal)
        schema = {a.name: a.type for a in world.audience.schema.attributes}
        typed = {name: _typed(schema[name], value) for name, value in values.items()}
        world.upsert(key, typed, self.now)
        return f"revision {world.audience.revision}"

    def do_event(self, line: str) -> str:
        world = self._world()
        key, event, time, properties = json.loads(line, parse_float=Decimal)
        schema = world.audience.schema.event(event)
        assert schema is not None
        dimensions = {n: v for n, v in properties.items() if n in schema.dimensions}
        measures = {n: Decimal(v) for n, v in properties.items() if n not in schema.dimensions}
        world.record(key, event, micros(datetime.fromisoformat(time)), dimensions, measures)
        return f"revision {world.audience.revision}"

    def do_erase(self, keys: str) -> str:
        self._world().erase(keys.split())
        return f"{self._world().audience.subscriber_count} subscribers left"

    def do_segment(self, line: str) -> str:
        name, _, rule = line.partition(" ")
        self._world()._do(CreateSegment("a", name, parse(rule), 0, self.now))
        return f"revision {self._world().audience.revision}"

    def do_freeze(self, line: str) -> str:
        name, _, rule = line.partition(" ")
        self._world()._do(FreezeSegment("a", name, parse(rule), self.now, self.now))
        return f"revision {self._world().audience.revision}"

    def do_drop(self, name: str) -> str:
        self._world()._do(DeleteSegment("a", name, self.now))
        return f"revision {self._world().audience.revision}"

    def do_restart(self, _: str) -> str:
        self._world().reload()
        return f"revision {self._world().audience.revision}"

    def do_count(self, rule: str) -> str:
        found = count(self._ask(), parse(rule))
        return f"{found.total} match, {found.reachable} reachable"

    def do_members(self, rule: str) -> str:
        keys, total, _ = page(self._ask(), parse(rule), None, 100)
        return f"{total}: {' '.join(map(str, keys))}".rstrip(" ")

    def do_explain(self, rule: str) -> str:
        return "\n".join(_lines(explain(self._ask(), parse(rule)).root, 0))

    def do_waterfall(self, rule: str) -> str:
        steps = count(self._ask(), parse(rule), waterfall=True).waterfall
        return "\n".join(f"{s.count:>4} (-{s.removed_count}) {s.label}" for s in steps)

    def do_breakdown(self, line: str) -> str:
        attribute, _, rule = line.partition(" ")
        found = breakdown(self._ask(), parse(rule), [By(attribute)], None).breakdowns[0]
        lines = [f"{v.count:>4} of {v.base_count} {v.value}" for v in found.values]
        return "\n".join([*lines, f"{found.missing_count:>4} without a value"])

    def do_overlap(self, line: str) -> str:
        found = overlap(self._ask(), [parse(rule) for rule in line.split(" | ")], True)
        lines = ["  ".join(map(str, row)) for row in found.rows]
        lines += [f"exactly {' '.join(map(str, r.indexes))}: {r.count}" for r in found.regions]
        return "\n".join(lines)

    def do_match(self, line: str) -> str:
        key, _, rule = line.partition(" ")
        world = self._world()
        questions = (
            [("", parse(rule))]
            if rule
            else [(name, InSegment(Text(name))) for name in sorted(world.audience.segments)]
        )
        row = int(world.audience.find([key])[0])
        return "\n".join(
            f"{r.segment or rule}: {'yes' if r.matches else 'no, for ' + '; '.join(r.failing)}"
            for r in match(self._ask(), row, questions)
        )

    def do_format(self, rule: str) -> str:
        return format_rule(parse(rule))

    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _ask(self) -> Ask:
        return self._world().ask(self.now)


def _typed(kind: AttributeType, value: Any) -> Any:
    if kind is AttributeType.KEYWORDS and value:
        return tuple(value)
    if kind is AttributeType.TIMESTAMP and value:
        return micros(datetime.fromisoformat(value))
    return value


def _lines(node: ExplainNode, depth: int) -> list[str]:
    warned = "".join(f"  [{w.reason}]" for w in node.warnings)
    counts = f"{node.count:>4} {node.cumulative_count:>4} {node.removed_count:>4}"
    lines = [f"{counts}  {'  ' * depth}{node.text}{warned}"]
    for below in node.nodes:
        lines += _lines(below, depth + 1)
    return lines


def _blocks(text: str) -> list[tuple[str, str]]:
    blocks: list[tuple[str, str]] = []
    for block in text.strip().split("\n\n"):
        command, _, result = block.partition("\n----")
        blocks.append((command, result.removeprefix("\n")))
    return blocks


def _command(block: str) -> str:
    """A command without the comments above it."""
    lines = block.split("\n")
    while lines and lines[0].startswith("//"):
        lines.pop(0)
    return "\n".join(lines)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.stem)
def test_the_story_goes_as_it_was_told(path: Path) -> None:
    story, told = Story(), path.read_text(encoding="utf-8")
    lived = "\n\n".join(
        f"{block}\n----\n{story.run(_command(block))}".rstrip() for block, _ in _blocks(told)
    )
    if os.environ.get("GOLDEN") == "write":
        path.write_text(lived + "\n", encoding="utf-8")
    assert lived + "\n" == told or os.environ.get("GOLDEN") == "write"


def test_there_are_stories() -> None:
    assert len(TRANSCRIPTS) >= 3

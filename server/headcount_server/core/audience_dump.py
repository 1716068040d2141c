"""An audience as plain data, a part for each structure, and back.

Parts are what snapshots keep as files. The same contents give the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pyroaring import BitMap

from headcount_server.core.attributes import AttributeIndex, load_index
from headcount_server.core.attributes.coded import CodedIndex
from headcount_server.core.audience import Audience
from headcount_server.core.changes import Changes
from headcount_server.core.events.store import EventStore
from headcount_server.core.keys import KeyDirectory
from headcount_server.core.live import histories
from headcount_server.core.live.history import SegmentHistory, dumped
from headcount_server.core.plan.scope import KNOWN_SINCE
from headcount_server.core.producers import Producers
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.plain import RULE, SCHEMA
from headcount_server.core.schema import AttributeSchema, EventSchema
from headcount_server.core.segments import Segment
from headcount_server.errors import DataLoss
from headcount_server.limits import Limits

Parts = dict[str, Any]
Job = Callable[[], None]
Run = Callable[[Mapping[str, Job]], None]
"""Does jobs, by name, in any order or at the same time; raises what the first that fails does."""


class FrozenAudience:
    """An audience as it was at one revision; the audience's later writes leave it alone.

    Making one is O(pages + bitmaps) and is done where the audience is written; ``parts`` may be
    called once, in any thread, while the audience goes on.
    """

    def __init__(self, audience: Audience) -> None:
        self.name = audience.name
        self.revision = audience.revision
        self.create_time_us = audience.create_time_us
        self.subscriber_count = audience.subscriber_count
        self.event_count = audience.event_count
        self._head: Parts = {
            "name": audience.name,
            "schema": SCHEMA.encode(audience.schema),
            "create_time_us": audience.create_time_us,
            "revision": audience.revision,
            "schema_version": audience.schema_version,
            "next_order": audience.next_order,
            "changes_from": audience.changes.first_day,
            "clock_us": audience.clock_us,
        }
        self._histories = [
            (name, history.parts()) for name, history in sorted(audience.histories.items())
        ]
        self._segments = [segment for _, segment in sorted(audience.segments.items())]
        self._keys: KeyDirectory | None = audience.keys.freeze()
        self._changes = audience.changes.dump()
        self._producers = audience.producers.dump()
        self._indexes = [("known_since", _frozen(audience.known_since))]
        for name, index in sorted(audience.attributes.items()):
            self._indexes.append((f"attribute.{name}", _frozen(index)))
        self._events = [
            (f"event.{name}", store.detached()) for name, store in sorted(audience.events.items())
        ]

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Name of a part and its plain data; what was given is let go. O(contents)."""
        assert self._keys is not None
        yield "audience", {**self._head, "segments": [_dump_segment(s) for s in self._segments]}
        keys, self._keys = self._keys, None
        yield "keys", keys.dump()
        del keys
        yield "changes", self._changes
        if self._producers:
            yield "producers", {"producers": self._producers}
        while self._indexes:
            name, (index, spellings) = self._indexes.pop(0)
            yield name, _dump_index(index, spellings)
        while self._events:
            name, store = self._events.pop(0)
            yield name, store.dump()
        for number, (name, parts) in enumerate(self._histories, 1):
            yield f"history.{number}", {"segment": name, **dumped(parts)}


def dump_audience(audience: Audience) -> Parts:
    """Name of a part -> plain data. O(contents)."""
    return dict(FrozenAudience(audience).parts())


def one_by_one(jobs: Mapping[str, Job]) -> None:
    """A ``Run`` that does them in their order."""
    for job in jobs.values():
        job()


def load_audience(parts: Mapping[str, Any], limits: Limits, run: Run = one_by_one) -> Audience:
    """The audience that ``dump_audience`` gave.

    Args:
        parts: each is asked for once.
        limits: of the server.
        run: does the jobs, each of which asks for one part and loads it.

    Raises:
        DataLoss: a part is missing, isn't what was dumped, or belongs to nothing.
    """
    try:
        return _load(parts, limits, run)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataLoss(f"an audience can't be read: {error!r}") from error


def _load(parts: Mapping[str, Any], limits: Limits, run: Run) -> Audience:
    head = parts["audience"]
    schema = SCHEMA.decode(head["schema"])
    audience = Audience(head["name"], schema, head["create_time_us"], limits)
    audience.revision = head["revision"]
    audience.schema_version = head["schema_version"]
    audience.next_order = head["next_order"]
    audience.reachable = parse(schema.reachable, limits) if schema.reachable else None
    audience.changes = Changes.load(parts["changes"])
    audience.changes.first_day = head.get("changes_from")
    if "producers" in parts:
        audience.producers = Producers.load(parts["producers"]["producers"], limits)
    jobs = _jobs(audience, parts, limits)
    moves = sorted(name for name in parts if name.startswith("history."))
    unknown = set(parts) - {"audience", "changes", "producers", *jobs, *moves}
    if unknown:
        raise DataLoss(f"nothing in the schema has a part {min(unknown)!r}")
    run(jobs)
    audience.note_kept()
    for part in head["segments"]:
        segment = _load_segment(part)
        audience.segments[segment.name] = segment
    audience.clock_us = head.get("clock_us", audience.create_time_us)
    for name in moves:
        _load_history(audience, parts[name])
    histories.resume(audience, limits)
    _check(audience)
    return audience


def _jobs(audience: Audience, parts: Mapping[str, Any], limits: Limits) -> dict[str, Job]:
    """What loads the structures that have nothing in common, each by the name of its part."""

    def keys() -> None:
        audience.keys = KeyDirectory.load(parts["keys"], limits)

    def known_since() -> None:
        audience.known_since = load_index(KNOWN_SINCE, parts["known_since"])

    def attribute(schema: AttributeSchema, part: str) -> None:
        audience.attributes[schema.name] = load_index(schema, parts[part])

    def event(schema: EventSchema, part: str) -> None:
        audience.events[schema.name] = EventStore.load(
            schema, audience.calendar, parts[part], audience.buckets
        )

    jobs: dict[str, Job] = {"keys": keys, "known_since": known_since}
    for one in audience.schema.attributes:
        jobs[f"attribute.{one.name}"] = partial(attribute, one, f"attribute.{one.name}")
    for one in audience.schema.events:
        jobs[f"event.{one.name}"] = partial(event, one, f"event.{one.name}")
    return jobs


def _load_history(audience: Audience, part: Parts) -> None:
    segment = audience.segments[part["segment"]]
    if segment.rule is None or not segment.history_days:
        raise DataLoss(f'segment "{segment.name}" has a history that it doesn\'t keep')
    audience.histories[segment.name] = SegmentHistory.load(
        audience, segment.rule, segment.history_days, part
    )


def _check(audience: Audience) -> None:
    """Every index speaks of existing subscribers only."""
    everyone = audience.everyone
    if audience.known_since.exists != everyone:
        raise DataLoss("known_since and keys disagree about who exists")
    for name, history in audience.histories.items():
        if not history.maintained.members.issubset(everyone):
            raise DataLoss(f'the history of segment "{name}" has members that don\'t exist')
    for name, index in audience.attributes.items():
        if not index.exists.issubset(everyone):
            raise DataLoss(f"attribute {name!r} has values of subscribers that don't exist")


def _frozen(index: AttributeIndex) -> tuple[AttributeIndex, int]:
    """A frozen index and how many spellings it knew: its dictionary goes on growing."""
    known = len(index.dictionary) if isinstance(index, CodedIndex) else 0
    return index.freeze(), known


def _dump_index(index: AttributeIndex, known: int) -> Parts:
    part = index.dump()
    if isinstance(index, CodedIndex):
        part["spellings"] = part["spellings"][:known]
    return part


def _dump_segment(segment: Segment) -> Parts:
    frozen = segment.frozen
    return {
        "name": segment.name,
        "rule": None if segment.rule is None else RULE.encode(segment.rule),
        "frozen": frozen,
        "history_days": segment.history_days,
        "create_time_us": segment.create_time_us,
        "update_time_us": segment.update_time_us,
        "version": segment.version,
    }


def _load_segment(part: Parts) -> Segment:
    rule, frozen = part["rule"], part["frozen"]
    if (rule is None) == (frozen is None) or not isinstance(frozen, BitMap | None):
        raise DataLoss(f"segment {part['name']!r} has neither a rule nor members, or both")
    return Segment(
        part["name"], None if rule is None else RULE.decode(rule), frozen, part["history_days"],
        part["create_time_us"], part["update_time_us"], part["version"],
    )  # fmt: skip

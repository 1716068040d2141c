"""Saved segments of an audience: named rules, and static lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core.rules.names import nearest
from headcount_server.core.rules.tree import InSegment, Rule, SegmentMove, Text, walk
from headcount_server.errors import InvalidInput, NotFound, Violation
from headcount_server.limits import SEGMENT_NAME_LENGTH_MAX


@dataclass(frozen=True, slots=True)
class Segment:
    """A saved rule, or a static list.

    Attributes:
        rule: what it means; None for a static list.
        frozen: rows of a static list, not modified; None for a rule.
        history_days: days for which sizes and moves are kept; 0: none.
        version: 1 when created, and one more with every update.
    """

    name: str
    rule: Rule | None
    frozen: BitMap | None
    history_days: int
    create_time_us: int
    update_time_us: int
    version: int

    @property
    def etag(self) -> str:
        """Changes with every update."""
        return f"{self.create_time_us:x}-{self.version}"


def segments_used(rule: Rule) -> tuple[str, ...]:
    """Names of the segments that a rule names itself, ascending. O(nodes)."""
    names = {
        node.segment.text
        for node, _ in walk(rule)
        if isinstance(node, InSegment | SegmentMove) and isinstance(node.segment, Text)
    }
    return tuple(sorted(names))


def moves_asked(rule: Rule) -> tuple[str, ...]:
    """Names of the segments whose moves a rule asks for itself, ascending. O(nodes)."""
    names = {
        node.segment.text
        for node, _ in walk(rule)
        if isinstance(node, SegmentMove) and isinstance(node.segment, Text)
    }
    return tuple(sorted(names))


def users_of(name: str, segments: Mapping[str, Segment]) -> tuple[str, ...]:
    """Names of the segments whose rules name ``name``, ascending."""
    return tuple(
        other
        for other, segment in sorted(segments.items())
        if segment.rule is not None and name in segments_used(segment.rule)
    )


def find(name: str, segments: Mapping[str, Segment]) -> Segment:
    """The segment of that name.

    Raises:
        NotFound: there is none; names the nearest.
    """
    segment = segments.get(name)
    if segment is None:
        close = nearest(name, segments)
        hint = f'; did you mean "{close}"?' if close else ""
        raise NotFound(f'no segment "{name}"{hint}', resource="segment", name=name)
    return segment


def validate_name(name: str) -> None:
    """Raise InvalidInput unless ``name`` can name a segment."""
    if (
        not 1 <= len(name) <= SEGMENT_NAME_LENGTH_MAX
        or not name.isprintable()
        or name != name.strip()
    ):
        description = (
            f"segment name {name[:80]!r} must be 1 to {SEGMENT_NAME_LENGTH_MAX} printable"
            " characters without spaces around them"
        )
        raise InvalidInput(description, (Violation("segment.name", description, "INVALID_NAME"),))


def validate_acyclic(name: str, rule: Rule, segments: Mapping[str, Segment]) -> None:
    """Raise InvalidInput if the segment ``name`` with ``rule`` would use itself, naming the way."""
    stack: list[tuple[str, ...]] = [(name, used) for used in reversed(segments_used(rule))]
    seen: set[str] = set()
    while stack:
        way = stack.pop()
        last = way[-1]
        if last == name:
            description = "the segment would use itself: " + " → ".join(f'"{part}"' for part in way)
            raise InvalidInput(
                description, (Violation("segment.rule", description, "SEGMENT_CYCLE"),)
            )
        if last in seen:
            continue
        seen.add(last)
        segment = segments.get(last)
        if segment is not None and segment.rule is not None:
            stack.extend((*way, used) for used in reversed(segments_used(segment.rule)))

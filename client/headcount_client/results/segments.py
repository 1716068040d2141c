"""Answers of SegmentService, field for field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headcount.v1 import rule_pb2


@dataclass(frozen=True, slots=True)
class Segment:
    """A saved, named rule.

    Attributes:
        audience: name of the audience. Required; never changes.
        name: 1 to 255 characters without control characters. Required; never changes.
        rule: the rule; in requests either this or `rule_text`. Without parameters.
        rule_text: the rule's text, in answers as the formatter writes it.
        history_days: days for which sizes and moves are kept; 0: none.
        frozen: true for a static list; it has no rule. Output only.
        frozen_count: members of a static list. Output only.
        create_time: when it was created. Output only.
        update_time: when it was last changed. Output only.
        etag: changes with every update. Output only; give it back in Update to be refused where
            somebody else was faster.
    """

    audience: str
    name: str
    rule: rule_pb2.Rule | None
    rule_text: str
    history_days: int
    frozen: bool
    frozen_count: int
    create_time: datetime | None
    update_time: datetime | None
    etag: str


@dataclass(frozen=True, slots=True)
class CreateSegmentResponse:
    """Answer of CreateSegment.

    Attributes:
        segment: the segment as created.
        revision: position of this write in the audience's log.
    """

    segment: Segment | None
    revision: int


@dataclass(frozen=True, slots=True)
class GetSegmentResponse:
    """Answer of GetSegment.

    Attributes:
        segment: the segment.
    """

    segment: Segment | None


@dataclass(frozen=True, slots=True)
class ListSegmentsResponse:
    """Answer of ListSegments.

    Attributes:
        segments: the segments, ascending by name.
        next_page_token: token of the next page; empty on the last one.
    """

    segments: tuple[Segment, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class UpdateSegmentResponse:
    """Answer of UpdateSegment.

    Attributes:
        segment: the segment as it is now.
        revision: position of this write in the audience's log.
    """

    segment: Segment | None
    revision: int


@dataclass(frozen=True, slots=True)
class DeleteSegmentResponse:
    """Answer of DeleteSegment.

    Attributes:
        revision: position of this write in the audience's log.
    """

    revision: int


@dataclass(frozen=True, slots=True)
class FreezeSegmentResponse:
    """Answer of FreezeSegment.

    Attributes:
        segment: the static list.
        revision: position of this write in the audience's log.
    """

    segment: Segment | None
    revision: int

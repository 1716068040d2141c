"""Answers about members, breakdowns, overlaps, matches, history; field for field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headcount_client.results.answers import Answer, SequenceOf
from headcount_client.results.queries import QuestionError, TextSpan
from headcount_client.values import Key


@dataclass(frozen=True, slots=True)
class ListMembersResponse(Answer):
    """Answer of ListMembers.

    Attributes:
        keys: keys, ascending: strings by their UTF-8 bytes, integers by number.
        next_page_token: token of the next page; empty on the last one.
        total: how many match in all.
    """

    keys: tuple[Key, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True, slots=True)
class ExportMembersResponse(Answer):
    """A part of an export.

    Attributes:
        keys: keys, in no particular order.
        roaring: A piece of the bitmap; the pieces in their order are the whole.
        total: how many match in all; in the first message.
    """

    keys: tuple[Key, ...]
    roaring: bytes
    total: int


@dataclass(frozen=True, slots=True)
class SampleMembersResponse(Answer, SequenceOf[Key]):
    """Answer of SampleMembers.

    Attributes:
        keys: keys; all members where there are no more than asked for.
        total: how many match in all.
    """

    keys: tuple[Key, ...]
    total: int

    def _parts(self) -> tuple[Key, ...]:
        return self.keys


@dataclass(frozen=True, slots=True)
class BreakdownValue:
    """A value of a breakdown.

    Attributes:
        value: the value as first written, or the bucket: `[18, 25)`, `2026-03`.
        count: how many members have it.
        base_count: how many of the base have it.
        lift: share among the members over share among the base; 0 where the base has none.
    """

    value: str
    count: int
    base_count: int
    lift: float


@dataclass(frozen=True, slots=True)
class BreakdownResult:
    """A count broken down by one attribute.

    Attributes:
        attribute: name of the attribute.
        values: values by falling count, then by value; buckets in their order.
        missing_count: members without a value.
        other_count: members with values past the limit; of `keywords`, values rather than
            members.
    """

    attribute: str
    values: tuple[BreakdownValue, ...]
    missing_count: int
    other_count: int


@dataclass(frozen=True, slots=True)
class BreakdownResponse(Answer):
    """Answer of Breakdown.

    Attributes:
        total: how many match.
        reachable: how many of them can be reached.
        base_total: how many the base has.
        breakdowns: one for each `by`, in their order.
    """

    total: int
    reachable: int
    base_total: int
    breakdowns: tuple[BreakdownResult, ...]

    @property
    def values(self) -> tuple[BreakdownValue, ...]:
        """The values of the first attribute that was asked for."""
        return self.breakdowns[0].values


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """A row of the overlap matrix.

    Attributes:
        counts: how many this rule and each of the rules, in their order, have in common.
    """

    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OverlapRegion:
    """Those who match exactly some of the rules.

    Attributes:
        indexes: indexes of the rules that they match, ascending; they match none of the others.
        count: how many.
    """

    indexes: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class OverlapResponse(Answer):
    """Answer of Overlap.

    Attributes:
        rows: A row for each rule; on the diagonal is the rule's own count.
        regions: on request, every region but that of nobody's, by falling number of rules.
        union_count: how many match at least one rule.
    """

    rows: tuple[OverlapRow, ...]
    regions: tuple[OverlapRegion, ...]
    union_count: int


@dataclass(frozen=True, slots=True)
class MatchNode:
    """A node of a rule, and whether the subscriber matches it.

    Attributes:
        text: text of the node as the formatter writes it.
        field: path into the tree.
        span: its place in the text that was asked; absent without one.
        matches: whether the subscriber matches it.
        nodes: the parts of the node.
    """

    text: str
    field: str
    span: TextSpan | None
    matches: bool
    nodes: tuple[MatchNode, ...]


@dataclass(frozen=True, slots=True)
class MatchResult:
    """Whether a subscriber matches one rule.

    Attributes:
        segment: name of the segment; empty for a rule.
        matches: whether the subscriber matches.
        root: the whole rule; absent for a static list.
        failing: where it doesn't match: the texts of the smallest nodes that make it fail.
        error: set where the rule can't be answered.
    """

    segment: str
    matches: bool
    root: MatchNode | None
    failing: tuple[str, ...]
    error: QuestionError | None


@dataclass(frozen=True, slots=True)
class MatchSubscriberResponse(Answer, SequenceOf[MatchResult]):
    """Answer of MatchSubscriber.

    Attributes:
        results: one for each question in their order, or for each segment by name.
    """

    results: tuple[MatchResult, ...]

    def _parts(self) -> tuple[MatchResult, ...]:
        return self.results


@dataclass(frozen=True, slots=True)
class WatchResponse:
    """An update of Watch.

    Attributes:
        index: index of the rule in the request.
        total: how many match.
        reachable: how many of them can be reached.
        change: against the update before; 0 in the first.
        entered: keys that entered since the update before.
        left: keys that left since the update before.
        revision: revision that the update reflects.
        update_time: the time of the update.
        continued: whether more keys follow in the next one; ``watch`` joins them, so False there.
    """

    index: int
    total: int
    reachable: int
    change: int
    entered: tuple[Key, ...]
    left: tuple[Key, ...]
    revision: int
    update_time: datetime | None
    continued: bool


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The size of a segment in a minute, clock hour or day of the audience's zone.

    Attributes:
        time: when that begins.
        total: its size at the end of it, or now.
        entered_count: how many entered in it.
        left_count: how many left in it, those who were erased included.
    """

    time: datetime | None
    total: int
    entered_count: int
    left_count: int


@dataclass(frozen=True, slots=True)
class GetSegmentHistoryResponse:
    """Answer of GetSegmentHistory.

    Attributes:
        points: ascending by time.
    """

    points: tuple[HistoryPoint, ...]

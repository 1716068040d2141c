"""Bound conditions on how a person's events lie in time: see ``nodes``, which has the others.

Durations of elapsed time are microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from headcount_server.core.plan.event_nodes import Source, Span
from headcount_server.core.rules.tree import Move, Unit


@dataclass(frozen=True, slots=True)
class DidRelative:
    """At least ``count`` events, or days with one, from a person's own day on, up to ``until``.

    The days run from the one of ``attribute`` (a date, or a timestamp's calendar day) to the one
    ``amount`` units later, or, where ``amount`` is negative, earlier; both are included. Those
    without a value are never in it.
    """

    sources: tuple[Source, ...]
    attribute: str
    amount: int
    unit: Unit
    until: int
    count: int
    on_days: bool = False


@dataclass(frozen=True, slots=True)
class Habit:
    """At least ``count`` of the ``last`` calendar periods have ``low`` to ``high`` events.

    The periods are the one that holds the day of ``until`` and those before it; ``low`` is 1 or
    more, so that a period without events is never one of them. With ``on_days`` it is days with an
    event that are counted.
    """

    sources: tuple[Source, ...]
    unit: Unit
    last: int
    until: int
    low: int
    high: int | None
    count: int
    on_days: bool = False


@dataclass(frozen=True, slots=True)
class LastCampaigns:
    """Events in the span are of at least ``count`` of a person's own last campaigns.

    These are the ``last`` values of ``dimension`` with the latest event of type ``sent`` up to
    ``until``; at equal times the one with the larger fold is the later one. Where ``count`` is None
    it is all of them, of which there is one at least.
    """

    sources: tuple[Source, ...]
    span: Span
    sent: str
    dimension: str
    last: int
    until: int
    count: int | None


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """One step: its events, how long after the step before it at most, what must not be between."""

    sources: tuple[Source, ...]
    within: int | None = None
    without: Source | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """There is a chain of different events in the span, one for each step, in order of time.

    ``absent`` is what must not come after the last step, by time limited as by ``within`` and
    ``all_within``. ``same`` is a dimension of all of these events, or empty.
    """

    steps: tuple[SequenceStep, ...]
    span: Span
    absent: SequenceStep | None = None
    all_within: int | None = None
    same: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """Those who entered, or left, a segment whose history is kept, in the span."""

    segment: str
    move: Move
    span: Span


Behaviour = DidRelative | Habit | LastCampaigns | Sequence | Moved

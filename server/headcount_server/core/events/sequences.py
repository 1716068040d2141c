"""Who did one thing after another: ``Sequence``, from the events of those who did each of them."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events import chain_ends
from headcount_server.core.events.chain_groups import (
    FOREVER,
    NEVER,
    Bits,
    Groups,
    Marked,
    Places,
    feasible,
    group,
    lower_bound,
)
from headcount_server.core.events.chains import Links
from headcount_server.core.events.columns import Int64s
from headcount_server.core.events.evaluate import evaluate as did_at_least
from headcount_server.core.events.select import EventSlice, select
from headcount_server.core.events.shared_values import SharedValues
from headcount_server.core.events.sorting import event_order
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.behaviour_nodes import Sequence
from headcount_server.core.plan.event_nodes import Days, DidAtLeast, Source, Span

_BATCH = 1 << 17  # candidates whose events are looked at together


def evaluate(
    node: Sequence, views: Mapping[str, EventView], within: BitMap | None = None
) -> BitMap:
    """The subscribers with a chain of events for the steps.

    Only those who did every step often enough are looked at, some at a time. O(events of these),
    see ``chains``.

    Args:
        node: its sources' event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    rows = _candidates(node, views, within)
    found: list[BitMap] = []
    for batch in _batches(rows):
        events = _events(node, views, batch)
        if len(events.rows):
            found.append(_with_chain(node, events))
    return bitmaps.union(found)


def _candidates(node: Sequence, views: Mapping[str, EventView], within: BitMap | None) -> BitMap:
    """Those who did each step, and equal steps as often as they stand there."""
    for sources, count in Multiset(step.sources for step in node.steps).items():
        within = did_at_least(DidAtLeast(sources, node.span, count), views, within)
        if not within:
            return bitmaps.EMPTY
    assert within is not None, "a sequence has a step"
    return within


def _batches(rows: BitMap) -> Iterator[BitMap]:
    members = bitmaps.to_array(rows)
    for start in range(0, len(members), _BATCH):
        yield bitmaps.from_sorted(members[start : start + _BATCH])


# --- the events -----------------------------------------------------------------------------------


def _events(node: Sequence, views: Mapping[str, EventView], rows: BitMap) -> Marked:
    """All events that matter of some subscribers, each once, marked with what they can be."""
    values = SharedValues(node.same)
    names = (node.same,) if node.same else ()
    parts: list[tuple[Marked, Int64s]] = []
    for source, (steps, fouls) in _step_sources(node).items():
        events = select(views[source.event], source, node.span, rows, names)
        marked = _marked(events, steps, fouls)
        if node.same:
            numbers = values.numbers(views[source.event], events.codes[node.same])
            at = np.flatnonzero(numbers)
            parts.append((replace(marked, values=numbers).take(at), events.orders[at]))
        else:
            parts.append((marked, events.orders))
    for source, fouls in _between_sources(node).items():
        events = select(views[source.event], source, _around(node.span), rows)
        parts.append((_marked(events, 0, fouls), events.orders))
    joined = Marked(
        np.concatenate([part.rows for part, _ in parts]),
        np.concatenate([part.times for part, _ in parts]),
        np.concatenate([part.values for part, _ in parts]),
        np.concatenate([part.steps for part, _ in parts]),
        np.concatenate([part.fouls for part, _ in parts]),
    )
    types = [source.event for source in (*_step_sources(node), *_between_sources(node))]
    if len(set(types)) == len(types):
        return joined
    return _each_once(joined, np.concatenate([orders for _, orders in parts]))


def _step_sources(node: Sequence) -> dict[Source, tuple[int, int]]:
    """What is looked for in the span, with the bits of ``Marked.steps`` and ``Marked.fouls``."""
    found: dict[Source, tuple[int, int]] = {}
    steps = [(step.sources, 1 << i, 0) for i, step in enumerate(node.steps)]
    if node.absent is not None:
        steps.append((node.absent.sources, 0, 1 << len(node.steps)))
    for sources, step, foul in steps:
        for source in sources:
            before = found.get(source, (0, 0))
            found[source] = (before[0] | step, before[1] | foul)
    return found


def _between_sources(node: Sequence) -> dict[Source, int]:
    """What must not lie between two steps, with the bits of ``Marked.fouls``."""
    found: dict[Source, int] = {}
    for i, step in enumerate(node.steps):
        if step.without is not None:
            found[step.without] = found.get(step.without, 0) | 1 << i
    return found


def _around(span: Span) -> Span:
    """A span that holds everything between two events of ``span``.

    A clock that is set back over midnight can put the day before or after in between.
    """
    if not isinstance(span, Days):
        return span
    return Days(None if span.low is None else span.low - 1, span.high + 1, span.until)


def _marked(events: EventSlice, steps: int, fouls: int) -> Marked:
    length = len(events)
    return Marked(
        events.rows,
        events.times,
        np.zeros(length, dtype=np.int64),
        np.full(length, steps, dtype=np.uint16),
        np.full(length, fouls, dtype=np.uint16),
    )


def _each_once(events: Marked, orders: Int64s) -> Marked:
    """Events that were found in several ways made one; ``orders`` tells which are the same."""
    order = np.argsort(orders, kind="stable")
    orders = orders[order]
    starts = np.flatnonzero(np.concatenate(([True], orders[1:] != orders[:-1])))
    if not len(orders) or len(starts) == len(orders):
        return events
    firsts = order[starts]
    return Marked(
        events.rows[firsts],
        events.times[firsts],
        np.maximum.reduceat(events.values[order], starts),
        np.bitwise_or.reduceat(events.steps[order], starts),
        np.bitwise_or.reduceat(events.fouls[order], starts),
    )


# --- the chains -----------------------------------------------------------------------------------


def _with_chain(node: Sequence, events: Marked) -> BitMap:
    """Those among the subscribers of one event or more who have a chain."""
    absent = 1 << len(node.steps)
    own = (events.steps != 0) | (events.fouls & absent != 0)
    if not own.any():
        return bitmaps.EMPTY
    groups = group(events.take(own), bool(node.same))
    dead = np.zeros(len(groups), dtype=np.uint16)
    lows: list[Places] = []
    for i, step in enumerate(node.steps):
        before: Int64s | None = None
        if step.without is not None:
            together, before = _between(groups, events, 1 << i)
            dead |= _dead(groups, 1 << i, together)
        if i:
            lows.append(_lows(groups, step.within, before))
    nexts: Int64s | None = None
    kinds = sum(1 << i for i, step in enumerate(node.steps) if step.without is not None)
    if node.absent is not None:
        together, nexts = _after(groups, absent)
        dead |= _dead(groups, absent, together)
        kinds |= absent
    links = Links(feasible(groups, len(node.steps), kinds, dead), lows)
    return chain_ends.rows_with_chain(node, groups, links, nexts)


def _between(groups: Groups, events: Marked, kind: int) -> tuple[Places, Int64s]:
    """Around each group the fouls between steps, of its row and whatever value.

    How many there are at the group's time, and when the last one before it is (NEVER: none).
    """
    fouls = events.take(events.fouls & kind != 0)
    fouls = fouls.take(event_order(fouls.rows, fouls.times))
    low = fouls.rows.searchsorted(groups.rows)
    high = fouls.rows.searchsorted(groups.rows, "right")
    at = lower_bound(fouls.times, low, high, groups.times)
    after = lower_bound(fouls.times, at, high, groups.times + 1)
    before = np.full(len(groups), NEVER)
    some = at > low
    before[some] = fouls.times[at[some] - 1]
    return after - at, before


def _after(groups: Groups, absent: int) -> tuple[Int64s, Int64s]:
    """What must not come after the last step, of each group's partition.

    How many there are at the group's time, and when the first one after it is (FOREVER: none).
    """
    mask = groups.events.fouls & absent != 0
    ends = np.append(groups.starts[1:], len(mask))
    before = np.concatenate(([0], np.cumsum(mask)))
    following = before[ends]  # the place of the next one among all of them
    places = np.flatnonzero(mask)
    owners = groups.owners(places)
    nexts = np.full(len(groups), FOREVER)
    some = np.flatnonzero(following < len(places))
    owner = owners[following[some]]
    same = groups.firsts[owner] == groups.firsts[some]
    nexts[some[same]] = groups.times[owner[same]]
    return following - before[groups.starts], nexts


def _dead(groups: Groups, kind: int, together: Places | Int64s) -> Bits:
    """The kind where a foul at a group's moment can be no step of a chain through the group."""
    events = groups.events
    usable = groups.count((events.fouls & kind != 0) & (events.steps != 0))
    return np.where(together > usable, kind, 0).astype(np.uint16)


def _lows(groups: Groups, within: int | None, before: Int64s | None) -> Places:
    """The first group that may come right before each, of its own partition."""
    places: Places = np.arange(len(groups))
    if within is None and before is None:
        return groups.firsts
    targets = groups.times - within if within is not None else groups.times
    if before is not None:
        targets = before if within is None else np.maximum(targets, before)
    return lower_bound(groups.times, groups.firsts, places, targets)

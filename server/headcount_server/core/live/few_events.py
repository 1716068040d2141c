"""Who of a few did what how often: from kept counters of past days and the newest day's own events.

Counters of days that nothing is written to any more stay good from one look to the next; those of
the newest day would be made anew for every few events, so the events themselves are looked at.
Where many windows are asked for, all events of the rows are gathered instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events import counters
from headcount_server.core.events.columns import Rows
from headcount_server.core.events.counters import Counter
from headcount_server.core.events.deciding import Wanted, decided, wanted
from headcount_server.core.events.lanes import Kind as LaneKind
from headcount_server.core.events.lanes import Lane
from headcount_server.core.events.select import Candidates, passing_places
from headcount_server.core.events.sorting import run_starts
from headcount_server.core.events.spans import Window, resolve
from headcount_server.core.events.tables import Table
from headcount_server.core.events.tallies import Kind, Part, tally
from headcount_server.core.events.view import EventView
from headcount_server.core.live.asked_days import AskedOfEvents
from headcount_server.core.live.gathered import Gathered, Timed
from headcount_server.core.live.places import Places
from headcount_server.core.plan.aggregate_nodes import Aggregated, EdgePasses
from headcount_server.core.plan.event_nodes import DidAtLeast, Source, Span
from headcount_server.core.rules.tree import Edge

Counts = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What each row did in a window."""

    counts: Counts
    window: Window


class FewEvents:
    """Look-ups of events among some rows of one revision of an audience.

    Args:
        views: event type -> its store.
        places: of the rows, at most 65,536.
        asked: what was asked before; None: nothing is known.
    """

    def __init__(
        self, views: Mapping[str, EventView], places: Places, asked: AskedOfEvents | None = None
    ) -> None:
        self._views = views
        self._places = places
        self._asked = AskedOfEvents() if asked is None else asked
        self._is_late = False
        self._gathered: dict[str, Gathered] = {}
        self._counts: dict[tuple[tuple[Source, ...], Span, bool], _Counted] = {}
        self._tables: dict[Wanted, Table] = {}

    def capture(self) -> Iterator[None]:
        """Gathers what is expected to be asked for, a type of events a step."""
        for event in self._asked.expected:
            if event in self._views:
                day = self._asked.first_day(event)
                assert day is not None
                self._of(event).reaches(day)
                yield

    def freeze(self) -> None:
        """The views may change from now on: what isn't gathered never is."""
        self._is_late = True
        for gathered in self._gathered.values():
            gathered.is_late = True

    def did(self, node: DidAtLeast) -> int | None:
        """Those of the rows whom ``node`` denotes, as places; None as of ``aggregated``."""
        counted = self._counted(node)
        return counted and self._places.set_of(counted.counts >= node.count)

    def reached(self, node: DidAtLeast, since: Mapping[str, int]) -> int | None:
        """See ``Few.reached``."""
        counted = self._counted(node)
        if not counted:
            return counted
        counts = counted.counts
        parts = [
            self._of(source.event).came(source, counted.window, since[source.event])
            for source in node.sources
            if source.event in since
        ]
        came = sum(parts[1:], parts[0]) if parts else np.zeros(len(counts), np.int64)
        # A day may have had an event before, so of days it isn't known how many are new.
        is_new = came > 0 if node.on_days else counts < came + node.count
        return self._places.set_of((counts >= node.count) & is_new)

    def _counted(self, node: DidAtLeast) -> _Counted | Literal[0] | None:
        """How many events, or days with one, each row has; 0: none; None as of ``aggregated``."""
        key = (node.sources, node.span, node.on_days)
        counted = self._counts.get(key)
        if counted is None:
            window = self._window(node.sources[0], node.span) if node.sources else None
            if window is None:
                return 0
            if not self._reach([(source, window) for source in node.sources]):
                return None
            counted = self._counts[key] = _Counted(self._counts_of(node, window), window)
        return counted

    def aggregated(self, leaf: Aggregated) -> int | None:
        """Those of the rows whom a leaf denotes, as a set of places.

        None where their events aren't gathered, and it is best looked up as among candidates.
        """
        if isinstance(leaf, EdgePasses):
            return self._edge(leaf)
        tables: list[Table] = []
        parts = [(one, self._window(one.source, one.span)) for one in wanted(leaf)]
        windows = [(one.source, window) for one, window in parts if window is not None]
        if len(windows) < len(parts):
            return 0
        if not self._reach(windows):
            return None
        for one, window in parts:
            assert window is not None
            table = self._tables.get(one)
            if table is None:
                table = self._tables[one] = self._table(one, window)
            tables.append(table)
        return self._set(decided(leaf, self._views, tables))

    def _edge(self, leaf: EdgePasses) -> int | None:
        window = self._window(leaf.sources[0], leaf.span)
        if window is None:
            return 0
        if not self._reach([(source, window) for source in leaf.sources]):
            return None
        passing = {source.event: source for source in leaf.passing}
        columns: list[Timed] = []
        for source in leaf.sources:
            further = passing.get(source.event)
            columns.append(self._of(source.event).timed(source, window, further))
        at, times, orders, passes = (
            np.concatenate(column) for column in zip(*columns, strict=True)
        )
        order = np.lexsort((orders, times, at))
        at, passes = at[order], passes[order]
        starts = run_starts(at)
        if leaf.edge is Edge.LAST and len(starts):
            starts = np.append(starts[1:], len(at)) - 1
        return self._set(at[starts][passes[starts]])

    def _window(self, source: Source, span: Span) -> Window | None:
        return resolve(span, self._views[source.event].calendar)

    def _reach(self, parts: Sequence[tuple[Source, Window]]) -> bool:
        """Whether the events are gathered; of each part is asked, so that all gain credit."""
        reached = [self._of(source.event).reaches(window.low_day) for source, window in parts]
        return all(reached)

    def _of(self, event: str) -> Gathered:
        found = self._gathered.get(event)
        if found is None:
            found = Gathered(self._views[event], self._places, self._asked)
            found.is_late = self._is_late
            self._gathered[event] = found
        return found

    def _counts_of(self, node: DidAtLeast, window: Window) -> Counts:
        """How many events, or days with one, each row has."""
        parts = [self._of(source.event).among(source, window) for source in node.sources]
        at = np.concatenate([at for at, _ in parts])
        if node.on_days:
            days = np.concatenate([days for _, days in parts])
            at = np.unique(np.stack((days, at.astype(np.int64))), axis=1)[1]
        counts = np.bincount(at, minlength=len(self._places))
        return counts.astype(np.min_scalar_type(int(counts.max())))

    def _table(self, one: Wanted, window: Window) -> Table:
        """The table of the rows' events, with places in the place of rows."""
        gathered = self._of(one.source.event)
        if one.kind is Kind.COUNT:
            at, _ = gathered.among(one.source, window)
            values = np.broadcast_to(np.int64(0), len(at))
        else:
            at, values = gathered.valued(one.source, window, one.property)
        order = np.argsort(at.astype(np.uint16), kind="stable")
        bound = max(-int(values.min()), int(values.max())) if len(values) else 0
        return tally(one.kind, [Part(at[order].astype(np.uint32), values[order], bound)])

    def _set(self, at: Rows) -> int:
        mask = self._places.nobody()
        mask[at] = True
        return self._places.set_of(mask)


def did_among(node: DidAtLeast, views: Mapping[str, EventView], rows: BitMap) -> BitMap:
    """Those of some rows whom ``node`` denotes; as ``events.evaluate`` within them.

    O(blocks) operations on a few rows, and O(rows log events) for each chunk of the newest day and
    of a day that an end of the span cuts.
    """
    chosen = [views[source.event] for source in node.sources]
    window = resolve(node.span, chosen[0].calendar) if chosen else None
    if window is None or not rows:
        return bitmaps.EMPTY
    kind = LaneKind.DID if node.count == 1 else LaneKind.DAYS if node.on_days else LaneKind.OFTEN
    lane = Lane(chosen, node.sources, kind)
    newest = lane.days_between(*window.days())[-1:]
    apart = sorted({*newest, *(d for d in window.edges if not _is_whole(lane, d, window))})
    parts: list[Counter] = []
    candidates = Candidates(rows)
    start = window.low_day
    for day in [*apart, window.high_day + 1]:
        if start < day and lane.days_between(start, day - 1):
            parts.append(counters.restricted(lane.range(start, day - 1), rows))
        if day <= window.high_day:
            parts.append(_of_day(lane, day, window, candidates))
        start = day + 1
    if kind is LaneKind.DID:
        return bitmaps.union([counters.members(part) for part in parts])
    return counters.at_least(counters.add(parts), node.count)


def _is_whole(lane: Lane, day: int, window: Window) -> bool:
    return lane.is_whole(day, window.low_us, window.high_us)


def _of_day(lane: Lane, day: int, window: Window, candidates: Candidates) -> Counter:
    """The counts of the candidates on one day."""
    found: list[Rows] = []
    for view, source in zip(lane.views, lane.sources, strict=True):
        for chunk in view.chunks_of(day):
            at = passing_places(view, source, chunk, window, candidates)
            if at is None or len(at):
                found.append(chunk.rows if at is None else chunk.rows[at])
    if not found:
        return ()
    rows = np.sort(np.concatenate(found))
    return counters.of_rows(rows) if lane.kind is LaneKind.OFTEN else counters.of_set(rows)

"""Answers the leaves of bound rules on what a person's events come to (``aggregate_nodes``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.events import compare, recency, values
from headcount_server.core.events.columns import Rows
from headcount_server.core.events.rolls import Roll, asked, settle
from headcount_server.core.events.spans import resolve
from headcount_server.core.events.tables import Table
from headcount_server.core.events.tallies import Kind
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.aggregate_nodes import (
    Aggregated,
    Average,
    EdgePasses,
    Favourite,
    Rate,
    Stars,
    Total,
)
from headcount_server.core.rules.tree import Function

Views = Mapping[str, EventView]

_KINDS = {
    Function.SUM: Kind.SUM,
    Function.MIN: Kind.MIN,
    Function.MAX: Kind.MAX,
    Function.COUNT_DISTINCT: Kind.VALUES,
}


def evaluate(leaf: Aggregated, views: Views, within: BitMap | None = None) -> BitMap:
    """The rows of a leaf; none without an event is among them.

    Args:
        leaf: its event types are among ``views``.
        views: event type -> its store or frozen view, all of one audience.
        within: candidates; the result is cut down to them.
    """
    match leaf:
        case Total():
            return _total(leaf, views, within)
        case Average():
            return _average(leaf, views, within)
        case Favourite():
            return _favourite(leaf, views, within)
        case Rate():
            return _rate(leaf, views, within)
        case Stars():
            return _stars(leaf, views, within)
        case EdgePasses():
            return recency.evaluate(leaf, views, within)
        case _:
            assert_never(leaf)


def _total(leaf: Total, views: Views, within: BitMap | None) -> BitMap:
    view = views[leaf.source.event]
    low, high = leaf.low, leaf.high

    def decide(tables: Sequence[Table]) -> Rows:
        table = tables[0]
        match leaf.function:
            case Function.SUM:
                mask = compare.between(table.columns, low, high)
            case Function.COUNT_DISTINCT:
                table = values.distinct(table, values.value_codes(view, leaf.property))
                mask = compare.values_between(table.columns[0], low, high)
            case _:
                mask = compare.values_between(table.columns[0], low, high)
        return table.rows[mask]

    window = resolve(leaf.span, view.calendar)
    if window is None:
        return bitmaps.EMPTY
    roll = Roll(view, leaf.source, _KINDS[leaf.function], leaf.property)
    subject = (leaf.source, leaf.property, leaf.function, low, high)
    return settle(subject, [asked(roll, window)], decide, within)


def _average(leaf: Average, views: Views, within: BitMap | None) -> BitMap:
    view = views[leaf.source.event]

    def decide(tables: Sequence[Table]) -> Rows:
        counts, *sums = tables[0].columns
        return tables[0].rows[compare.ratios_between(tuple(sums), counts, leaf.range)]

    window = resolve(leaf.span, view.calendar)
    if window is None:
        return bitmaps.EMPTY
    roll = Roll(view, leaf.source, Kind.MEAN, leaf.measure)
    subject = (leaf.source, leaf.measure, Function.AVG, leaf.range)
    return settle(subject, [asked(roll, window)], decide, within)


def _favourite(leaf: Favourite, views: Views, within: BitMap | None) -> BitMap:
    view, name = views[leaf.source.event], leaf.dimension

    def decide(tables: Sequence[Table]) -> Rows:
        passes = view.spellings[name].table(leaf.test)
        return values.favourites(tables[0], values.value_codes(view, name), passes)

    window = resolve(leaf.span, view.calendar)
    if window is None:
        return bitmaps.EMPTY
    roll = Roll(view, leaf.source, Kind.VALUES, name)
    subject = (leaf.source, name, leaf.test)
    return settle(subject, [asked(roll, window)], decide, within)


def _rate(leaf: Rate, views: Views, within: BitMap | None) -> BitMap:
    def decide(tables: Sequence[Table]) -> Rows:
        part, of = tables
        shares = np.zeros(len(of), dtype=np.int64)
        at, found = values.places_in(of.rows, part.rows)
        shares[at] = part.columns[0][found]
        return of.rows[compare.ratios_between((shares,), of.columns[0], leaf.range)]

    parts = []
    for source in (leaf.numerator, leaf.denominator):
        view = views[source.event]
        window = resolve(leaf.span, view.calendar)
        if window is None:
            return bitmaps.EMPTY
        parts.append(asked(Roll(view, source, Kind.COUNT), window))
    return settle((leaf.numerator, leaf.denominator, leaf.range), parts, decide, within)


def _stars(leaf: Stars, views: Views, within: BitMap | None) -> BitMap:
    sources = (leaf.sent, leaf.open, leaf.click)
    chosen = [views[source.event] for source in sources]

    def decide(tables: Sequence[Table]) -> Rows:
        codes = values.common_codes(chosen, leaf.dimension)
        sent, *answered = map(values.pairs, tables, codes)
        points = np.zeros(len(sent), dtype=np.int64)
        for pairs in answered:
            points[values.shared(sent, pairs)] += 1
        rows, starts, counts = values.runs((sent >> np.uint64(32)).astype(np.uint32))
        sums = np.add.reduceat(points, starts) if len(starts) else points
        return rows[compare.ratios_between((sums,), counts, leaf.range)]

    parts = []
    for view, source in zip(chosen, sources, strict=True):
        window = resolve(leaf.span if source is leaf.sent else leaf.answered, view.calendar)
        if window is None:
            return bitmaps.EMPTY
        parts.append(asked(Roll(view, source, Kind.VALUES, leaf.dimension), window))
    return settle((*sources, leaf.dimension, leaf.range), parts, decide, within)

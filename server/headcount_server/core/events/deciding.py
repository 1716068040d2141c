"""What a leaf on a person's events is decided on, and the decision, whoever makes the tables.

A leaf wants tables (see ``tallies``), each of one kind over the events of a source in a span; it is
decided row by row, so that tables of some rows give the answer for these.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from headcount_server.core.events import compare, values
from headcount_server.core.events.columns import Rows
from headcount_server.core.events.tables import Table
from headcount_server.core.events.tallies import Kind
from headcount_server.core.events.view import EventView
from headcount_server.core.plan.aggregate_nodes import Average, Favourite, Rate, Stars, Total
from headcount_server.core.plan.event_nodes import Source, Span
from headcount_server.core.rules.tree import Function

Tabled = Total | Average | Favourite | Rate | Stars
Views = Mapping[str, EventView]

_KINDS = {
    Function.SUM: Kind.SUM,
    Function.MIN: Kind.MIN,
    Function.MAX: Kind.MAX,
    Function.COUNT_DISTINCT: Kind.VALUES,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One table: what is made of a source's events in a span, of those with a property.

    Attributes:
        property: the dimension (codes plus one) or measure; "" for COUNT.
    """

    source: Source
    kind: Kind
    property: str
    span: Span


def wanted(leaf: Tabled) -> tuple[Wanted, ...]:
    """The tables that a leaf is decided on."""
    match leaf:
        case Total():
            return (Wanted(leaf.source, _KINDS[leaf.function], leaf.property, leaf.span),)
        case Average():
            return (Wanted(leaf.source, Kind.MEAN, leaf.measure, leaf.span),)
        case Favourite():
            return (Wanted(leaf.source, Kind.VALUES, leaf.dimension, leaf.span),)
        case Rate():
            sources = (leaf.numerator, leaf.denominator)
            return tuple(Wanted(source, Kind.COUNT, "", leaf.span) for source in sources)
        case Stars():
            spans = (leaf.span, leaf.answered, leaf.answered)
            sources = (leaf.sent, leaf.open, leaf.click)
            return tuple(
                Wanted(source, Kind.VALUES, leaf.dimension, span)
                for source, span in zip(sources, spans, strict=True)
            )
        case _:
            assert_never(leaf)


def subject(leaf: Tabled) -> tuple[Hashable, ...]:
    """All that the answer depends on but spans and events."""
    match leaf:
        case Total():
            return (leaf.source, leaf.property, leaf.function, leaf.low, leaf.high)
        case Average():
            return (leaf.source, leaf.measure, Function.AVG, leaf.range)
        case Favourite():
            return (leaf.source, leaf.dimension, leaf.test)
        case Rate():
            return (leaf.numerator, leaf.denominator, leaf.range)
        case Stars():
            return (leaf.sent, leaf.open, leaf.click, leaf.dimension, leaf.range)
        case _:
            assert_never(leaf)


def decided(leaf: Tabled, views: Views, tables: Sequence[Table]) -> Rows:
    """The rows that a leaf denotes, ascending, of those in the tables that it wants. O(lines)."""
    match leaf:
        case Total():
            return _total(leaf, views, tables[0])
        case Average():
            counts, *sums = tables[0].columns
            return tables[0].rows[compare.ratios_between(tuple(sums), counts, leaf.range)]
        case Favourite():
            view, name = views[leaf.source.event], leaf.dimension
            passes = view.spellings[name].table(leaf.test)
            return values.favourites(tables[0], values.value_codes(view, name), passes)
        case Rate():
            part, of = tables
            shares = np.zeros(len(of), dtype=np.int64)
            at, found = values.places_in(of.rows, part.rows)
            shares[at] = part.columns[0][found]
            return of.rows[compare.ratios_between((shares,), of.columns[0], leaf.range)]
        case Stars():
            return _stars(leaf, views, tables)
        case _:
            assert_never(leaf)


def _total(leaf: Total, views: Views, table: Table) -> Rows:
    match leaf.function:
        case Function.SUM:
            mask = compare.between(table.columns, leaf.low, leaf.high)
        case Function.COUNT_DISTINCT:
            codes = values.value_codes(views[leaf.source.event], leaf.property)
            table = values.distinct(table, codes)
            mask = compare.values_between(table.columns[0], leaf.low, leaf.high)
        case _:
            mask = compare.values_between(table.columns[0], leaf.low, leaf.high)
    return table.rows[mask]


def _stars(leaf: Stars, views: Views, tables: Sequence[Table]) -> Rows:
    chosen = [views[source.event] for source in (leaf.sent, leaf.open, leaf.click)]
    codes = values.common_codes(chosen, leaf.dimension)
    sent, *answered = map(values.pairs, tables, codes)
    points = np.zeros(len(sent), dtype=np.int64)
    for pairs in answered:
        points[values.shared(sent, pairs)] += 1
    rows, starts, counts = values.runs((sent >> np.uint64(32)).astype(np.uint32))
    sums = np.add.reduceat(points, starts) if len(starts) else points
    return rows[compare.ratios_between((sums,), counts, leaf.range)]

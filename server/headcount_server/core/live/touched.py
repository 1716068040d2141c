"""Which rows commands touched, per index, since somebody last asked.

An audience notes its writes in every ``Touched`` that listens to it (``Audience.listen``); where
nobody does, noting costs nothing. Bitmaps are replaced, never modified.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyroaring import BitMap

from headcount_server.core import bitmaps


class Touched:
    """What commands did.

    Attributes:
        attributes: attribute (``known_since`` too) -> rows whose value, or its spelling, changed.
        events: event type -> rows that got events.
        since: event type -> place in the write order; these events have it or a later one, all
            events before them an earlier one.
        moves: segment whose history is kept -> rows that entered or left it.
        created: rows of new subscribers; they touch every rule.
        erased: rows of erased subscribers, also where the row is another's by now.
        segments: names of segments that were created, updated or deleted; the values mean nothing.
        schema: whether the schema or the settings changed.
    """

    def __init__(self) -> None:
        self.attributes: dict[str, BitMap] = {}
        self.events: dict[str, BitMap] = {}
        self.since: dict[str, int] = {}
        self.moves: dict[str, BitMap] = {}
        self.created = bitmaps.EMPTY
        self.erased = bitmaps.EMPTY
        self.segments: dict[str, None] = {}
        self.schema = False

    def __bool__(self) -> bool:
        """Whether anything was touched."""
        return bool(
            self.attributes or self.events or self.moves or self.segments or self.schema
            or self.created or self.erased
        )  # fmt: skip

    def rows(self) -> BitMap:
        """All rows touched in any way; not to be modified."""
        parts = [self.created, self.erased]
        for by_name in (self.attributes, self.events, self.moves):
            parts += by_name.values()
        return bitmaps.union(parts)

    def rows_of(
        self, attributes: Iterable[str], events: Iterable[str], moves: Iterable[str]
    ) -> BitMap:
        """The rows touched in some indexes, and those created or erased; not to be modified."""
        parts = [self.created, self.erased]
        for names, rows in (
            (attributes, self.attributes), (events, self.events), (moves, self.moves),
        ):  # fmt: skip
            parts += [rows[name] for name in names]
        return bitmaps.union(parts)

    def note_attribute(self, attribute: str, rows: BitMap) -> None:
        """Values of an attribute changed."""
        _add(self.attributes, attribute, rows)

    def note_events(self, event: str, rows: BitMap, order: int) -> None:
        """Subscribers got events, of which the first has that place in the write order."""
        _add(self.events, event, rows)
        self.since[event] = min(order, self.since.get(event, order))

    def note_moves(self, segment: str, rows: BitMap) -> None:
        """Subscribers entered or left a segment."""
        _add(self.moves, segment, rows)

    def merge(self, other: Touched) -> None:
        """Adds what another one has, which stays as it is."""
        for mine, its in (
            (self.attributes, other.attributes),
            (self.events, other.events),
            (self.moves, other.moves),
        ):
            for name, rows in its.items():
                _add(mine, name, rows)
        for event, order in other.since.items():
            self.since[event] = min(order, self.since.get(event, order))
        self.created = self.created | other.created
        self.erased = self.erased | other.erased
        self.segments.update(other.segments)
        self.schema |= other.schema

    def take(self) -> Touched:
        """What was touched up to now; this one starts afresh."""
        taken = Touched()
        taken.merge(self)
        self.__init__()
        return taken


def _add(held: dict[str, BitMap], name: str, rows: BitMap) -> None:
    if rows:
        known = held.get(name)
        held[name] = rows if known is None else known | rows

"""Moves into and out of segments, by asking everybody again at every instant that can matter.

These are the time of each write, the beginnings of days (and of clock hours, where a rule is by
hours), the times of events and of timestamp attributes, and the microsecond after each of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from headcount_server.core.rules import tree

from .time import Interval, Zone, interval

Key = str | int


class Moved(NamedTuple):
    """Somebody entered or left a segment."""

    key: Key
    move: tree.Move
    time: int


class Sized(NamedTuple):
    """A segment's size from a time on, and how many entered and left then."""

    time: int
    total: int
    entered: int
    left: int


@dataclass
class Kept:
    """The history of one segment."""

    members: set[Key]
    moves: list[Moved] = field(default_factory=list[Moved])
    sizes: list[Sized] = field(default_factory=list[Sized])


class Moves:
    """The histories of an audience's segments.

    Args:
        zone: of the audience.
        ask: the members of a segment at a time.
        instants: times of events and attributes.
    """

    def __init__(
        self,
        zone: Zone,
        ask: Callable[[str, int], set[Key]],
        instants: Callable[[], Iterator[int]],
    ) -> None:
        self.clock: int | None = None
        self.kept: dict[str, Kept] = {}
        self._zone, self._ask, self._instants = zone, ask, instants

    def before(self, time: int, by_hours: bool) -> None:
        """Time passes up to that of a write."""
        clock = time if self.clock is None else self.clock
        if self.kept:
            for instant in sorted(self._between(clock, time, by_hours)):
                self.clock = instant
                self.after()
        self.clock = max(clock, time)

    def after(self) -> None:
        """Everybody is asked again; ``kept`` names each segment after those that it uses."""
        assert self.clock is not None
        for name, kept in self.kept.items():
            members = self._ask(name, self.clock)
            entered, left = members - kept.members, kept.members - members
            moved = [(key, tree.Move.ENTERED) for key in entered]
            moved += [(key, tree.Move.LEFT) for key in left]
            kept.moves += [Moved(key, move, self.clock) for key, move in moved]
            kept.members = members
            if moved:
                kept.sizes.append(Sized(self.clock, len(members), len(entered), len(left)))

    def start(self, name: str) -> None:
        """Keeps the history of a segment from now on; who is in it did not enter."""
        assert self.clock is not None
        if name not in self.kept:
            members = self._ask(name, self.clock)
            self.kept[name] = Kept(members, sizes=[Sized(self.clock, len(members), 0, 0)])

    def erase(self, keys: set[Key]) -> None:
        """Forgets the moves of some people, who leave no trace but in the sizes."""
        assert self.clock is not None
        for kept in self.kept.values():
            gone = kept.members & keys
            kept.members -= gone
            kept.moves = [moved for moved in kept.moves if moved.key not in keys]
            if gone:
                kept.sizes.append(Sized(self.clock, len(kept.members), 0, len(gone)))

    def has(self, key: Key, rule: tree.SegmentMove, now: int) -> bool:
        """Whether somebody moved in a window, up to now."""
        assert isinstance(rule.segment, tree.Text)
        inside: Interval = interval(rule.window, now, self._zone)
        return any(
            moved.key == key and moved.move is rule.move and moved.time <= now
            and inside.holds(self._zone, moved.time)
            for moved in self.kept[rule.segment.text].moves
        )  # fmt: skip

    def _between(self, low: int, high: int, by_hours: bool) -> set[int]:
        found = {t for at in self._instants() for t in (at, at + 1) if low < t <= high}
        found |= {
            moved.time + 1
            for kept in self.kept.values()
            for moved in kept.moves
            if low < moved.time + 1 <= high
        }
        edge = self._zone.hour_end(low) + 1
        while edge <= high:
            if by_hours or self._zone.day(edge) != self._zone.day(edge - 1):
                found.add(edge)
            edge = self._zone.hour_end(edge) + 1
        return found

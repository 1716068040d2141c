"""A batch of subscribers, made aside in steps and published at once.

Between two steps nobody sees anything of it: the rows of new subscribers are stored where nobody
looks yet, and all else is kept beside. Where a key stands several times, its later values are
written in one piece when the rest is published, as they follow from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes import AttributeIndex
from headcount_server.core.attributes.pending import Pending
from headcount_server.core.changes import Days
from headcount_server.core.commands import AttributeValues, UpsertSubscribers
from headcount_server.core.keys import Added
from headcount_server.core.plan.scope import KNOWN_SINCE
from headcount_server.core.schema import AttributeType
from headcount_server.core.steps import Steps, finish
from headcount_server.core.values import ValueColumn
from headcount_server.limits import CHANGE_DAYS_SPARE

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience

Rows = NDArray[np.uint32]
Places = NDArray[np.int64]
Round = Places | None  # places of a batch; None: all, in order


@dataclass(frozen=True, slots=True)
class _Later:
    """Values that are written when the others are published."""

    values: AttributeValues
    rounds: list[Round]


@dataclass(frozen=True, slots=True)
class _Part:
    """Values that are made first, and the order of all rows of the batch if they are of all."""

    values: AttributeValues
    round: Round
    order: NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class _Made:
    """The first values of an attribute for each row, and the days on which they change."""

    attribute: str
    pending: Pending
    days: Days


@dataclass(frozen=True, slots=True)
class Met:
    """New subscribers, with the time of their first write.

    Attributes:
        added: their keys, with others.
        known_since: the time of each.
    """

    added: Added
    known_since: Pending

    @property
    def created_count(self) -> int:
        """How many there are."""
        return len(self.added.new_rows)

    def publish(self, audience: Audience) -> None:
        """Lets them be seen."""
        audience.keys.publish(self.added)
        audience.known_since.publish(self.known_since)
        if self.created_count:
            audience.note_created(bitmaps.from_rows(self.added.new_rows))


@dataclass(frozen=True, slots=True)
class Upsert:
    """A batch that is made."""

    command: UpsertSubscribers
    met: Met
    days: Places
    made: list[_Made]
    later: list[_Later]

    def publish(self, audience: Audience) -> int:
        """Lets it be seen; returns how many subscribers are new."""
        command, rows = self.command, self.met.added.rows
        self.met.publish(audience)
        if command.known_since is not None:
            present = np.flatnonzero(command.known_since.present)
            column = _taken(command.known_since, present)
            values = AttributeValues(KNOWN_SINCE.name, column, present)
            for round in rounds_of(rows[present]):
                _write(audience, audience.known_since, rows, values, round)
        for made in self.made:
            changed = audience.attributes[made.attribute].publish(made.pending)
            audience.note_attribute(made.attribute, changed)
            audience.changes.publish(made.attribute, made.days)
        for later in self.later:
            name = later.values.attribute
            for round in later.rounds:
                index = audience.attributes[name]
                written, changed = _write(audience, index, rows, later.values, round)
                days = self.days[_places(later.values, round, len(rows))]
                audience.changes.add(name, changed, written, days)
        kept = audience.schema.change_days + CHANGE_DAYS_SPARE
        audience.changes.forget_before(audience.calendar.day_of(command.time_us) - kept)
        return self.met.created_count


def meeting(audience: Audience, keys: Any, time_us: int) -> Steps[Met]:
    """Makes the rows of keys, and of those that are new the first write."""
    added = yield from audience.keys.adding(keys)
    count = len(added.new_rows)
    column = ValueColumn(
        AttributeType.TIMESTAMP, np.full(count, time_us, np.int64), np.ones(count, np.bool_)
    )
    everyone = np.ones(count, np.bool_)
    pending = yield from audience.known_since.writing(added.new_rows, column, everyone)
    return Met(added, pending)


def upserting(audience: Audience, command: UpsertSubscribers) -> Steps[Upsert]:
    """Makes a batch; nothing else may be written before it is published."""
    met = yield from meeting(audience, command.keys, command.time_us)
    days = _days(audience, command)
    yield
    whole = rounds_of(met.added.rows)
    order = np.argsort(met.added.rows)
    yield
    made: list[_Made] = []
    later: list[_Later] = []
    for values in command.values:
        name, places = values.attribute, values.rows
        rounds = whole if places is None else rounds_of(met.added.rows[places])
        if any(name == other.attribute for other in made):
            later.append(_Later(values, rounds))
        elif rounds:
            part = _Part(values, rounds[0], order if places is None and len(whole) == 1 else None)
            made.append((yield from _making(audience, met.added, part, days)))
            if len(rounds) > 1:
                later.append(_Later(values, rounds[1:]))
    return Upsert(command, met, days, made, later)


def rounds_of(rows: Rows) -> list[Round]:
    """Splits rows so that each stands at most once in a round, the first first."""
    ordered = np.sort(rows)
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    if is_first.all():
        return [None] if len(rows) else []
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(is_first)
    nth = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return [np.sort(order[nth == number]) for number in range(int(nth.max()) + 1)]


def _days(audience: Audience, command: UpsertSubscribers) -> Places:
    """The day on which the values of each row change."""
    if command.changed_at is None:
        return np.full(len(command.keys), audience.calendar.day_of(command.time_us), np.int64)
    changed_at = np.full(len(command.keys), command.time_us, np.int64)
    present = command.changed_at.present
    changed_at[present] = command.changed_at.data[present]
    return audience.calendar.days_of(changed_at)


def _making(audience: Audience, added: Added, part: _Part, days: Places) -> Steps[_Made]:
    values = part.values
    places = _places(values, part.round, len(added.rows))
    column = values.values if part.round is None else _taken(values.values, part.round)
    rows = added.rows[places]
    index = audience.attributes[values.attribute]
    yield
    pending = yield from index.writing(rows, column, added.is_unseen[places], part.order)
    changed = pending.changed - pending.respelled
    found = yield from audience.changes.adding(values.attribute, changed, rows, days[places])
    return _Made(values.attribute, pending, found)


def _write(
    audience: Audience, index: AttributeIndex, rows: Rows, values: AttributeValues, round: Round
) -> tuple[Rows, BitMap]:
    """Writes values in one piece; returns their rows, and those whose value is another one now."""
    column = values.values if round is None else _taken(values.values, round)
    written = rows[_places(values, round, len(rows))]
    pending = finish(index.writing(written, column))
    changed = index.publish(pending)
    audience.note_attribute(values.attribute, changed)
    return written, changed - pending.respelled


def _places(values: AttributeValues, round: Round, count: int) -> Places:
    """Where the values of a round stand in the batch."""
    places = np.arange(count) if values.rows is None else values.rows
    return places if round is None else places[round]


def _taken(column: ValueColumn, places: Places) -> ValueColumn:
    data = column.data
    if isinstance(data, np.ndarray):
        taken: Any = data[places]
    else:
        taken = [data[place] for place in places.tolist()]
    return ValueColumn(column.type, taken, column.present[places])

"""What a rule is bound to: an audience's names, a question's ``now`` and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from headcount_server.core import windows
from headcount_server.core.calendar import Calendar
from headcount_server.core.faults import refuse, variant
from headcount_server.core.plan.bind_values import Subject, Values
from headcount_server.core.rules import tree
from headcount_server.core.rules.names import nearest
from headcount_server.core.schema import AttributeSchema, AttributeType, EventSchema, Schema
from headcount_server.core.windows import DayRange, InstantRange

KEY = AttributeSchema("key", AttributeType.TEXT)
KNOWN_SINCE = AttributeSchema("known_since", AttributeType.TIMESTAMP)
NOTHING_FOLDED: Mapping[str, int] = MappingProxyType({})
BUILT_IN = {a.name: a for a in (KEY, KNOWN_SINCE)}


@dataclass(slots=True)
class Now:
    """A question's ``now``, and whether anything that was bound depends on it."""

    us: int
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """One question to one audience."""

    schema: Schema
    calendar: Calendar
    now: Now
    values: Values
    changes_from: int | None = None
    # Event type with folded events -> the first day that is kept in full.
    kept_from: Mapping[str, int] = field(default_factory=lambda: NOTHING_FOLDED)
    attributes: dict[str, AttributeSchema] = field(init=False, repr=False)
    events: dict[str, EventSchema] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        declared = {a.name: a for a in self.schema.attributes}
        object.__setattr__(self, "attributes", BUILT_IN | declared)
        object.__setattr__(self, "events", {e.name: e for e in self.schema.events})

    @property
    def now_us(self) -> int:
        """``now`` in microseconds; whoever asks is taken to depend on it."""
        self.now.is_read = True
        return self.now.us

    def attribute(self, name: str, place: str, span: tree.Span | None) -> AttributeSchema:
        """The attribute of that name, also ``key`` and ``known_since``.

        Raises:
            InvalidRule: there is none.
        """
        found = self.attributes.get(name)
        if found is None:
            advice = f'; "{name}" is an event: did {name}' if name in self.events else ""
            unknown("attribute", name, tuple(self.attributes), place, span, advice)
        return found

    def event(self, name: str, place: str, span: tree.Span | None) -> EventSchema:
        """The event type of that name.

        Raises:
            InvalidRule: there is none.
        """
        found = self.events.get(name)
        if found is None:
            advice = f'; "{name}" is an attribute' if name in self.attributes else ""
            unknown("event", name, tuple(self.events), place, span, advice)
        return found

    def amount(
        self,
        duration: tree.Duration,
        place: str,
        span: tree.Span | None,
        *,
        hours: bool = False,
        minutes: bool = False,
    ) -> int:
        """The amount of a duration, parameters replaced; ``place`` is the field that holds it.

        Raises:
            InvalidRule: see ``windows.amount_of``.
        """
        amount = self.values.one(duration.amount, f"{place}.amount", span)
        duration = tree.Duration(amount, duration.unit)
        return windows.amount_of(duration, place, span, hours=hours, minutes=minutes)

    def window(
        self, window: tree.Window, place: str, *, hours: bool = True
    ) -> DayRange | InstantRange:
        """The range of a window, parameters replaced; ``place`` is the field that holds it.

        Raises:
            InvalidRule: see ``windows.resolve``.
        """
        place = f"{place}.{variant(type(window))}"
        window = self.values.window(window, place)
        return windows.resolve(window, self.now_us, self.calendar, hours=hours, place=place)


def subject_of(attribute: AttributeSchema) -> Subject:
    """How messages speak of an attribute."""
    kind = attribute.type.value
    if attribute.type is AttributeType.KEYWORDS:
        return Subject(attribute.name, "a set of keywords")
    article = "an" if kind[0] in "aeiou" else "a"
    noun = f"{kind} attribute" if attribute.type is AttributeType.TEXT else kind
    return Subject(attribute.name, f"{article} {noun}")


def unknown(
    what: str,
    name: str,
    known: tuple[str, ...],
    place: str,
    span: tree.Span | None,
    advice: str = "",
    of: str = "",
) -> NoReturn:
    """Raise InvalidRule for a name that isn't known, with the nearest that is."""
    suggestion = "" if advice else nearest(name, known)
    hint = f'; did you mean "{suggestion}"?' if suggestion else ""
    some = f" (known: {', '.join(known[:10])}{', …' if len(known) > 10 else ''})" if known else ""
    owner = f" of {of}" if of else ""
    refuse(
        place,
        f'unknown {what} "{name}"{owner}{hint or advice or some}',
        f"UNKNOWN_{what.upper()}",
        span,
        found=name,
        expected=known[:100],
        suggestion=suggestion,
    )


def unknown_property(
    scope: Scope, name: str, event: EventSchema, place: str, span: tree.Span | None
) -> NoReturn:
    """Raise InvalidRule for a property that an event type doesn't declare."""
    advice = ""
    if name in scope.attributes:
        advice = f'; "{name}" is an attribute of subscribers: close the where with parentheses'
    unknown("property", name, properties(event), place, span, advice, of=f'event "{event.name}"')


def properties(event: EventSchema) -> tuple[str, ...]:
    """The dimensions, then the measures of an event type."""
    return (*event.dimensions, *(name for name, _ in event.measures))

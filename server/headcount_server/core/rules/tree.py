"""The rule tree: what a rule *is*, before any audience is asked.

Every spelling of a rule (protobuf, protobuf-JSON, text) is this tree. It is immutable, compares by
value and knows no schema: names are plain strings, parameters are unbound, windows are unresolved.
Field names equal those of ``proto/headcount/v1/rule.proto``, which mirrors it message for class;
``rpc.rules`` converts by that correspondence alone.

Names that were parsed from a text are of the class ``Name`` and know where they stand there.
``spelling`` is how a value was typed where it may also be meant as text (a parameter on a command
line), else empty. ``span`` is where a node stands in the text that it was parsed from, in Unicode
code points from 0, end excluded. Neither is part of a node's value: trees that differ only in them
are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date as _date
from datetime import datetime as _datetime
from decimal import Decimal
from enum import Enum, auto

_ESCAPED = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """Code points ``start`` (included) to ``end`` (excluded) of a rule's text."""

    start: int
    end: int


class Name(str):
    """A name as it stands in a text: that of an attribute, an event type or a property.

    Attributes:
        span: where it stands; no part of its value.
    """

    __slots__ = ("span",)

    span: Span

    @classmethod
    def at(cls, name: str, span: Span) -> Name:
        """The name with its place."""
        made = cls(name)
        made.span = span
        return made


# --- literals ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal; ``exactly`` makes the comparison heed case."""

    text: str
    exactly: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact decimal literal; never a float."""

    number: Decimal
    spelling: str = field(default="", compare=False, repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Date:
    """A calendar day."""

    date: _date
    spelling: str = field(default="", compare=False, repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """An instant, held as an aware UTC datetime, to the microsecond."""

    timestamp: _datetime
    spelling: str = field(default="", compare=False, repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$name``: bound in the request. What it may be follows from where it stands."""

    parameter: str
    exactly: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)


Value = Text | Number | Date | Timestamp | Parameter


@dataclass(frozen=True, slots=True)
class ValueList:
    """``("a", "b")``, or a whole list as one parameter (then ``values`` is empty)."""

    values: tuple[Value, ...] = ()
    parameter: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)


# --- durations, windows ---------------------------------------------------------------------------


class Unit(Enum):
    """Units of durations and calendar periods."""

    MINUTE = auto()
    HOUR = auto()
    DAY = auto()
    WEEK = auto()
    MONTH = auto()
    QUARTER = auto()
    YEAR = auto()


@dataclass(frozen=True, slots=True)
class Duration:
    """``30 days``; ``amount`` is a Number (whole) or a Parameter."""

    amount: Value
    unit: Unit


class Direction(Enum):
    """Which side of ``now``, or of a date, a relative window lies."""

    AGO = auto()
    FROM_NOW = auto()


class Period(Enum):
    """``this``, ``last`` or ``next`` calendar unit."""

    THIS = auto()
    LAST = auto()
    NEXT = auto()


@dataclass(frozen=True, slots=True)
class Ever:
    """No bound at all; the default of events."""

    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class InLast:
    """``in last 30 days``."""

    duration: Duration
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class InNext:
    """``in next 7 days``."""

    duration: Duration
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MoreThan:
    """``more than 90 days ago``, ``more than 3 months from now``."""

    duration: Duration
    direction: Direction
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Between:
    """``between A and B``, both included: numbers, dates or timestamps, as the values turn out."""

    low: Value
    high: Value
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class BetweenRelative:
    """``between 2 and 9 days ago``, ``between 1 and 2 weeks from now``."""

    low: Value
    high: Value
    unit: Unit
    direction: Direction
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Calendar:
    """``in this month``, ``last week``, ``next quarter``."""

    period: Period
    unit: Unit
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class On:
    """``on D``: a date only."""

    moment: Value
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Before:
    """``before D``, excluding it."""

    moment: Value
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class After:
    """``after D``, excluding it."""

    moment: Value
    span: Span | None = field(default=None, compare=False, repr=False)


Window = (
    Ever | InLast | InNext | MoreThan | Between | BetweenRelative | Calendar | On | Before | After
)


# --- tests on an attribute, dimension or measure --------------------------------------------------


class Operator(Enum):
    """Comparison operators."""

    EQUAL = auto()
    NOT_EQUAL = auto()
    LESS = auto()
    LESS_OR_EQUAL = auto()
    GREATER = auto()
    GREATER_OR_EQUAL = auto()


class State(Enum):
    """What ``is …`` asks."""

    SET = auto()
    MISSING = auto()
    TRUE = auto()
    FALSE = auto()


@dataclass(frozen=True, slots=True)
class Is:
    """``is set``, ``is missing``, ``is true``, ``is false``."""

    state: State


@dataclass(frozen=True, slots=True)
class Compare:
    """``>= 3``, ``= "DE"``, ``< 2026-01-01``."""

    operator: Operator
    value: Value


class Sign(Enum):
    """Sign of the duration in ``renewal >= signup_date + 11 months``."""

    PLUS = auto()
    MINUS = auto()


@dataclass(frozen=True, slots=True)
class CompareAttribute:
    """``>= signup_date + 11 months``; without ``offset`` the attribute as it is."""

    operator: Operator
    attribute: str
    sign: Sign = Sign.PLUS
    offset: Duration | None = None


@dataclass(frozen=True, slots=True)
class In:
    """``in ("a", "b")``, ``not in $countries``."""

    values: ValueList
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """``contains "x"``, ``not contains "x"``."""

    value: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ContainsAny:
    """``contains any of ("x", "y")``."""

    values: ValueList
    negated: bool = False


@dataclass(frozen=True, slots=True)
class StartsWith:
    """``starts with "x"``."""

    value: Value


@dataclass(frozen=True, slots=True)
class EndsWith:
    """``ends with "x"``."""

    value: Value


@dataclass(frozen=True, slots=True)
class Like:
    """``like "a*b?c"``: the whole folded value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Matches:
    """``matches /regex/`` in RE2 syntax, ``pattern`` without the slashes around it.

    ``\\/`` and ``/`` mean the same to RE2, so the first is made the second, wherever the tree comes
    from; but between ``\\Q`` and ``\\E`` a backslash means itself and stays.
    """

    pattern: str
    exactly: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        pattern = _ESCAPED.sub(lambda m: "/" if m[1] == "/" else m[0], self.pattern)
        object.__setattr__(self, "pattern", pattern)


@dataclass(frozen=True, slots=True)
class Domain:
    """``domain TEST``: the test on what follows the last ``@``."""

    test: Test


class Quantifier(Enum):
    """How many of a list must hold."""

    ANY = auto()
    ALL = auto()
    NONE = auto()
    AT_LEAST = auto()


@dataclass(frozen=True, slots=True)
class Has:
    """``has "x"``."""

    value: Value


@dataclass(frozen=True, slots=True)
class HasOf:
    """``has any|all|none|at least K of (…)``; ``count`` only with AT_LEAST."""

    quantifier: Quantifier
    values: ValueList
    count: Value | None = None


@dataclass(frozen=True, slots=True)
class HasPrefix:
    """``has value starting with "CR."``."""

    value: Value


@dataclass(frozen=True, slots=True)
class Size:
    """``size >= 3``; false where missing."""

    test: NumberTest


@dataclass(frozen=True, slots=True)
class Rank:
    """``in top 10%``, ``in bottom 100``."""

    amount: Value
    percent: bool
    bottom: bool


@dataclass(frozen=True, slots=True)
class InWindow:
    """Any window; on a number attribute only ``between``."""

    window: Window


@dataclass(frozen=True, slots=True)
class Anniversary:
    """``anniversary in next 7 days``."""

    window: Window


@dataclass(frozen=True, slots=True)
class Changed:
    """``changed in last 7 days``."""

    window: Window


@dataclass(frozen=True, slots=True)
class MonthIn:
    """``month in (3, april)``; names already numbers 1–12."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class DayOfMonthIn:
    """``day of month in (1, 15)``."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class WeekdayIn:
    """``weekday in (monday, 7)``; names already numbers, Monday 1 to Sunday 7."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class HourBetween:
    """``hour between 22 and 5``: both hours included, wraps over midnight."""

    low: Value
    high: Value


class LengthUnit(Enum):
    """Units of a radius: kilometre, metre, international mile (1,609.344 m)."""

    KM = auto()
    M = auto()
    MI = auto()


@dataclass(frozen=True, slots=True)
class Near:
    """``within 50 km of (52.52, 13.40)``."""

    radius: Value
    unit: LengthUnit
    latitude: Value
    longitude: Value


@dataclass(frozen=True, slots=True)
class InBox:
    """``in box (south, west, north, east)``."""

    south: Value
    west: Value
    north: Value
    east: Value


NumberTest = Compare | Between
Test = (
    Is | Compare | CompareAttribute | In | Contains | ContainsAny | StartsWith | EndsWith | Like
    | Matches | Domain | Has | HasOf | HasPrefix | Size | Rank | InWindow | Anniversary | Changed
    | MonthIn | DayOfMonthIn | WeekdayIn | HourBetween | Near | InBox
)  # fmt: skip


# --- rules ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Everyone:
    """Every existing subscriber."""

    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Nobody:
    """The empty set."""

    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class And:
    """``a and b``, ``all of (a, b)``; one rule or more."""

    rules: tuple[Rule, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Or:
    """``a or b``, ``any of (a, b)``; one rule or more."""

    rules: tuple[Rule, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NoneOf:
    """``none of (a, b)``; one rule or more."""

    rules: tuple[Rule, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """``at least K of (a, b, c)``; K = 0 is everyone, K past their number nobody."""

    count: Value
    rules: tuple[Rule, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    """``not r``: every existing subscriber minus ``r``. ``did not …`` is ``Not(Did(…))``."""

    rule: Rule
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Weight:
    """``10 for RULE``."""

    weight: Value
    rule: Rule


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """``sum of (10 for r, -5 for s) >= 12``: lead scoring."""

    terms: tuple[Weight, ...]
    test: NumberTest
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """``sample 10% seed "s"``."""

    percent: Value
    seed: Value
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """``bucket 3 of 10 seed "s"``."""

    bucket: Value
    buckets: Value
    seed: Value
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class IdIn:
    """``id in (…)``: keys, compared with case; unknown ones are ignored."""

    values: ValueList
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class InSegment:
    """``in segment "vip"``."""

    segment: Value
    span: Span | None = field(default=None, compare=False, repr=False)


class Move(Enum):
    """A move into or out of a segment."""

    ENTERED = auto()
    LEFT = auto()


@dataclass(frozen=True, slots=True)
class SegmentMove:
    """``entered segment "vip" in last 7 days``."""

    move: Move
    segment: Value
    window: Window
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """``NAME test``; in a ``where``, NAME is a dimension or a measure."""

    name: str
    test: Test
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LastCampaigns:
    """``campaign in at least 2 of last 5 campaigns sent``; only in the where of a ``did``."""

    name: str
    quantifier: Quantifier
    last: Value
    event: str
    count: Value | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


class Many(Enum):
    """How a count is bounded; BETWEEN uses both ends."""

    AT_LEAST = auto()
    AT_MOST = auto()
    EXACTLY = auto()
    MORE_THAN = auto()
    FEWER_THAN = auto()
    BETWEEN = auto()


@dataclass(frozen=True, slots=True)
class Often:
    """``at least 3 times``, ``on between 2 and 5 days``; ``high`` only with BETWEEN."""

    many: Many
    low: Value
    high: Value | None = None
    on_days: bool = False


class Side(Enum):
    """Side of a date attribute."""

    AFTER = auto()
    BEFORE = auto()


@dataclass(frozen=True, slots=True)
class Relative:
    """``within 30 days after signup_date``."""

    duration: Duration
    side: Side
    attribute: str


@dataclass(frozen=True, slots=True)
class Habit:
    """``in at least 3 of last 4 weeks``; ``many`` is AT_LEAST, AT_MOST or EXACTLY."""

    many: Many
    count: Value
    last: Value
    unit: Unit


@dataclass(frozen=True, slots=True)
class Did:
    """``did open at least 3 times where (…) in last 30 days``.

    ``events`` has one name or several (``any of``). At most one of ``window``, ``relative`` and
    ``habit`` is given; none of them is ever.
    """

    events: tuple[str, ...]
    often: Often | None = None
    where: Rule | None = None
    window: Window | None = None
    relative: Relative | None = None
    habit: Habit | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Without:
    """``without unsubscribe where (…)``."""

    event: str
    where: Rule | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence. The first has neither ``negated``, ``within`` nor ``without``."""

    events: tuple[str, ...]
    negated: bool = False
    where: Rule | None = None
    within: Duration | None = None
    without: Without | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """``did open then click within 2 days in last 30 days``: 2 to 8 steps."""

    steps: tuple[Step, ...]
    all_within: Duration | None = None
    same: str = ""
    window: Window | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


class Edge(Enum):
    """First or last of the events that pass."""

    FIRST = auto()
    LAST = auto()


@dataclass(frozen=True, slots=True)
class Recency:
    """``last purchase where (…) is (…) in last 90 days``; ``passes`` is the ``is (…)``."""

    edge: Edge
    events: tuple[str, ...]
    where: Rule | None = None
    passes: Rule | None = None
    window: Window | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


class Function(Enum):
    """Aggregates over a person's events."""

    SUM = auto()
    AVG = auto()
    MIN = auto()
    MAX = auto()
    COUNT_DISTINCT = auto()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``sum(purchase.amount) >= 200 where (…) in last 365 days``."""

    function: Function
    event: str
    property: str
    test: NumberTest
    where: Rule | None = None
    window: Window | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Favourite:
    """``favourite(purchase.category) = "shoes" in last 365 days``."""

    event: str
    dimension: str
    test: Test
    where: Rule | None = None
    window: Window | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rate:
    """``rate(open / sent) >= 0.4 in last 90 days``."""

    numerator: str
    denominator: str
    test: NumberTest
    window: Window | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Stars:
    """``stars >= 3 in last 365 days``."""

    test: NumberTest
    window: Window | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Inactive:
    """``inactive for 180 days``."""

    duration: Duration
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class KnownFor:
    """``known for at least 30 days``."""

    duration: Duration
    span: Span | None = field(default=None, compare=False, repr=False)


Rule = (
    Everyone | Nobody | And | Or | NoneOf | AtLeast | Not | WeightedSum | Sample | Bucket | IdIn
    | InSegment | SegmentMove | Attribute | LastCampaigns | Did | Sequence | Recency | Aggregate
    | Favourite | Rate | Stars | Inactive | KnownFor
)  # fmt: skip


def children(rule: Rule) -> tuple[Rule, ...]:
    """The rules directly below ``rule`` that denote sets of subscribers (no where, no ``is``)."""
    if isinstance(rule, And | Or | NoneOf | AtLeast):
        return rule.rules
    if isinstance(rule, Not):
        return (rule.rule,)
    if isinstance(rule, WeightedSum):
        return tuple(term.rule for term in rule.terms)
    return ()


def wheres(rule: Rule) -> tuple[Rule, ...]:
    """The where and ``is`` trees directly below an event rule, in the order of the text."""
    if isinstance(rule, Did | Aggregate | Favourite):
        found = (rule.where,)
    elif isinstance(rule, Recency):
        found = (rule.where, rule.passes)
    elif isinstance(rule, Sequence):
        found = tuple(
            where
            for step in rule.steps
            for where in (step.where, step.without.where if step.without else None)
        )
    else:
        found = ()
    return tuple(where for where in found if where is not None)


def walk(rule: Rule) -> Iterator[tuple[Rule, int]]:
    """Every node with its depth (the root is 1, wheres counted on), in pre-order. No recursion."""
    stack = [(rule, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        below = children(node) + wheres(node)
        stack.extend((child, depth + 1) for child in reversed(below))


def literals(rule: Rule) -> Iterator[Value | ValueList]:
    """Every literal and list of one node itself (not of the rules and wheres below it)."""
    stack: list[object] = [rule]
    while stack:
        part = stack.pop()
        below: tuple[object, ...] = ()
        if isinstance(part, Value):
            yield part
        elif isinstance(part, ValueList):
            yield part
            below = part.values
        elif isinstance(part, tuple):
            below = part
        elif is_dataclass(part) and not isinstance(part, Span):
            below = tuple(getattr(part, f.name) for f in fields(part))
        stack.extend(p for p in reversed(below) if not isinstance(p, Rule))

"""Callbacks of the grammar's rules: one function for each alternative with an alias.

Nothing here recurses: the parser calls a callback when its children are built.
"""

from __future__ import annotations

from typing import Any

from headcount_server.core.rules.build_literals import LITERALS, whole_number
from headcount_server.core.rules.build_tests import TESTS
from headcount_server.core.rules.piece import (
    BadTokenError,
    Callbacks,
    Children,
    Piece,
    callback,
    name_of,
)
from headcount_server.core.rules.tree import (
    Aggregate,
    And,
    AtLeast,
    Attribute,
    Bucket,
    Did,
    Duration,
    Edge,
    Everyone,
    Favourite,
    Function,
    Habit,
    IdIn,
    Inactive,
    InSegment,
    KnownFor,
    LastCampaigns,
    Many,
    Move,
    Nobody,
    NoneOf,
    Not,
    Often,
    Or,
    Quantifier,
    Rate,
    Recency,
    Relative,
    Rule,
    Sample,
    SegmentMove,
    Sequence,
    Side,
    Span,
    Stars,
    Step,
    Value,
    Weight,
    WeightedSum,
    Without,
)

__all__ = ["callbacks"]

_RULES: Callbacks = {}


def callbacks() -> Callbacks:
    """Every callback of the grammar, by alias."""
    return {**LITERALS, **TESTS, **_RULES}


# --- composition ---


@callback(_RULES)
def or_rule(c: Children, span: Span) -> Or:
    return Or(_values(c[0::2]), span)


@callback(_RULES)
def and_rule(c: Children, span: Span) -> And:
    return And(_values(c[0::2]), span)


@callback(_RULES)
def not_rule(c: Children, span: Span) -> Not:
    return Not(c[1].value, span)


@callback(_RULES)
def parenthesised(c: Children, span: Span) -> Rule:
    return c[1].value


@callback(_RULES)
def all_of(c: Children, span: Span) -> And:
    return And(_values(c[3::2]), span)


@callback(_RULES)
def any_of(c: Children, span: Span) -> Or:
    return Or(_values(c[3::2]), span)


@callback(_RULES)
def none_of(c: Children, span: Span) -> NoneOf:
    return NoneOf(_values(c[3::2]), span)


@callback(_RULES)
def at_least(c: Children, span: Span) -> AtLeast:
    return AtLeast(c[2].value, _values(c[5::2]), span)


@callback(_RULES)
def weighted_sum(c: Children, span: Span) -> WeightedSum:
    terms = [Weight(c[i].value, c[i + 2].value) for i in range(3, len(c) - 2, 4)]
    return WeightedSum(tuple(terms), c[-1].value, span)


# --- conditions ---


@callback(_RULES)
def everyone(c: Children, span: Span) -> Everyone:
    return Everyone(span)


@callback(_RULES)
def nobody(c: Children, span: Span) -> Nobody:
    return Nobody(span)


@callback(_RULES)
def sample(c: Children, span: Span) -> Sample:
    return Sample(c[1].value, c[4].value, span)


@callback(_RULES)
def bucket(c: Children, span: Span) -> Bucket:
    return Bucket(c[1].value, c[3].value, c[5].value, span)


@callback(_RULES)
def id_in(c: Children, span: Span) -> IdIn:
    return IdIn(c[2].value, span)


@callback(_RULES)
def in_segment(c: Children, span: Span) -> InSegment:
    return InSegment(c[2].value, span)


@callback(_RULES)
def segment_move(c: Children, span: Span) -> SegmentMove:
    return SegmentMove(Move[c[0].type], c[2].value, c[3].value, span)


@callback(_RULES)
def attribute(c: Children, span: Span) -> Attribute:
    return Attribute(name_of(c[0]), c[1].value, span)


@callback(_RULES)
def last_campaigns(c: Children, span: Span) -> LastCampaigns:
    quantifier, count = c[2].value if c[2] is not None else (Quantifier.ANY, None)
    name, event = name_of(c[0]), name_of(c[6])
    return LastCampaigns(name, quantifier, c[4].value, event, count, span)


@callback(_RULES)
def quantity(c: Children, span: Span) -> tuple[Quantifier, Value | None]:
    return Quantifier[c[0].type], None


@callback(_RULES)
def quantity_at_least(c: Children, span: Span) -> tuple[Quantifier, Value | None]:
    return Quantifier.AT_LEAST, c[2].value


@callback(_RULES)
def inactive(c: Children, span: Span) -> Inactive:
    return Inactive(c[2].value, span)


@callback(_RULES)
def known_for(c: Children, span: Span) -> KnownFor:
    return KnownFor(c[4].value, span)


# --- behaviour ---


@callback(_RULES)
def did(c: Children, span: Span) -> Did | Not:
    _, negated, events, often, where, when = c
    parts: dict[str, Any] = {}
    if when is not None:
        if isinstance(when.value, Relative):
            parts["relative"] = when.value
        elif isinstance(when.value, Habit):
            parts["habit"] = when.value
        else:
            parts["window"] = when.value
    rule = Did(events.value, _optional(often), _optional(where), span=span, **parts)
    return Not(rule, span) if negated is not None else rule


@callback(_RULES)
def sequence(c: Children, span: Span) -> Sequence | Not:
    _, negated, events, where = c[:4]
    all_within, same, window = c[-3:]
    end = (where or events).end_pos
    first = Step(events.value, where=_optional(where), span=Span(events.start_pos, end))
    pieces = c[5:-3:2]
    for piece in pieces[:-1]:
        if piece.value.negated:
            place = Span(piece.start_pos, piece.start_pos + len("not"))
            raise BadTokenError(place, "INVALID_SEQUENCE", "'then not' can only be the last step")
    rule = Sequence(
        (first, *_values(pieces)),
        _optional(all_within),
        same.value if same is not None else "",
        _optional(window),
        span,
    )
    return Not(rule, span) if negated is not None else rule


@callback(_RULES)
def step(c: Children, span: Span) -> Step:
    negated, name, where, within, without = c
    if negated is not None and without is not None:
        place = Span(without.start_pos, without.end_pos)
        raise BadTokenError(place, "INVALID_SEQUENCE", "'without' can't follow 'then not'")
    return Step(
        (name_of(name),),
        negated is not None,
        _optional(where),
        _optional(within),
        _optional(without),
        span,
    )


@callback(_RULES)
def within(c: Children, span: Span) -> Duration:
    return c[1].value


@callback(_RULES)
def all_within(c: Children, span: Span) -> Duration:
    return c[2].value


@callback(_RULES)
def without(c: Children, span: Span) -> Without:
    return Without(name_of(c[1]), _optional(c[2]))


@callback(_RULES)
def same(c: Children, span: Span) -> str:
    return name_of(c[1])


@callback(_RULES)
def recency(c: Children, span: Span) -> Recency:
    edge, events, where, passes, window = c
    return Recency(
        Edge[edge.type],
        events.value,
        _optional(where),
        _optional(passes),
        _optional(window),
        span,
    )


@callback(_RULES)
def where_rule(c: Children, span: Span) -> Rule:
    return c[2].value


@callback(_RULES)
def where_tests(c: Children, span: Span) -> Rule:
    if len(c) == 2:
        return c[1].value
    return And(_values(c[1::2]), Span(c[1].start_pos, span.end))


@callback(_RULES)
def passes(c: Children, span: Span) -> Rule:
    return c[2].value


@callback(_RULES)
def one_event(c: Children, span: Span) -> tuple[str, ...]:
    return (name_of(c[0]),)


@callback(_RULES)
def any_event(c: Children, span: Span) -> tuple[str, ...]:
    return tuple([name_of(token) for token in c[3::2]])


@callback(_RULES)
def often_times(c: Children, span: Span) -> Often:
    many, low, high = c[0].value
    return Often(many, low, high)


@callback(_RULES)
def often_days(c: Children, span: Span) -> Often:
    many, low, high = c[1].value
    return Often(many, low, high, on_days=True)


@callback(_RULES)
def many_at_least(c: Children, span: Span) -> tuple[Many, Value, Value | None]:
    return Many.AT_LEAST, c[2].value, None


@callback(_RULES)
def many_at_most(c: Children, span: Span) -> tuple[Many, Value, Value | None]:
    return Many.AT_MOST, c[2].value, None


@callback(_RULES)
def many_exactly(c: Children, span: Span) -> tuple[Many, Value, Value | None]:
    return Many.EXACTLY, c[1].value, None


@callback(_RULES)
def many_more_than(c: Children, span: Span) -> tuple[Many, Value, Value | None]:
    return Many.MORE_THAN, c[2].value, None


@callback(_RULES)
def many_fewer_than(c: Children, span: Span) -> tuple[Many, Value, Value | None]:
    return Many.FEWER_THAN, c[2].value, None


@callback(_RULES)
def many_between(c: Children, span: Span) -> tuple[Many, Value, Value | None]:
    low, high = c[0].value
    return Many.BETWEEN, whole_number(low), whole_number(high)


@callback(_RULES)
def relative(c: Children, span: Span) -> Relative:
    return Relative(c[1].value, Side[c[2].type], name_of(c[3]))


@callback(_RULES)
def habit(c: Children, span: Span) -> Habit:
    many, count, _ = c[1].value
    return Habit(many, count, c[4].value, c[5].value)


@callback(_RULES)
def function(c: Children, span: Span) -> Function:
    return Function.COUNT_DISTINCT if len(c) == 2 else Function[c[0].type]


@callback(_RULES)
def aggregate(c: Children, span: Span) -> Aggregate:
    return Aggregate(
        c[0].value,
        name_of(c[2]),
        name_of(c[4]),
        c[6].value,
        _optional(c[7]),
        _optional(c[8]),
        span,
    )


@callback(_RULES)
def favourite(c: Children, span: Span) -> Favourite:
    return Favourite(
        name_of(c[2]), name_of(c[4]), c[6].value, _optional(c[7]), _optional(c[8]), span
    )


@callback(_RULES)
def rate(c: Children, span: Span) -> Rate:
    return Rate(name_of(c[2]), name_of(c[4]), c[6].value, _optional(c[7]), span)


@callback(_RULES)
def stars(c: Children, span: Span) -> Stars:
    return Stars(c[1].value, _optional(c[2]), span)


def _values(pieces: Children) -> tuple[Any, ...]:
    return tuple([piece.value for piece in pieces])


def _optional(piece: Piece | None) -> Any:
    return None if piece is None else piece.value

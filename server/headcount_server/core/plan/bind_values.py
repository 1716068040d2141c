"""Literals on their way into a bound rule: parameters replaced, types checked, limits held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from headcount_server.core import windows
from headcount_server.core.faults import Faults, refuse
from headcount_server.core.rules import tree
from headcount_server.core.rules.names import nearest
from headcount_server.core.texts import OneOf, fold
from headcount_server.core.windows import below_value, spelt
from headcount_server.errors import LimitExceeded, Violation
from headcount_server.limits import Limits

Literal = tree.Text | tree.Number | tree.Date | tree.Timestamp
AnyWindow = TypeVar("AnyWindow", bound=tree.Window)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a test is on, for messages: ``"age" is an integer``."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f'"{self.name}" is {self.kind}'


@dataclass(frozen=True, slots=True)
class Values:
    """The parameters of a question, and the limits that its literals keep to."""

    parameters: Mapping[str, tree.Value | tree.ValueList]
    limits: Limits

    def one(self, value: tree.Value, place: str, span: tree.Span | None) -> Literal:
        """The literal, or the one that a parameter is bound to.

        Raises:
            InvalidRule: the parameter is unbound, or bound to a list.
        """
        if not isinstance(value, tree.Parameter):
            return value
        field, span = below_value(place, value), value.span or span
        bound = self._bound(value.parameter, field, span)
        if isinstance(bound, tree.ValueList):
            refuse(
                field,
                f"${value.parameter} is a list; one value is needed here",
                "WRONG_TYPE",
                span,
                found=f"${value.parameter}",
                expected=("one value",),
            )
        if value.exactly and not isinstance(bound, tree.Text) and bound.spelling:
            bound = tree.Text(bound.spelling)
        if isinstance(bound, tree.Text):
            return replace(bound, exactly=bound.exactly or value.exactly, span=span)
        return replace(bound, span=span)

    def many(self, values: tree.ValueList, place: str, span: tree.Span | None) -> list[Literal]:
        """The literals of a list, or of the one that a parameter is bound to.

        Raises:
            InvalidRule: a parameter is unbound, the whole list is bound to one value, or a list
                that is written out is empty.
            LimitExceeded: too many values.
        """
        span = values.span or span
        if values.parameter:
            place = f"{place}.parameter"
            bound = self._bound(values.parameter, place, span)
            if not isinstance(bound, tree.ValueList):
                refuse(
                    place,
                    f"${values.parameter} is one value, and one value is no list",
                    "WRONG_TYPE",
                    span,
                    found=f"${values.parameter}",
                    expected=("list",),
                )
            listed = bound.values
        else:
            listed = values.values
            if not listed:
                refuse(f"{place}.values", "a list needs at least one value", "EMPTY_LIST", span)
        if len(listed) > self.limits.list_values_max:
            message = f"a list of {len(listed)} values; the limit is {self.limits.list_values_max}"
            raise LimitExceeded(message, (_placed(place, message, span),), limit="list_values_max")
        return [
            self.one(v, f"{place}.values[{i}]", span) if isinstance(v, tree.Parameter) else v
            for i, v in enumerate(listed)
        ]

    def text(
        self, value: tree.Value, subject: Subject, place: str, span: tree.Span | None
    ) -> tree.Text:
        """A string literal, for a test on ``subject``."""
        literal = self.one(value, place, span)
        return _text(literal, subject, place, span)

    def texts(
        self, values: tree.ValueList, subject: Subject, place: str, span: tree.Span | None
    ) -> list[tree.Text]:
        """The string literals of a list, in order; every one of a wrong type is told."""
        faults = Faults()
        found: list[tree.Text] = []
        for i, literal in enumerate(self.many(values, place, span)):
            if isinstance(literal, tree.Text):
                found.append(literal)
                continue
            with faults.collecting():
                found.append(_text(literal, subject, f"{place}.values[{i}]", span))
        faults.check()
        return found

    def number(
        self, value: tree.Value, subject: Subject, place: str, span: tree.Span | None
    ) -> Decimal:
        """A number literal, for a test on ``subject``."""
        return _number(self.one(value, place, span), subject, place, span)

    def numbers(
        self, values: tree.ValueList, subject: Subject, place: str, span: tree.Span | None
    ) -> list[Decimal]:
        """The number literals of a list, in order; every one of a wrong type is told."""
        faults = Faults()
        found: list[Decimal] = []
        for i, literal in enumerate(self.many(values, place, span)):
            if isinstance(literal, tree.Number) and literal.number.is_finite():
                found.append(literal.number)
                continue
            with faults.collecting():
                _number(literal, subject, f"{place}.values[{i}]", span)
        faults.check()
        return found

    def whole(
        self,
        value: tree.Value,
        place: str,
        what: str,
        span: tree.Span | None,
        high: int = 10**18,
    ) -> int:
        """A whole number from 0; more than ``high`` comes out as ``high``."""
        return windows.whole(self.one(value, place, span), place, what, span, high)

    def window(self, window: AnyWindow, place: str) -> AnyWindow:
        """The window with its parameters replaced; ``place`` ends with the window's variant."""
        span = window.span
        if isinstance(window, tree.InLast | tree.InNext | tree.MoreThan):
            amount = window.duration.amount
            if not isinstance(amount, tree.Parameter):
                return window
            amount = self.one(amount, f"{place}.duration.amount", span)
            return replace(window, duration=replace(window.duration, amount=amount))
        if isinstance(window, tree.Between | tree.BetweenRelative):
            low = self.one(window.low, f"{place}.low", span)
            high = self.one(window.high, f"{place}.high", span)
            return replace(window, low=low, high=high)
        if isinstance(window, tree.On | tree.Before | tree.After):
            return replace(window, moment=self.one(window.moment, f"{place}.moment", span))
        return window

    def _bound(self, name: str, place: str, span: tree.Span | None) -> Literal | tree.ValueList:
        bound = self.parameters.get(name)
        if bound is None or isinstance(bound, tree.Parameter):
            suggestion = nearest(name, self.parameters)
            hint = f"; did you mean ${suggestion}?" if suggestion else "; bind it in the request"
            refuse(
                place,
                f"parameter ${name} is not bound{hint}",
                "UNBOUND_PARAMETER",
                span,
                found=f"${name}",
                suggestion=suggestion,
                expected=tuple(sorted(self.parameters)),
            )
        return bound


def one_of(texts: list[tree.Text]) -> OneOf:
    """The test for a value that equals one of the texts."""
    return OneOf(
        frozenset(fold(text.text) for text in texts if not text.exactly),
        frozenset(text.text for text in texts if text.exactly),
    )


def _text(literal: Literal, subject: Subject, place: str, span: tree.Span | None) -> tree.Text:
    """The string; a literal that keeps its spelling may be meant as one."""
    if not isinstance(literal, tree.Text):
        if literal.spelling:
            return tree.Text(literal.spelling, span=literal.span)
        found = spelt(literal)
        refuse(
            below_value(place, literal),
            f'{subject}; write "{found}" in double quotes',
            "WRONG_TYPE",
            literal.span or span,
            found=found,
            expected=("string",),
            suggestion=f'"{found}"',
        )
    return literal


def _number(literal: Literal, subject: Subject, place: str, span: tree.Span | None) -> Decimal:
    if not isinstance(literal, tree.Number) or not literal.number.is_finite():
        found = spelt(literal)
        refuse(
            below_value(place, literal),
            f"{subject}; {found} is no number",
            "WRONG_TYPE",
            literal.span or span,
            found=found,
            expected=("number",),
        )
    return literal.number


def _placed(place: str, message: str, span: tree.Span | None) -> Violation:
    start, end = (span.start, span.end) if span else (-1, -1)
    return Violation(place, message, "LIMIT_EXCEEDED", start=start, end=end)

"""What all queries share: the rule, the time, parameters, scope and revision of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Protocol, TypeAlias, runtime_checkable
from zoneinfo import ZoneInfo

from headcount.v1 import audience_service_pb2, query_service_pb2, rule_pb2

from headcount_client import values
from headcount_client.calls.steps import Steps, read


@runtime_checkable
class Buildable(Protocol):
    """What can become a rule, such as the typed builder's expressions."""

    def to_rule(self) -> rule_pb2.Rule:
        """The rule."""
        ...


RuleLike: TypeAlias = str | rule_pb2.Rule | Buildable
AsOf: TypeAlias = datetime | date | None
Parameters: TypeAlias = Mapping[str, Any] | None


def set_rule(message: Any, rule: RuleLike, field: str, text_field: str) -> None:
    """Set a rule, or its text, in one of two fields.

    Raises:
        TypeError: it is neither text, a rule, nor something built.
    """
    match rule:
        case str():
            setattr(message, text_field, rule)
        case rule_pb2.Rule():
            getattr(message, field).CopyFrom(rule)
        case Buildable():
            getattr(message, field).CopyFrom(rule.to_rule())
        case _:
            raise TypeError(f"{rule!r} is no rule: give text, a protobuf Rule or a built one")


def set_question(message: Any, rule: RuleLike | None, segment: str | None) -> None:
    """Set the rule, text or segment that is asked for.

    Raises:
        TypeError: not exactly one of them is given.
    """
    if (rule is None) == (segment is None):
        raise TypeError("give either a rule or segment=NAME")
    if segment is not None:
        message.segment = segment
    elif rule is not None:
        set_rule(message, rule, "rule", "rule_text")


def add_questions(target: Any, rules: Iterable[Any], segments: Iterable[str] = ()) -> None:
    """Append rules, then segments, to a repeated field of questions."""
    for rule in rules:
        if isinstance(rule, query_service_pb2.Question):
            target.add().CopyFrom(rule)
        else:
            set_rule(target.add(), rule, "rule", "rule_text")
    for segment in segments:
        target.add(segment=segment)


def set_parameters(message: Any, parameters: Parameters) -> None:
    """Bind parameters."""
    for name, value in (parameters or {}).items():
        message.parameters[name.removeprefix("$")].CopyFrom(values.parameter(value))


def options(
    message: Any,
    audience: str,
    as_of: AsOf,
    parameters: Parameters,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[None]:
    """Fill what all queries share; a date as ``as_of`` asks for the audience's time zone."""
    message.audience = audience
    set_parameters(message, parameters)
    if within is not None:
        set_rule(message, within, "within", "within_text")
    if at_least_revision:
        message.at_least_revision = at_least_revision
    yield from set_as_of(message, audience, as_of)


def set_as_of(message: Any, audience: str, as_of: AsOf) -> Steps[None]:
    """Set the time that is taken for now; a date is its midnight in the audience's zone.

    Raises:
        ValueError: a naive datetime.
    """
    if as_of is None:
        return
    if not isinstance(as_of, datetime):
        request = audience_service_pb2.GetAudienceRequest(audience=audience)
        response = yield read("AudienceService", "GetAudience", request)
        zone = ZoneInfo(response.audience.time_zone or "UTC")
        as_of = datetime.combine(as_of, time(), zone)
    message.as_of.CopyFrom(values.timestamp(as_of))

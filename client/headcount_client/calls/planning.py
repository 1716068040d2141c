"""The calls of QueryService that help to decide before saving. All of them may be repeated.

Arguments are those of ``calls.queries``.
"""

from __future__ import annotations

from headcount.v1 import query_service_pb2 as pb

from headcount_client import results
from headcount_client.calls.queries import SERVICE
from headcount_client.calls.questions import (
    AsOf,
    Parameters,
    RuleLike,
    options,
    set_question,
)
from headcount_client.calls.steps import Steps, read
from headcount_client.results.convert import result


def forecast(
    audience: str,
    rule: RuleLike | None = None,
    *,
    segment: str | None = None,
    days: int = 30,
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.ForecastResponse]:
    """How many will enter and leave in the next ``days`` (1 to 400) if nothing else happens.

    The first of the ``points`` is now, the others are the ends of the days after today.
    """
    request = pb.ForecastRequest(days=days)
    set_question(request, rule, segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "Forecast", request)))


def diff(
    audience: str,
    old: RuleLike | None = None,
    new: RuleLike | None = None,
    *,
    old_segment: str | None = None,
    new_segment: str | None = None,
    sample_size: int = 10,
    seed: str = "",
    as_of: AsOf = None,
    parameters: Parameters = None,
    within: RuleLike | None = None,
    at_least_revision: int = 0,
) -> Steps[results.DiffResponse]:
    """Two versions of a rule: who matches both, only the old, only the new, with sample keys.

    Either version may be a segment instead of a rule.
    """
    request = pb.DiffRequest(sample_size=sample_size, seed=seed)
    set_question(request.old, old, old_segment)
    set_question(request.new, new, new_segment)
    yield from options(request, audience, as_of, parameters, within, at_least_revision)
    return result((yield read(SERVICE, "Diff", request)))

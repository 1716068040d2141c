"""Counts that are asked again: requests of equal bytes are neither decoded nor bound anew.

A request that was answered is kept with its bound rule. The same bytes are then counted over the
audience as it is, at the time that it is: answers are never kept. Where the rule would be bound
otherwise (another ``now`` for a rule that has a window, another schema, another segment), it is
bound again; where that fails, or the request must wait for a revision, it goes the long way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from headcount.v1 import query_service_pb2

from headcount_server.core.query import Ask, Count, Prepared, prepare
from headcount_server.core.rules.tree import Rule, Value, ValueList
from headcount_server.engine.interface import Engine
from headcount_server.errors import HeadcountError
from headcount_server.rpc.answers import set_count
from headcount_server.rpc.questions import KEPT_BYTES_MAX, KEPT_RULES_MAX, Stopwatch

Parameters = Mapping[str, Value | ValueList]


@dataclass(slots=True)
class _Kept:
    """A request, read; ``as_of_us`` is None where it means now."""

    audience: str
    rule: Rule
    as_of_us: int | None
    revision: int
    parameters: Parameters
    within: Rule | None
    prepared: Prepared


class KeptCounts:
    """The requests counted last, by their bytes; at most KEPT_RULES_MAX of KEPT_BYTES_MAX."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    def answer(self, raw: bytes) -> bytes | None:
        """The answer to a request that is known; None for one that must go the long way.

        Raises:
            NotFound: the audience is gone.
            Unavailable: the engine is recovering.
        """
        kept = self._kept.get(raw)
        if kept is None:
            return None
        self._kept.move_to_end(raw)
        audience = self._engine.audience(kept.audience)
        if audience.revision < kept.revision:
            return None
        watch = Stopwatch()
        now_us = self._engine.now_us() if kept.as_of_us is None else kept.as_of_us
        if not kept.prepared.fits(audience, now_us):
            try:
                ask = Ask(audience, now_us, kept.parameters, kept.within, self._engine.limits)
                kept.prepared = prepare(ask, kept.rule)
            except HeadcountError:
                del self._kept[raw]
                return None
        response = query_service_pb2.CountResponse()
        set_count(response, kept.prepared.count(audience))
        watch.tell(response, audience, now_us)
        return response.SerializeToString()

    def count(
        self, raw: bytes, request: query_service_pb2.CountRequest, ask: Ask, rule: Rule
    ) -> Count:
        """Counts, and keeps the request for the next time.

        Args:
            raw: the bytes of the request.
            request: the same; without a waterfall.
            ask: its options; nothing is bound by it yet.
            rule: what it asks.

        Raises:
            InvalidRule: the rule doesn't fit the schema, or a parameter is unbound.
        """
        prepared = prepare(ask, rule)
        if len(raw) <= KEPT_BYTES_MAX:
            as_of_us = ask.now_us if request.HasField("as_of") else None
            self._kept[raw] = _Kept(
                request.audience, rule, as_of_us, request.at_least_revision,
                ask.parameters, ask.within, prepared,
            )  # fmt: skip
            if len(self._kept) > KEPT_RULES_MAX:
                self._kept.popitem(last=False)
        return prepared.count(ask.audience)

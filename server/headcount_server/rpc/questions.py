"""Questions from the wire: rules in their spellings, and the options that every question shares.

Rules are read before anything is looked at; the ``Ask`` is made last, so that between it and the
answer nothing is awaited and the answer reflects one revision. Rules read from small messages and
texts are kept, since a UI asks the same ones again and again: a tree depends on nothing but its
spelling.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import query_service_pb2, rule_pb2

from headcount_server.core.audience import Audience
from headcount_server.core.query import Ask
from headcount_server.core.rules.messages import place as place_in_text
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tolerant import parse_tolerant
from headcount_server.core.rules.tree import Everyone, InSegment, Rule, Text
from headcount_server.core.segments import find
from headcount_server.engine.interface import Engine
from headcount_server.errors import HeadcountError, InvalidInput, Violation
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, Threads, require
from headcount_server.rpc.parameters import parameters_of, parameters_size
from headcount_server.rpc.rules import rule_of
from headcount_server.rpc.times import micros_of, set_duration, set_time

KEPT_RULES_MAX = 1_024
KEPT_BYTES_MAX = 4_096  # of the spelling of a rule that is kept
PARSE_WEIGHT = 8  # a character of a text costs so much more than a byte of a message
RECOVERY_WEIGHT = 64  # and this where the text is read past its faults


class Options(Protocol):
    """The fields that the requests of questions share."""

    audience: str
    at_least_revision: int

    @property
    def as_of(self) -> Timestamp: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, query_service_pb2.ParameterValue]: ...  # noqa: D102
    def HasField(self, field_name: Any, /) -> bool: ...  # noqa: D102, N802


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule as it was asked: with its text, or the name of the segment that it stands for.

    Attributes:
        incomplete: of a text read tolerantly, why parts were left out, in the order of the text.
        nothing_left: whether all of it was left out; the rule is then that of everyone.
    """

    rule: Rule
    text: str = ""
    segment: str = ""
    incomplete: tuple[Violation, ...] = ()
    nothing_left: bool = False

    @contextmanager
    def locating(self, place: str = "") -> Generator[None, None, None]:
        """Raise errors as ``located`` makes them."""
        try:
            yield
        except InvalidInput as error:
            raise self.located(error, place) from None

    def located(self, error: HeadcountError, place: str = "") -> HeadcountError:
        """The error with lines and columns in the text, and its fields below ``place``."""
        if not isinstance(error, InvalidInput):
            return error
        violations = tuple(self.placed(violation, place) for violation in error.violations)
        return type(error)(error.message, violations, **error.metadata)

    def placed(self, violation: Violation, place: str = "") -> Violation:
        """The fault with its line and column in the text, and its field below ``place``."""
        line, column = violation.line, violation.column
        if self.text and violation.start >= 0 and not line:
            line, column = place_in_text(self.text, violation.start)
        return replace(violation, field=place + violation.field, line=line, column=column)


class Questions:
    """Reads questions to an engine; keeps the rules that it read last."""

    def __init__(self, engine: Engine, threads: Threads) -> None:
        self._engine = engine
        self._threads = threads
        self._limits = engine.limits
        self._kept: OrderedDict[str | bytes, Rule] = OrderedDict()

    async def asked(self, message: Any, place: str = "", *, tolerant: bool = False) -> Asked:
        """The rule of a message with ``oneof question``; ``place`` is the message's path and a dot.

        Args:
            message: the question.
            place: for the faults.
            tolerant: whether unfinished conditions of a text are left out.

        Raises:
            InvalidRule, LimitExceeded: it can't be read.
            InvalidInput: nothing is asked.
        """
        kind = message.WhichOneof("question")
        if kind == "rule":
            return Asked(await self.rule(message.rule, f"{place}rule"))
        if kind == "rule_text":
            text = message.rule_text
            if tolerant:
                return await self.tolerant(text, f"{place}rule_text")
            return Asked(await self.text(text, f"{place}rule_text"), text)
        if kind is None:
            names = "rule, rule_text or segment"
            refuse(f"{place}rule", f"nothing is asked; one of {names} must be set", "MISSING")
        name = getattr(message, kind)
        if not name:
            refuse(f"{place}{kind}", "the name of the segment is missing", "MISSING")
        return Asked(InSegment(Text(name, exactly=False)), segment=name)

    async def question(
        self, request: Any, call: Call, *, tolerant: bool = False
    ) -> tuple[Ask, Asked, Stopwatch]:
        """A request with one question: who asks, what is asked, and the time from now on.

        Raises:
            NotFound: there is no such audience or segment.
            InvalidInput: something is missing or can't be.
        """
        require(audience=request.audience, rule=request.WhichOneof("question"))
        asked = await self.asked(request, tolerant=tolerant)
        ask = await self.ask(request, call)
        if asked.segment:
            find(asked.segment, ask.audience.segments)
        return ask, asked, Stopwatch()

    async def each(
        self, messages: Sequence[query_service_pb2.Question]
    ) -> list[Asked | HeadcountError]:
        """Many questions, each with its error in its place."""
        found: list[Asked | HeadcountError] = []
        for message in messages:
            try:
                found.append(await self.asked(message))
            except HeadcountError as error:
                found.append(error)
        return found

    async def within(self, message: Any, oneof: str = "scope") -> Asked | None:
        """The rule of an optional ``oneof`` with a tree or a text."""
        kind = message.WhichOneof(oneof)
        if kind is None:
            return None
        given = getattr(message, kind)
        if isinstance(given, str):
            return Asked(await self.text(given, kind), given)
        return Asked(await self.rule(given, kind))

    async def rule(self, message: rule_pb2.Rule, place: str) -> Rule:
        """The tree of a message."""
        size = message.ByteSize()
        if size > KEPT_BYTES_MAX:
            return await self._threads.run(size, rule_of, message, self._limits, place)
        return self._keeping(
            message.SerializeToString(), lambda: rule_of(message, self._limits, place)
        )

    async def text(self, text: str, place: str) -> Rule:
        """The tree of a text."""
        try:
            if len(text) > KEPT_BYTES_MAX:
                size = PARSE_WEIGHT * len(text)
                return await self._threads.run(size, parse, text, self._limits)
            return self._keeping(text, lambda: parse(text, self._limits))
        except InvalidInput as error:
            raise _placed(error, place) from None

    async def tolerant(self, text: str, place: str) -> Asked:
        """What a text, finished or not, asks."""
        rule = self._kept.get(text)
        if rule is not None:
            return Asked(rule, text)
        try:
            size = RECOVERY_WEIGHT * len(text)
            found = await self._threads.run(size, parse_tolerant, text, self._limits)
        except InvalidInput as error:
            raise _placed(error, place) from None
        incomplete = tuple(replace(fault, field=place) for fault in found.incomplete)
        if found.rule is None:
            return Asked(Everyone(), text, incomplete=incomplete, nothing_left=True)
        return Asked(found.rule, text, incomplete=incomplete)

    async def ask(self, request: Options, call: Call) -> Ask:
        """What asks under the request's options. Nothing may be awaited from here to the answer.

        Raises:
            NotFound: there is no such audience.
            InvalidInput: an option can't be.
            RevisionOutOfRange: the revision isn't reached in time.
        """
        require(audience=request.audience)
        now_us = _as_of(request)
        parameters = await self._threads.run(
            parameters_size(request.parameters), parameters_of, request.parameters, self._limits
        )
        has_scope = "scope" in getattr(request, "DESCRIPTOR").oneofs_by_name  # noqa: B009
        within = await self.within(request) if has_scope else None
        await self.reached(request.audience, request.at_least_revision, call)
        audience = self._engine.audience(request.audience)
        now_us = self._engine.now_us() if now_us is None else now_us
        try:
            scope = None if within is None else within.rule
            return Ask(audience, now_us, parameters, scope, self._limits)
        except InvalidInput as error:
            raise (error if within is None else within.located(error)) from None

    async def reached(self, audience: str, revision: int, call: Call) -> None:
        """Waits for a revision, 0 for none.

        Raises:
            RevisionOutOfRange: it isn't reached in time.
        """
        if revision < 0:
            refuse("at_least_revision", "the revision must be 0 or more", "OUT_OF_RANGE")
        if revision:
            await self._engine.reached(audience, revision, call.wait_s())

    def _keeping(self, spelling: str | bytes, read: Callable[[], Rule]) -> Rule:
        rule = self._kept.get(spelling)
        if rule is not None:
            self._kept.move_to_end(spelling)
            return rule
        rule = self._kept[spelling] = read()
        if len(self._kept) > KEPT_RULES_MAX:
            self._kept.popitem(last=False)
        return rule


def _as_of(request: Options) -> int | None:
    """The time of a question that has one, in microseconds."""
    fields = getattr(request, "DESCRIPTOR").fields_by_name  # noqa: B009
    if "as_of" not in fields or not request.HasField("as_of"):
        return None
    return micros_of(request.as_of, "as_of")


def _placed(error: InvalidInput, place: str) -> InvalidInput:
    """The error of a text that stands in another field than ``rule_text``."""
    violations = tuple(
        replace(v, field=place) if v.field == "rule_text" else v for v in error.violations
    )
    return type(error)(error.message, violations, **error.metadata)


def present(ask: Ask, asked: Asked | HeadcountError) -> Asked | HeadcountError:
    """What is asked, or the error that it names a segment that isn't there."""
    if isinstance(asked, Asked) and asked.segment:
        try:
            find(asked.segment, ask.audience.segments)
        except HeadcountError as error:
            return error
    return asked


class Stopwatch:
    """Engine time of one answer."""

    def __init__(self) -> None:
        self._start_ns = time.perf_counter_ns()

    def stamp(self, response: Any, ask: Ask) -> None:
        """Fill in what every answer tells."""
        self._tell(response, ask.audience_size, ask.revision, ask.now_us)

    def tell(self, response: Any, audience: Audience, now_us: int) -> None:
        """Fill in what every answer about an audience tells."""
        self._tell(response, audience.subscriber_count, audience.revision, now_us)

    def _tell(self, response: Any, audience_size: int, revision: int, now_us: int) -> None:
        set_duration(response.engine_duration, time.perf_counter_ns() - self._start_ns)
        response.audience_size = audience_size
        response.revision = revision
        set_time(response.as_of_time, now_us)

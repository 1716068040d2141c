"""The calls of QueryService about rules as such: ParseRule, FormatRule, SuggestRule."""

from __future__ import annotations

from headcount.v1 import query_service_pb2

from headcount_server.core import query
from headcount_server.core.query import Ask
from headcount_server.core.query.suggest import LIMIT_DEFAULT, suggestions
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.rules.suggest import expectations
from headcount_server.core.rules.tree import Rule
from headcount_server.engine.interface import Engine
from headcount_server.errors import InvalidInput, Unimplemented, Violation
from headcount_server.rpc import answers
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.calls import Call, Threads, require
from headcount_server.rpc.questions import RECOVERY_WEIGHT, Asked, Questions
from headcount_server.rpc.rules import rule_message
from headcount_server.rpc.slices import Slices


class RuleCalls:
    """Reading, writing and completing rules; what they share with questions is in Questions."""

    def __init__(self, engine: Engine, threads: Threads) -> None:
        self._engine = engine
        self._limits = engine.limits
        self._threads = threads
        self._questions = Questions(engine, threads)
        self._slices = Slices(engine, threads)

    async def parse_rule(
        self, request: query_service_pb2.ParseRuleRequest, _: Call
    ) -> query_service_pb2.ParseRuleResponse:
        """The tree of a text."""
        if request.tolerant:
            return await self._parse_tolerant(request)
        if not request.rule_text.strip():
            require(rule_text="")
        rule = await self._questions.text(request.rule_text, "rule_text")
        if request.audience:
            audience = self._engine.audience(request.audience)
            with Asked(rule, request.rule_text).locating():
                _bind_unbound(Ask(audience, self._engine.now_us(), {}, None, self._limits), rule)
        response = query_service_pb2.ParseRuleResponse(
            formatted_text=format_rule(rule, self._limits),
            parameters=answers.parameter_names(rule),
        )
        rule_message(rule, response.rule)
        return response

    async def _parse_tolerant(
        self, request: query_service_pb2.ParseRuleRequest
    ) -> query_service_pb2.ParseRuleResponse:
        asked = await self._questions.tolerant(request.rule_text, "rule_text")
        rule: Rule | None = None if asked.nothing_left else asked.rule
        unfit: list[Violation] = []
        if request.audience:
            audience = self._engine.audience(request.audience)
            ask = Ask(audience, self._engine.now_us(), {}, None, self._limits)
            found = query.checked(ask, asked.rule, unbound=True)
            unfit = query.faults(found)
            rule = rule and found.kept
        response = query_service_pb2.ParseRuleResponse()
        answers.set_incomplete(response.incomplete, asked, unfit)
        if rule is not None:
            response.formatted_text = format_rule(rule, self._limits)
            response.parameters.extend(answers.parameter_names(rule))
            rule_message(rule, response.rule)
        return response

    async def format_rule(
        self, request: query_service_pb2.FormatRuleRequest, _: Call
    ) -> query_service_pb2.FormatRuleResponse:
        """The text of a tree."""
        require(rule=request.HasField("rule"))
        rule = await self._questions.rule(request.rule, "rule")
        return query_service_pb2.FormatRuleResponse(rule_text=format_rule(rule, self._limits))

    async def suggest_rule(
        self, request: query_service_pb2.SuggestRuleRequest, _: Call
    ) -> query_service_pb2.SuggestRuleResponse:
        """What can stand at a place in an unfinished text."""
        require(audience=request.audience)
        highest = self._limits.suggestions_max
        if not 0 <= request.limit <= highest:
            what = f"limit is {request.limit}; it must be 0 to {highest}"
            refuse("limit", what, "OUT_OF_RANGE")
        self._engine.audience(request.audience)  # told before the text is read
        text = request.rule_text
        expected = await self._threads.run(
            RECOVERY_WEIGHT * len(text), expectations, text, request.position, self._limits
        )
        audience = self._engine.audience(request.audience)
        found = suggestions(audience, expected, request.limit or LIMIT_DEFAULT)
        response = query_service_pb2.SuggestRuleResponse()
        answers.set_suggestions(response, found)
        return response


def _bind_unbound(ask: Ask, rule: Rule) -> None:
    """Bind a rule whose parameters nobody has bound yet: that alone is no fault."""
    try:
        ask.bind(rule)
    except Unimplemented:
        return  # nothing is wrong with the rule
    except InvalidInput as error:
        violations = tuple(v for v in error.violations if v.reason != "UNBOUND_PARAMETER")
        if violations:
            message = violations[0].description
            raise type(error)(message, violations, **error.metadata) from None

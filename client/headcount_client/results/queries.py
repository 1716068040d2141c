"""Answers of QueryService, field for field. Immutable; counts are exact."""

from __future__ import annotations

from dataclasses import dataclass

from headcount.v1 import rule_pb2

from headcount_client.results.answers import Answer, SequenceOf


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Where something stands in a rule's text.

    Attributes:
        start: first Unicode code point, from 0.
        end: code point after the last.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """A step of the way from everyone to the reachable members.

    Attributes:
        label: what the step is: `audience`, the text of a condition, or `reachable`.
        count: how many are left after it.
        removed_count: how many it took away.
    """

    label: str
    count: int
    removed_count: int


@dataclass(frozen=True, slots=True)
class CountResponse(Answer):
    """Answer of Count.

    Attributes:
        total: how many match.
        reachable: how many of them can be reached; equal to `total` where the schema names no
            rule for it.
        waterfall: on request: from everyone through each part of the rule to the reachable.
    """

    total: int
    reachable: int
    waterfall: tuple[WaterfallStep, ...]


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A fault of a rule and its place.

    Attributes:
        field: path into the tree, or `rule_text`.
        description: what was wrong and what would be right.
        reason: stable code of the fault.
        line: place in the text, from 1; 0 without a text.
        column: place in the line in code points, from 1; 0 without a text.
        span: the same as a span; absent without a text.
        found: what stood there.
        expected: what could stand there.
        suggestion: the nearest known name, or empty.
    """

    field: str
    description: str
    reason: str
    line: int
    column: int
    span: TextSpan | None
    found: str
    expected: tuple[str, ...]
    suggestion: str


@dataclass(frozen=True, slots=True)
class QuestionError:
    """What went wrong with one of several rules.

    Attributes:
        code: gRPC status code.
        reason: stable reason, as in ErrorInfo.
        message: what was wrong and what would be right.
        faults: the faults one by one.
    """

    code: int
    reason: str
    message: str
    faults: tuple[RuleFault, ...]


@dataclass(frozen=True, slots=True)
class QuestionCount:
    """The count of one of several rules.

    Attributes:
        total: how many match.
        reachable: how many of them can be reached.
        error: set where the rule can't be answered; then the counts mean nothing.
    """

    total: int
    reachable: int
    error: QuestionError | None


@dataclass(frozen=True, slots=True)
class BatchCountResponse(Answer, SequenceOf[QuestionCount]):
    """Answer of BatchCount.

    Attributes:
        results: one for each question, in their order.
    """

    results: tuple[QuestionCount, ...]

    def _parts(self) -> tuple[QuestionCount, ...]:
        return self.results


@dataclass(frozen=True, slots=True)
class Warning:
    """What is odd about a node, though it can be answered.

    Attributes:
        reason: stable code. Of the rule alone: ALWAYS_EMPTY, ALWAYS_EVERYONE, RANGE_REVERSED,
            COUNT_PAST_NUMBER, FUTURE_EVENTS. Of the data as they are: REDUNDANT (the group's count
            is the same without this part), CONTRADICTION (nobody matches all parts of an `and`,
            though each has members).
        message: the same in words.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ExplainNode:
    """A node of a rule with its counts.

    Attributes:
        text: text of the node as the formatter writes it.
        field: path into the tree.
        span: its place in the text that was asked; absent without one.
        count: how many match this node alone (within the scope).
        cumulative_count: how many are left when the conditions before it in its `and`, and it,
            are applied; in an `or`, how many the ones before it, and it, have together.
        removed_count: how many it takes away from (in an `or`: adds to) the ones before it.
        nodes: the parts of the node.
        warnings: what is odd about it.
        error: set where the node can't be answered; then its counts mean nothing.
        without_count: how many the `and`, `or`, `none of` or `at least` that it is a part of would
            have without it; None elsewhere.
    """

    text: str
    field: str
    span: TextSpan | None
    count: int
    cumulative_count: int
    removed_count: int
    nodes: tuple[ExplainNode, ...]
    warnings: tuple[Warning, ...]
    error: QuestionError | None
    without_count: int | None


@dataclass(frozen=True, slots=True)
class ExplainResponse(Answer):
    """Answer of Explain.

    Attributes:
        total: how many match.
        reachable: how many of them can be reached.
        root: the root of the rule.
        incomplete: conditions that were left out.
    """

    total: int
    reachable: int
    root: ExplainNode | None
    incomplete: tuple[RuleFault, ...]


@dataclass(frozen=True, slots=True)
class CountStreamResponse(Answer):
    """The answer to a question on a slot.

    Attributes:
        slot: the slot.
        sequence: the question's sequence.
        total: how many match.
        reachable: how many of them can be reached.
        error: set where the rule can't be answered; then the counts mean nothing.
        incomplete: of a tolerant question, what was left out and why.
        root: on request, the root of the rule; absent where a tolerant question's text has no
            finished condition.
    """

    slot: int
    sequence: int
    total: int
    reachable: int
    error: QuestionError | None
    incomplete: tuple[RuleFault, ...]
    root: ExplainNode | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What can stand at a place.

    Attributes:
        text: what to insert.
        kind: keyword, attribute, event, dimension, measure, value or segment.
        count: how many subscribers or events have a value; 0 for others.
        span: the part of the text that it replaces.
    """

    text: str
    kind: str
    count: int
    span: TextSpan | None


@dataclass(frozen=True, slots=True)
class SuggestRuleResponse:
    """Answer of SuggestRule.

    Attributes:
        suggestions: best first.
    """

    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class ParseRuleResponse:
    """Answer of ParseRule.

    Attributes:
        rule: the tree, with spans.
        formatted_text: the text as the formatter writes it.
        parameters: names of the parameters in it, in the order of their first use.
        incomplete: conditions that were left out.
    """

    rule: rule_pb2.Rule | None
    formatted_text: str
    parameters: tuple[str, ...]
    incomplete: tuple[RuleFault, ...]


@dataclass(frozen=True, slots=True)
class FormatRuleResponse:
    """Answer of FormatRule.

    Attributes:
        rule_text: its text.
    """

    rule_text: str

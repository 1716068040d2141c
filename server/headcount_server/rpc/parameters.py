"""Bound parameters of a question, from the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping

from headcount.v1 import query_service_pb2

from headcount_server.core.rules import tree
from headcount_server.core.rules.literals import parse_literal
from headcount_server.errors import LimitExceeded, Violation
from headcount_server.limits import Limits
from headcount_server.rpc.bad_rows import refuse
from headcount_server.rpc.rules import list_of, value_of

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NONE = "nothing is set; one of value, list, literal must be"


def parameters_of(
    messages: Mapping[str, query_service_pb2.ParameterValue], limits: Limits
) -> dict[str, tree.Value | tree.ValueList]:
    """What each parameter is bound to, by name.

    Raises:
        InvalidInput: a name or value that can't be.
        LimitExceeded: too many parameters, or too many values in a list.
    """
    if len(messages) > limits.parameters_max:
        what = f"{len(messages)} parameters; the limit is {limits.parameters_max}"
        violation = Violation("parameters", what, "LIMIT_EXCEEDED")
        raise LimitExceeded(what, (violation,), limit="parameters_max")
    return {name: _bound(name, messages[name], limits) for name in sorted(messages)}


def parameters_size(messages: Mapping[str, query_service_pb2.ParameterValue]) -> int:
    """Bytes to read."""
    return sum(message.ByteSize() for message in messages.values())


def _bound(
    name: str, message: query_service_pb2.ParameterValue, limits: Limits
) -> tree.Value | tree.ValueList:
    place = f'parameters["{name[:80]}"]'
    if not _NAME.fullmatch(name):
        what = "a parameter's name is a-z, 0-9 and _, beginning with a letter"
        refuse(place, what, "INVALID_NAME")
    kind = message.WhichOneof("kind")
    if kind == "literal":
        return parse_literal(message.literal, limits)
    if kind == "value":
        value: tree.Value | tree.ValueList = value_of(message.value, f"{place}.value")
        inner: tuple[object, ...] = (value,)
    elif kind == "list":
        value = list_of(message.list, f"{place}.list", limits)
        inner = (*value.values, *((tree.Parameter(value.parameter),) if value.parameter else ()))
    else:
        refuse(place, _NONE, "UNSET")
    if any(isinstance(part, tree.Parameter) for part in inner):
        refuse(place, "a parameter can't be bound to a parameter", "WRONG_TYPE")
    return value

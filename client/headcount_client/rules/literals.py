"""Values in rules: parameters, strings compared with case, lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headcount.v1 import rule_pb2

from headcount_client import values


def param(name: str) -> rule_pb2.Value:
    """``$name``: a value, or where a list is asked for a whole list, that the request binds."""
    return rule_pb2.Value(parameter=name.removeprefix("$"))


def exactly(value: str | rule_pb2.Value) -> rule_pb2.Value:
    """A string, or a parameter, that is compared with case."""
    message = rule_pb2.Value()
    message.CopyFrom(values.literal(value))
    message.exactly = True
    return message


def value_list(listed: Iterable[Any] | rule_pb2.Value) -> rule_pb2.ValueList:
    """Several values, or one parameter that stands for a whole list.

    Raises:
        TypeError: a string, where a list of strings is meant.
    """
    if isinstance(listed, rule_pb2.Value):
        if not listed.parameter:
            raise TypeError(f"{listed!r} is one value; a list of values is needed")
        return rule_pb2.ValueList(parameter=listed.parameter)
    if isinstance(listed, str):
        raise TypeError(f"{listed!r} is one string; a list of values is needed")
    return rule_pb2.ValueList(values=[values.literal(value) for value in listed])

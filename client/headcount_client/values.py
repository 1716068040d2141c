"""Python values to messages and back: keys, times, values of attributes, parameters.

Pure. Numbers are exact: ``float`` is refused wherever a decimal is meant. Times carry their zone:
a naive ``datetime`` is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import ingest_service_pb2, query_service_pb2, rule_pb2

Key = str | int
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class Location(NamedTuple):
    """A place: degrees, latitude -90 to 90, longitude -180 to 180."""

    latitude: float
    longitude: float


AttributeValue = (
    str | bool | int | Decimal | date | datetime | Location | list[str] | tuple[str, ...] | None
)


def timestamp(moment: datetime) -> Timestamp:
    """The message of an aware datetime.

    Raises:
        ValueError: the datetime has no time zone.
        TypeError: it is no datetime.
    """
    if not isinstance(moment, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{moment!r} is no datetime")
    if moment.tzinfo is None:
        raise ValueError(
            f"{moment!r} has no time zone; give it one, for example"
            " datetime(2026, 3, 31, tzinfo=timezone.utc)"
        )
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def duration(length: timedelta) -> Duration:
    """The message of a length of time."""
    message = Duration()
    message.FromTimedelta(length)
    return message


def decimal_text(number: Decimal | int) -> str:
    """The exact spelling of a number, without exponent.

    Raises:
        ValueError: it is infinite or not a number.
    """
    if isinstance(number, Decimal) and not number.is_finite():
        raise ValueError(f"{number} is no finite number")
    return format(number, "f") if isinstance(number, Decimal) else str(number)


def refuse_float(value: float) -> TypeError:
    """The error for a float where numbers are exact."""
    return TypeError(
        f"{value!r} is a float, and numbers are exact here; use Decimal({str(value)!r})"
    )


def key(value: Key) -> ingest_service_pb2.Key:
    """The message of a key: a string or an integer.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, str):
        return ingest_service_pb2.Key(text=value)
    return ingest_service_pb2.Key(number=_integer_key(value))


def keys(values: Iterable[Key]) -> ingest_service_pb2.Keys:
    """The message of many keys, all strings or all integers.

    Raises:
        TypeError: they are neither, or mixed.
    """
    listed = list(values)
    if all(isinstance(value, str) for value in listed):
        return ingest_service_pb2.Keys(texts=[str(value) for value in listed])
    if any(isinstance(value, str) for value in listed):
        raise TypeError("keys must be all strings or all integers; these are mixed")
    return ingest_service_pb2.Keys(numbers=[_integer_key(value) for value in listed])


def _integer_key(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no key; keys are strings or integers")
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"key {value} is beyond 64 signed bits")
    return value


def python_key(message: ingest_service_pb2.Key) -> Key | None:
    """A key as a string or an integer; None where none is set."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    return message.text if kind == "text" else message.number


def python_keys(message: ingest_service_pb2.Keys) -> tuple[Key, ...]:
    """Keys as strings or integers, in their order."""
    return tuple(message.texts) if message.texts else tuple(message.numbers)


def attribute_value(value: Any) -> ingest_service_pb2.AttributeValue:
    """The message of a value; None is a missing value.

    Raises:
        TypeError: no type of attribute has such values; a float, which isn't exact.
        ValueError: a naive datetime, an infinite number, an integer beyond 64 signed bits.
    """
    message = ingest_service_pb2.AttributeValue()
    match value:
        case None:
            pass
        case bool():
            message.boolean = value
        case str():
            message.text = value
        case int():
            message.integer = _int64(value)
        case Decimal():
            message.decimal = decimal_text(value)
        case datetime():
            message.timestamp.CopyFrom(timestamp(value))
        case date():
            message.date = value.isoformat()
        case Location():
            message.location.latitude, message.location.longitude = value
        case float():
            raise refuse_float(value)
        case list() | tuple() | set() | frozenset():
            message.texts.SetInParent()
            message.texts.values.extend(_strings(value))
        case _:
            raise TypeError(f"{value!r} of type {type(value).__name__} is no value of an attribute")
    return message


def python_value(message: ingest_service_pb2.AttributeValue) -> AttributeValue:
    """A value of an attribute; None for a missing one."""
    kind = message.WhichOneof("kind")
    match kind:
        case "texts":
            return tuple(message.texts.values)
        case "decimal":
            return Decimal(message.decimal)
        case "date":
            return date.fromisoformat(message.date)
        case "timestamp":
            return message.timestamp.ToDatetime(tzinfo=UTC)
        case "location":
            return Location(message.location.latitude, message.location.longitude)
        case None:
            return None
        case _:
            return getattr(message, kind)


def literal(value: Any, *, exactly: bool = False) -> rule_pb2.Value:
    """A value as it stands in a rule.

    Raises:
        TypeError: a float, which isn't exact, or something that no rule can hold.
        ValueError: a naive datetime or an infinite number.
    """
    match value:
        case rule_pb2.Value():
            return value
        case str():
            return rule_pb2.Value(text=value, exactly=exactly)
        case bool():
            raise TypeError(f"{value!r} can't stand in a rule; use is_true() or is_false()")
        case int() | Decimal():
            return rule_pb2.Value(number=decimal_text(value))
        case datetime():
            return rule_pb2.Value(timestamp=timestamp(value))
        case date():
            return rule_pb2.Value(date=value.isoformat())
        case float():
            raise refuse_float(value)
        case _:
            raise TypeError(f"{value!r} of type {type(value).__name__} can't stand in a rule")


def parameter(value: Any) -> query_service_pb2.ParameterValue:
    """A value, or a list of values, that a parameter is bound to.

    Raises:
        TypeError, ValueError: as ``literal``.
    """
    if isinstance(value, query_service_pb2.ParameterValue):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        listed = sorted(value) if isinstance(value, set | frozenset) else value
        values = rule_pb2.ValueList(values=[literal(one) for one in listed])
        return query_service_pb2.ParameterValue(list=values)
    return query_service_pb2.ParameterValue(value=literal(value))


def _strings(values: Iterable[Any]) -> list[str]:
    listed = sorted(values) if isinstance(values, set | frozenset) else list(values)
    for value in listed:
        if not isinstance(value, str):
            raise TypeError(
                f"{value!r} is no string; a list is the value of a keywords attribute, and a"
                " place is a Location(latitude, longitude)"
            )
    return listed


def _int64(value: int) -> int:
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"{value} is beyond 64 signed bits")
    return value


def events_properties(
    dimensions: Mapping[str, str | None], measures: Mapping[str, Decimal | int | str | None]
) -> tuple[dict[str, str], dict[str, str]]:
    """Dimensions and measures of an event in the spelling of the wire; None is left out.

    Raises:
        TypeError: a dimension that is no string, or a measure that is a float.
    """
    texts: dict[str, str] = {}
    for name, text in dimensions.items():
        if text is None:
            continue
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"dimension {name}: {text!r} is no string")
        texts[name] = text
    numbers: dict[str, str] = {}
    for name, number in measures.items():
        if isinstance(number, float):
            raise refuse_float(number)
        if number is not None:
            numbers[name] = number if isinstance(number, str) else decimal_text(number)
    return texts, numbers

"""Times on the wire: ``Timestamp`` and ``Duration`` to and from microseconds.

Times are kept to the microsecond: finer digits of a ``Timestamp`` are dropped. A time outside the
years 1 to 9999 is refused.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headcount_server.core.calendar import FIRST_US, LAST_US
from headcount_server.errors import InvalidInput, Violation

_SECOND_US = 1_000_000
_SECOND_NS = 1_000_000_000


def micros_of(message: Timestamp, field: str) -> int:
    """Microseconds since 1970-01-01T00:00Z.

    Raises:
        InvalidInput: naming ``field``, if the time or its nanoseconds are out of range.
    """
    if fault := fault_of(message):
        raise InvalidInput(f"{field}: {fault}", (Violation(field, fault, "INVALID_TIME"),))
    return raw_micros(message)


def raw_micros(message: Timestamp) -> int:
    """Microseconds since 1970-01-01T00:00Z of any message, sound or not."""
    return message.seconds * _SECOND_US + message.nanos // 1000


def fault_of(message: Timestamp) -> str:
    """What is wrong with a time, or ""."""
    if not 0 <= message.nanos < _SECOND_NS:
        return f"nanos is {message.nanos}; it must be 0 to 999999999"
    if not FIRST_US <= raw_micros(message) <= LAST_US:
        return f"{message.seconds} seconds since 1970 is outside the years 1 to 9999"
    return ""


def set_time(message: Timestamp, micros: int) -> None:
    """Fill ``message`` with an instant."""
    seconds, rest = divmod(micros, _SECOND_US)
    message.seconds = seconds
    message.nanos = rest * 1000


def set_duration(message: Duration, nanos: int) -> None:
    """Fill ``message`` with a duration of 0 or more nanoseconds."""
    message.seconds, message.nanos = divmod(nanos, _SECOND_NS)


def seconds_of(message: Duration, field: str, highest: float) -> float:
    """Seconds of a duration of 0 to ``highest`` seconds.

    Raises:
        InvalidInput: naming ``field``.
    """
    seconds = message.seconds + message.nanos / _SECOND_NS
    if not 0 <= seconds <= highest:
        what = f"{seconds:g} seconds; it must be 0 to {highest:g}"
        raise InvalidInput(f"{field}: {what}", (Violation(field, what, "OUT_OF_RANGE"),))
    return seconds

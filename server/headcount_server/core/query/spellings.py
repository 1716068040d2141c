"""Stored values as people read them, in the rule language's spelling."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from headcount_server.core.calendar import day_date
from headcount_server.core.rules.tree import Unit
from headcount_server.core.schema import AttributeSchema, AttributeType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def spelt_value(schema: AttributeSchema, value: int) -> str:
    """An integer of a number, date or timestamp attribute, as a literal of the rule language."""
    if schema.type is AttributeType.DATE:
        return day_date(value).isoformat()
    if schema.type is AttributeType.TIMESTAMP:
        instant = _EPOCH + timedelta(microseconds=value)
        return instant.replace(tzinfo=None).isoformat() + "Z"
    return spelt_number(Decimal(value).scaleb(-schema.scale))


def spelt_number(number: Decimal) -> str:
    """A decimal without an exponent."""
    return format(number, "f")


def spelt_period(first: date, unit: Unit) -> str:
    """A period by its first day: 2026-03-31, 2026-W14, 2026-03, 2026-Q1 or 2026."""
    if unit is Unit.YEAR:
        return f"{first.year:04d}"
    if unit is Unit.QUARTER:
        return f"{first.year:04d}-Q{(first.month + 2) // 3}"
    if unit is Unit.MONTH:
        return f"{first.year:04d}-{first.month:02d}"
    if unit is Unit.WEEK:
        year, week, _ = first.isocalendar()
        return f"{year:04d}-W{week:02d}"
    return first.isoformat()

"""The settings that audiences and rules are drawn for: schema, zone and clock, and pools of values.

Values come from small pools, so that rules hit: spellings that fold alike, both ends of the 64-bit
numbers, leap days, month ends, clock changes, the microseconds around ``now``, midnights and hours.
Times are µs since the epoch.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from headcount_server.core.schema import (
    AttributeSchema,
    AttributeType,
    EventSchema,
    KeyType,
    Schema,
)
from hypothesis import strategies as st

ZONES = {  # with instants at which their clocks change
    "UTC": (),
    "Europe/Berlin": ("2025-03-30T01:00", "2025-10-26T01:00"),
    "America/New_York": ("2025-03-09T07:00", "2025-11-02T06:00"),
    "Australia/Adelaide": ("2025-04-05T16:30", "2025-10-04T16:30"),
    "Asia/Kathmandu": ("1985-12-31T18:30",),
    "Pacific/Apia": ("2011-12-30T10:00", "2021-04-03T14:00"),  # 30 December 2011 never was
    "America/St_Johns": ("2025-03-09T05:30", "2010-11-07T02:31"),  # set back over midnight
}
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
SECOND = 1_000_000
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STRING_SCHEMA = Schema(
    key=KeyType.STRING,
    change_days=20_000,  # more than rules ask for: writes may bear a time later than the question's
    attributes=(
        AttributeSchema("country", AttributeType.KEYWORD),
        AttributeSchema("plan", AttributeType.KEYWORD),
        AttributeSchema("tags", AttributeType.KEYWORDS),
        AttributeSchema("name", AttributeType.TEXT),
        AttributeSchema("email", AttributeType.TEXT),
        AttributeSchema("consent", AttributeType.BOOLEAN),
        AttributeSchema("age", AttributeType.INTEGER),
        AttributeSchema("spend", AttributeType.DECIMAL, 2),
        AttributeSchema("signup_date", AttributeType.DATE),
        AttributeSchema("birthday", AttributeType.DATE),
        AttributeSchema("last_login", AttributeType.TIMESTAMP),
        AttributeSchema("home", AttributeType.LOCATION),
    ),
    events=(
        EventSchema("sent", ("campaign",)),
        EventSchema("open", ("campaign", "link")),
        EventSchema("click", ("campaign", "link")),
        EventSchema(
            "purchase", ("category", "campaign", "product"), (("amount", 2), ("quantity", 0))
        ),
        EventSchema("add_to_cart", ("category", "product"), (("quantity", 0),)),
        EventSchema("bounce", activity=False),
    ),
)
SCHEMAS = {key: replace(STRING_SCHEMA, key=key) for key in KeyType}
KEYS: dict[KeyType, tuple[str | int, ...]] = {
    KeyType.STRING: (
        *("s", "S", "Straße", "STRASSE", "0", "é", "e\u0301", " ", "日本", "k" * 255),
        *(f"s{n}" for n in range(30)),
    ),
    KeyType.UINT32: (0, 1, 2, 65_535, 65_536, 131_071, 4_194_304, *range(100, 133)),
    KeyType.INT64: (0, 1, -1, INT64_MIN, INT64_MAX, 2**32, -(2**32), *range(100, 133)),
}
WORDS = (
    "DE",
    "de",
    "Straße",
    "STRASSE",
    "strasse",
    "É",
    "é",
    "E",
    "ﬁ",
    "FI",
    "a*b?c",
    "x y",
    "µ",
    "μ",
)
KEYWORDS = ("news", "News", "NEWS", "churned", "CR.a", "cr.B", "Straße", "strasse")
TEXTS = (
    "ann@gmail.com", "Ann@GMail.com", "bob@x@example.org", "no-at", "a@", "É@Straße.de",
    "Ann Smith", "ann smith", "STRASSE", "straße", "100%", "tab\there",
)  # fmt: skip
CAMPAIGNS = ("spring", "Spring", "summer", "straße", "STRASSE", "É")
CATEGORIES = ("shoes", "Shoes", "hats")
PIECES = ("s", "SS", "ß", "e", "É", "ann", "@", "sp", "r", "*", "%", "x@", "CR.", "", "\t", "de")
INTEGERS = (18, 0, -1, 1, 17, 19, 65, -18, INT64_MIN, INT64_MAX, INT64_MIN + 1, INT64_MAX - 1)
AMOUNTS = tuple(
    map(Decimal, ("10.00", "0", "-0.01", "0.01", "9.99", "10.01", "100", "-10",
                  "92233720368547758.07", "-92233720368547758.08"))
)  # fmt: skip
PLACES = (
    (52.52, 13.40), (52.50, 13.45), (48.10, 11.60), (0.0, 180.0), (0.0, -180.0), (90.0, 0.0),
    (89.9, 170.0), (-90.0, 45.0), (-18.1, 179.9), (-18.1, -179.9), (40.7, -74.0), (0.0, 0.0),
)  # fmt: skip
_DAYS = (0, -1, 1, -2, 2, -6, -7, 7, -8, 8, -28, -30, -31, 30, 31, -60, -61, -90, -91, -92, -180)
_YEARS = (-364, -365, -366, -367, -400, -730, -731, 365, 366, -3653)
_ELAPSED = (
    0, 1, -1, -60 * SECOND, -HOUR // 2, -HOUR, -HOUR - 1, -2 * HOUR, -3 * HOUR + 1, -5 * HOUR,
    -DAY, 1 - DAY, -1 - DAY, -2 * DAY, -25 * HOUR, -7 * DAY, -30 * DAY, HOUR, DAY, 7 * DAY,
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Setting:
    """A schema with its time zone, and the time of the question in µs."""

    schema: Schema
    now: int

    @property
    def zone(self) -> ZoneInfo:
        """The audience's time zone."""
        return ZoneInfo(self.schema.time_zone)

    @property
    def today(self) -> date:
        """The calendar day of ``now``."""
        return moment(self.now).astimezone(self.zone).date()

    def __repr__(self) -> str:
        return f"<{self.schema.key.value} keys, {self.schema.time_zone}, {moment(self.now)}>"


def micros(aware: datetime) -> int:
    """An aware datetime as µs since the epoch."""
    return (aware - _EPOCH) // timedelta(microseconds=1)


def moment(time: int) -> datetime:
    """µs since the epoch as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=time)


@lru_cache(maxsize=64)
def clocks(time_zone: str) -> tuple[int, ...]:
    """Awkward values of ``now`` in a zone: clock changes, midnights, leap days, ends of months."""
    zone = ZoneInfo(time_zone)
    noon = [datetime(2025, 6, 18, 12, 34, 56, 789_012, zone)]
    edges = [
        datetime(2024, 2, 29, 12, tzinfo=zone), datetime(2025, 2, 28, 23, 59, 59, 999_999, zone),
        datetime(2025, 1, 1, tzinfo=zone), datetime(2024, 12, 31, 23, 30, tzinfo=zone),
        datetime(2025, 3, 31, 9, tzinfo=zone), datetime(2025, 11, 30, 1, 30, tzinfo=zone),
        datetime(2025, 2, 3, tzinfo=zone), datetime(2024, 3, 1, 0, 0, 0, 1, zone),
    ]  # fmt: skip
    found = [micros(time.astimezone(UTC)) for time in noon + edges]
    for change in _changes(time_zone):
        found += [change + offset for offset in (-1, 0, HOUR // 2, 25 * HOUR, 3 * DAY)]
    return tuple(found)


def dimension_pool(name: str) -> tuple[str, ...]:
    """The values that a dimension takes."""
    return {"campaign": CAMPAIGNS, "category": CATEGORIES}.get(name, ("a/sale", "A/Sale", "b", "ß"))


@st.composite
def settings(draw: st.DrawFn, *keys: KeyType) -> Setting:
    """A schema in an awkward time zone at an awkward time; string keys unless others are named."""
    key = draw(st.sampled_from(keys or (KeyType.STRING,)))
    zone = draw(st.sampled_from(tuple(ZONES)))
    return Setting(replace(SCHEMAS[key], time_zone=zone), draw(st.sampled_from(clocks(zone))))


@lru_cache(maxsize=256)
def times(setting: Setting) -> tuple[int, ...]:
    """Instants that matter at a setting's ``now``; ``now`` first."""
    found = [setting.now + offset for offset in _ELAPSED]
    for days in _DAYS + _YEARS:
        midnight = datetime.combine(setting.today, datetime.min.time(), setting.zone)
        midnight += timedelta(days=days)
        start = micros(midnight.astimezone(UTC))
        found += [start, start - 1, start + 10 * HOUR]
    hour = moment(setting.now).astimezone(setting.zone)
    hour_start = setting.now - (hour.minute * 60 + hour.second) * SECOND - hour.microsecond
    for hours in (-3, -2, -1, 0, 1, 2, 3):
        found += [hour_start + hours * HOUR, hour_start + hours * HOUR - 1]
    for change in _changes(setting.schema.time_zone):
        found += [change, change - 1]
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=256)
def dates(setting: Setting) -> tuple[date, ...]:
    """Days that matter at a setting's ``now``; today first."""
    today = setting.today
    found = [today + timedelta(days=days) for days in _DAYS + _YEARS]
    for years in (1, 2, 4, 30):
        year = today.year - years
        for near in (today, today + timedelta(days=7), today - timedelta(days=3)):
            found.append(date(year, near.month, min(near.day, monthrange(year, near.month)[1])))
    found += [date(2024, 2, 29), date(2000, 2, 29), date(2023, 2, 28), date(2024, 12, 31)]
    found += [date(2025, 1, 1), date(2025, 1, 31), date(2025, 3, 31), date(2011, 12, 30)]
    return tuple(dict.fromkeys([*found, date.min, date.max]))


def _changes(time_zone: str) -> Sequence[int]:
    return [micros(datetime.fromisoformat(time + "+00:00")) for time in ZONES[time_zone]]


EXTREMES = tuple(
    micros(time.replace(tzinfo=UTC))
    for time in (
        datetime(1, 1, 2),
        datetime(9999, 12, 30, 23, 59, 59, 999_999),
        datetime(1900, 1, 1),
    )
)

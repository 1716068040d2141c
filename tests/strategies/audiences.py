"""Hypothesis strategies for small audiences, from small pools, so that rules hit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from headcount_server.core.schema import AttributeType, EventSchema, KeyType
from hypothesis import strategies as st

from .edits import Edit, Key, Record, Upsert
from .picking import Pick
from .settings import (
    AMOUNTS,
    EXTREMES,
    INT64_MAX,
    INT64_MIN,
    INTEGERS,
    KEYS,
    KEYWORDS,
    PLACES,
    TEXTS,
    WORDS,
    Setting,
    dates,
    dimension_pool,
    settings,
    times,
)

_SIZES = (8, 4, 0, 12, 2, 20, 8, 1, 40)


@st.composite
def audiences(draw: st.DrawFn, setting: Setting, events: int = 60) -> list[Edit]:
    """The writes that make an audience of 0 to 40 people and 0 to ``events`` events."""
    pick = Pick(draw, setting)
    start, size = pick.index(len(KEYS[setting.schema.key])), pick.one(_SIZES)
    pool = KEYS[setting.schema.key]
    keys = (pool[start:] + pool[:start])[:size]
    edits: list[Edit] = [upsert(pick, key) for key in keys]
    if keys:
        # Few people have most of the events, so that counts, habits and sequences come about.
        edits += pick.some(lambda: record(pick, keys[:4]), 0, events)
    return edits


@st.composite
def cases(draw: st.DrawFn, *keys: KeyType) -> tuple[Setting, list[Edit]]:
    """A setting, and the writes that make an audience in it."""
    setting = draw(settings(*keys))
    return setting, draw(audiences(setting))


def upsert(pick: Pick, key: Key, at: int | None = None, removing: bool = False) -> Upsert:
    """A write of one subscriber, at one of the setting's times unless told."""
    moments = times(pick.setting)
    return Upsert(
        key,
        values(pick, removing),
        pick.one(moments) if at is None else at,
        pick.one(moments) if pick.rarely(3) else None,
        pick.one(moments) if pick.rarely(2) else None,
    )


def values(pick: Pick, removing: bool = False) -> dict[str, Any]:
    """Values by attribute as the oracle takes them; some absent and, if removing, some None."""
    found: dict[str, Any] = {}
    for name, pool in _pools(pick.setting).items():
        place = pick.index(len(pool) + 4) - 4
        if place >= 0:
            found[name] = pool[place]
        elif place == -1 and removing:
            found[name] = None
    return found


def record(pick: Pick, keys: Sequence[Key]) -> Record:
    """An event at one of the setting's times, late, future and out of order ones among them."""
    event = pick.one(pick.setting.schema.events)
    dimensions = {n: pick.one(("", "", *dimension_pool(n)[::-1])) for n in event.dimensions}
    return Record(
        pick.one(keys),
        event.name,
        pick.one(times(pick.setting)),
        {name: value for name, value in dimensions.items() if value},
        _measures(pick, event),
    )


def _measures(pick: Pick, event: EventSchema) -> dict[str, Decimal]:
    whole = tuple(map(Decimal, (1, 0, 2, -1, INT64_MIN, INT64_MAX)))
    found = {n: pick.one((None, *(AMOUNTS if scale else whole))) for n, scale in event.measures}
    return {name: value for name, value in found.items() if value is not None}


@lru_cache(maxsize=512)
def _pools(setting: Setting) -> dict[str, tuple[Any, ...]]:
    sets = ("news",), ("News", "NEWS"), ("churned", "CR.a"), ("cr.B", "strasse", "news"), KEYWORDS
    days, instants = dates(setting), times(setting) + EXTREMES
    by_type: dict[AttributeType, tuple[Any, ...]] = {
        AttributeType.KEYWORD: (*WORDS, "gold", "Gold"),
        AttributeType.KEYWORDS: tuple(map(frozenset, sets)),
        AttributeType.TEXT: TEXTS,
        AttributeType.BOOLEAN: (True, False, True, False),
        AttributeType.INTEGER: INTEGERS,
        AttributeType.DECIMAL: AMOUNTS,
        AttributeType.DATE: days,
        AttributeType.TIMESTAMP: instants,
        AttributeType.LOCATION: PLACES,
    }
    return {attribute.name: by_type[attribute.type] for attribute in setting.schema.attributes}

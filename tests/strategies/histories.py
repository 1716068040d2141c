"""A Hypothesis strategy for what happens to an audience over time."""

from __future__ import annotations

from hypothesis import strategies as st

from .audiences import record, upsert
from .edits import Advance, Define, Edit, Erase, Key
from .families import SPINE, Family
from .picking import Pick
from .rules import rule
from .settings import DAY, HOUR, KEYS, Setting

SEGMENTS = ("vip", "VIP", "reachable people")
HISTORY_DAYS = 20_000  # more than any rule asks for
_KINDS = ("record", "upsert", "upsert", "record", "record", "erase", "define", "advance")


@st.composite
def histories(
    draw: st.DrawFn, setting: Setting, families: frozenset[Family] = SPINE, length: int = 30
) -> list[Edit]:
    """Edits from ``setting.now`` on: writes bear the clock's time, events any of the setting's.

    Events are only of subscribers that exist; a segment uses only names earlier in ``SEGMENTS``
    that are already defined, so there are no cycles and no unknown names.
    """
    pick = Pick(draw, setting, families)
    existing: list[Key] = []
    defined, clock = 0, setting.now
    edits: list[Edit] = []
    for kind in pick.some(lambda: pick.one(_KINDS), 0, length):
        if kind == "record" and existing:
            edits.append(record(pick, existing[:4]))
        elif kind == "erase":
            known = (*KEYS[setting.schema.key], *existing)
            keys = tuple(pick.one(known) for _ in range(1 + pick.index(3)))
            existing = [key for key in existing if key not in keys]
            edits.append(Erase(tuple(dict.fromkeys(keys))))
        elif kind == "define":
            place = pick.index(min(defined + 1, len(SEGMENTS)))
            defined = max(defined, place + 1)
            days = HISTORY_DAYS if pick.has(Family.MOVE) else 0
            edits.append(Define(SEGMENTS[place], rule(pick, SEGMENTS[:place]), days))
        elif kind == "advance":
            clock += pick.one((1, HOUR, DAY, 2 * DAY if pick.has(Family.MOVE) else 31 * DAY))
            edits.append(Advance(clock))
        else:
            key = pick.one((*existing[:4], *KEYS[setting.schema.key]))
            if key not in existing:
                existing.append(key)
            edits.append(upsert(pick, key, clock, removing=True))
    return edits

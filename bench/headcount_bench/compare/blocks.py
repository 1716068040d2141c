"""Aligned runs of days, each of four of those below: what engines with bitmaps keep one for.

The same as Headcount's own, so that they are asked for as few bitmaps as it looks at.
"""

from __future__ import annotations

from headcount_bench.compare.algebra import Days

LEVEL_BITS = 2
LEVELS = 5  # up to 256 days

Block = tuple[int, int]
"""Level from 0, and the first of its days divided by the level's number of days."""


def cover(days: Days) -> list[Block]:
    """The fewest blocks that make up some days, in order of time."""
    blocks: list[Block] = []
    day = days.first
    while day <= days.last:
        level = 0
        while level + 1 < LEVELS:
            span = 1 << LEVEL_BITS * (level + 1)
            if day % span or day + span - 1 > days.last:
                break
            level += 1
        blocks.append((level, day >> LEVEL_BITS * level))
        day += 1 << LEVEL_BITS * level
    return blocks

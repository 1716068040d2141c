"""Look-ups among few rows: what costs by the rows that were touched rather than by the audience."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.plan.lookup import look_up
from headcount_server.core.plan.nodes import Leaf

if TYPE_CHECKING:
    from headcount_server.core.audience import Audience


def look_up_among(audience: Audience, leaf: Leaf, rows: BitMap) -> BitMap:
    """Those of some rows that a leaf denotes; not to be modified.

    Args:
        audience: whose indexes are asked.
        leaf: what is asked; not ``InSegment``.
        rows: existing subscribers.
    """
    if not rows:
        return bitmaps.EMPTY
    return look_up(audience, leaf, rows) & rows

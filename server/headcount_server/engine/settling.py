"""Work that the next questions would have to do, done while nothing is written.

After a start or a bulk load indexes are not built. What is left off because of a write is gone on
with, or begun again, in the next quiet moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from headcount_server.core.audience import Audience

_QUIET_S = 0.05  # without a write; between the batches of a load it would be in vain

_log = logging.getLogger(__name__)


async def settle(audiences: Iterable[Audience], arrived: asyncio.Event) -> None:
    """Settles audiences, a step of a few milliseconds at a time; questions come in between.

    Args:
        audiences: which; not to be added to or taken from before this returns.
        arrived: set when there is something to write; this returns then, at the latest after the
            step that was begun. Else it returns when nothing is left to do.
    """
    try:
        async with asyncio.timeout(_QUIET_S):
            await arrived.wait()
        return
    except TimeoutError:
        pass
    try:
        for audience in audiences:
            for _ in audience.settling():
                await asyncio.sleep(0)
                if arrived.is_set():
                    return
    except Exception:  # questions do the same work themselves, and tell whoever asks
        _log.exception("what writes left undone could not be done while idle")

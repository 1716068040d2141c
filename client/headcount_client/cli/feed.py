"""The updates of a watch for whoever shows them, however slowly they do.

A thread reads the stream as fast as it comes and keeps one update of each question: the newest,
with the keys that entered and left since the last one that was shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from headcount_client.errors import HeadcountError, Unavailable
from headcount_client.results.members import WatchResponse
from headcount_client.values import Key

RECONNECT_S = 30.0
_LOOK_S = 0.2  # a signal that comes just before a wait is only seen after it
_PAUSE_S = 0.5
_GONE = ("UNAVAILABLE", "CANCELLED")  # codes of a server that goes
_BROKEN = ("UNKNOWN", "INTERNAL")  # and of a connection that breaks, where no server says why


def follow(start: Callable[[], Any], show: Callable[[WatchResponse], None]) -> None:
    """Show every update; start again for a while when the server goes.

    Raises:
        HeadcountError: a refusal; no server at the beginning, or none for RECONNECT_S seconds.
    """
    gone_since: float | None = None
    was_there = False
    while True:
        try:
            for update in Feed(start()):
                gone_since, was_there = None, True
                show(update)
            return
        except HeadcountError as error:
            if not (was_there and _is_gone(error)):
                raise
            now = time.monotonic()
            gone_since = now if gone_since is None else gone_since
            if now - gone_since > RECONNECT_S:
                raise Unavailable(f"gone for {RECONNECT_S:.0f} s: {error.message}") from None
            time.sleep(_PAUSE_S)


class Feed:
    """The newest updates of a stream; iterating waits for the next one that there is."""

    def __init__(self, updates: Iterator[WatchResponse]) -> None:
        self._updates = updates
        self._newest: dict[int, WatchResponse] = {}
        self._error: HeadcountError | None = None
        self._has_ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="headcount-watch", daemon=True).start()

    def __iter__(self) -> Iterator[WatchResponse]:
        while True:
            with self._changed:
                while not self._newest and not self._has_ended:
                    self._changed.wait(_LOOK_S)
                if not self._newest:
                    if self._error is not None:
                        raise self._error
                    return
                update = self._newest.pop(next(iter(self._newest)))
            yield update

    def _read(self) -> None:
        error: HeadcountError | None = None
        try:
            for update in self._updates:
                with self._changed:
                    before = self._newest.get(update.index)
                    self._newest[update.index] = update if before is None else _net(before, update)
                    self._changed.notify()
        except HeadcountError as failure:
            error = failure
        except Exception as failure:  # the channel was closed under it
            error = HeadcountError(str(failure))
        with self._changed:
            self._error, self._has_ended = error, True
            self._changed.notify()


def _net(before: WatchResponse, after: WatchResponse) -> WatchResponse:
    """Two updates as one."""
    entered = _without(before.entered, after.left) + _without(after.entered, before.left)
    left = _without(before.left, after.entered) + _without(after.left, before.entered)
    change = before.change + after.change
    return replace(after, change=change, entered=entered, left=left)


def _without(keys: tuple[Key, ...], others: tuple[Key, ...]) -> tuple[Key, ...]:
    gone = set(others)
    return tuple(key for key in keys if key not in gone)


def _is_gone(error: HeadcountError) -> bool:
    return error.code in _GONE or (error.code in _BROKEN and not error.from_server)

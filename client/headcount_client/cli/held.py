"""The members of what is watched, so that after the server was away it is told who moved meanwhile.

A stream that is begun anew tells the present count, not who came and went while nobody listened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from headcount_client.results.members import WatchResponse
from headcount_client.values import Key

HELD_MAX = 1_000_000  # keys of one rule; of more, nothing is told of what was missed


class HeldMembers:
    """Makes each update net of the one before it, also over streams.

    Args:
        fetch: all keys of a question, by its index, at a revision or a later one.
    """

    def __init__(self, fetch: Callable[[int, int], Iterable[Key]]) -> None:
        self._fetch = fetch
        self._members: dict[int, set[Key] | None] = {}  # by question; None: too many
        self._told: set[int] = set()  # questions that this stream told of

    def begin(self) -> None:
        """A stream begins; its first update of each question tells no keys."""
        self._told.clear()

    def net(self, update: WatchResponse) -> WatchResponse:
        """An update with the keys that moved since the one before; none in the very first.

        Raises:
            HeadcountError: the members can't be asked for; the update may be given again.
        """
        index = update.index
        if index not in self._told:
            return self._first(update)
        members = self._members[index]
        if members is None:
            return update
        entered = tuple(key for key in update.entered if key not in members)
        left = tuple(key for key in update.left if key in members)
        members.difference_update(left)
        members.update(entered)
        if len(members) > HELD_MAX:
            self._members[index] = None
        return replace(update, entered=entered, left=left)

    def _first(self, update: WatchResponse) -> WatchResponse:
        index = update.index
        before = self._members.get(index)
        now: set[Key] | None = None
        if update.total <= HELD_MAX:
            now = set(self._fetch(index, update.revision))
        self._members[index] = now
        self._told.add(index)
        if before is None or now is None:
            return replace(update, entered=(), left=())
        return replace(update, entered=_ordered(now - before), left=_ordered(before - now))


def _ordered(keys: set[Key]) -> tuple[Key, ...]:
    return tuple(sorted(keys, key=lambda key: (str(type(key)), key)))

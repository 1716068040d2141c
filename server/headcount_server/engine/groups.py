"""Which writes are made durable together.

The commands of a group are validated before any of them is applied, and applied in their order
once all are durable. A command may join only where what validation says of it would be the same
after the commands before it; and since those only add subscribers and events unless they erase, a
command that is good before them is good after them. What is refused is not joined but validated
again, after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from headcount_server.core.commands import (
    Applied,
    Command,
    DeleteSubscribers,
    RecordEvents,
    UpsertSubscribers,
)

_GROUP_WRITES_MAX = 1_024  # that many are applied before others get their turn

_DATA = (UpsertSubscribers, RecordEvents, DeleteSubscribers)


@dataclass(frozen=True, slots=True)
class Write:
    """A command that waits, or what makes it from the time; ``size`` in bytes, about."""

    command: Command | Callable[[int], Command]
    answer: asyncio.Future[Applied]
    size: int


class Group:
    """Writes with their commands, in order.

    Args:
        bytes_max: from which size on it is full.
    """

    def __init__(self, bytes_max: int) -> None:
        self.writes: list[tuple[Write, Command]] = []
        self._bytes_max = bytes_max
        self._size = 0
        self._is_alone = False
        self._erased: set[str] = set()  # audiences
        self._producers: set[tuple[str, str]] = set()

    @property
    def is_full(self) -> bool:
        """Whether no other write may join."""
        return (
            self._is_alone or self._size >= self._bytes_max or len(self.writes) >= _GROUP_WRITES_MAX
        )

    def admits(self, command: Command) -> bool:
        """Whether a command that is valid now is valid after those of the group, and as it is."""
        if not self.writes:
            return True
        if not isinstance(command, _DATA):
            return False
        if isinstance(command, RecordEvents) and command.audience in self._erased:
            return False
        producer = command.producer
        return producer is None or (command.audience, producer.name) not in self._producers

    def add(self, write: Write, command: Command) -> None:
        """Takes a command that was admitted and validated."""
        self.writes.append((write, command))
        self._size += write.size
        if not isinstance(command, _DATA):
            self._is_alone = True
            return
        if isinstance(command, DeleteSubscribers):
            self._erased.add(command.audience)
        if command.producer is not None:
            self._producers.add((command.audience, command.producer.name))

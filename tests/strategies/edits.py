"""What happens to an audience: writes, events, erasure, segments, time passing.

Each edit can be applied both to the oracle and to the server's own state, through ``Target``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from headcount_server.core.rules import tree

Key = str | int


@dataclass(frozen=True)
class Upsert:
    """Write values of a subscriber at a time; None removes a value."""

    key: Key
    values: dict[str, Any]
    at: int
    known_since: int | None = None
    changed_at: int | None = None


@dataclass(frozen=True)
class Record:
    """Write an event of a subscriber that exists."""

    key: Key
    event: str
    time: int
    dimensions: dict[str, str] = field(default_factory=dict[str, str])
    measures: dict[str, Decimal] = field(default_factory=dict[str, Decimal])


@dataclass(frozen=True)
class Erase:
    """Forget subscribers; some may not exist."""

    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Define:
    """Create or replace a segment; the rule has no parameters."""

    name: str
    rule: tree.Rule
    history_days: int = 0


@dataclass(frozen=True)
class Advance:
    """The clock now shows ``to``; never earlier than before."""

    to: int


Edit = Upsert | Record | Erase | Define | Advance


class Target(Protocol):
    """What edits are applied to; the oracle's ``Model`` is one."""

    def upsert(
        self, key: Key, values: Any, at: int, known_since: int | None, changed_at: int | None
    ) -> None:
        """Write values."""
        ...

    def record(self, key: Key, event: str, time: int, dimensions: Any, measures: Any) -> None:
        """Write an event."""
        ...

    def erase(self, keys: Iterable[Key]) -> None:
        """Forget subscribers."""
        ...

    def define(self, name: str, rule: tree.Rule, history_days: int = 0) -> None:
        """Create or replace a segment."""
        ...


def apply(edit: Edit, target: Target) -> None:
    """Apply one edit; an ``Advance`` is left to whoever asks the questions."""
    match edit:
        case Upsert():
            target.upsert(edit.key, edit.values, edit.at, edit.known_since, edit.changed_at)
        case Record():
            target.record(edit.key, edit.event, edit.time, edit.dimensions, edit.measures)
        case Erase():
            target.erase(edit.keys)
        case Define():
            target.define(edit.name, edit.rule, edit.history_days)
        case Advance():
            pass

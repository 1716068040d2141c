"""What the answers to questions have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from headcount_client.results.times import milliseconds

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What every answer tells beside its own fields.

    Attributes:
        audience_size: every existing subscriber of the audience.
        revision: revision that the answer reflects.
        as_of_time: the time that was taken for now.
        engine_duration: time spent in the engine.
    """

    audience_size: int
    revision: int
    as_of_time: datetime | None
    engine_duration: timedelta | None

    @property
    def engine_ms(self) -> float:
        """Time spent in the engine, in milliseconds."""
        return milliseconds(self.engine_duration)


class SequenceOf(Generic[Part]):
    """An answer that is the sequence of its parts too."""

    __slots__ = ()

    @abstractmethod
    def _parts(self) -> tuple[Part, ...]: ...

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts())

    def __getitem__(self, index: int) -> Part:
        return self._parts()[index]

"""Which numbered batches of which producers were applied: what makes a retried write apply once.

A producer numbers its batches from 1 without gaps. Of each producer the revisions of its last
``PRODUCER_REVISIONS_MAX`` batches are remembered. Of more producers than ``Limits.producers_max``
the one whose last batch is the oldest is forgotten; its next batch is refused as a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headcount_server.core.commands import Producer
from headcount_server.errors import DataLoss, InvalidInput, RevisionOutOfRange, Violation
from headcount_server.limits import PRODUCER_NAME_BYTES_MAX, PRODUCER_REVISIONS_MAX, Limits


@dataclass(slots=True)
class _Batches:
    last: int  # sequence of the newest batch
    revisions: deque[int]  # of the newest batches, ascending


class Producers:
    """The producers of one audience."""

    def __init__(self, limits: Limits) -> None:
        self._producers_max = limits.producers_max
        self._known: dict[str, _Batches] = {}  # the one silent for longest first

    def repeated(self, producer: Producer) -> int | None:
        """The revision that a batch got which was applied before; None for one that wasn't.

        Of a batch too old to be remembered it is the newest batch's.
        """
        known = self._known.get(producer.name)
        if known is None or not 1 <= producer.sequence <= known.last:
            return None
        place = producer.sequence - known.last - 1  # from the end
        return known.revisions[place if -place <= len(known.revisions) else -1]

    def validate(self, producer: Producer, audience: str) -> None:
        """Raises unless the batch is the producer's next one.

        Raises:
            RevisionOutOfRange: it isn't; names the number expected.
            InvalidInput: the name or number can be none.
        """
        if not 1 <= len(producer.name.encode()) <= PRODUCER_NAME_BYTES_MAX:
            what = f"a producer's name has 1 to {PRODUCER_NAME_BYTES_MAX} bytes"
            raise InvalidInput(what, (Violation("producer", what, "INVALID_NAME"),))
        if producer.sequence < 1:
            what = f"sequence is {producer.sequence}; batches are numbered from 1"
            raise InvalidInput(what, (Violation("sequence", what, "OUT_OF_RANGE"),))
        known = self._known.get(producer.name)
        expected = known.last + 1 if known else 1
        if producer.sequence != expected:
            raise RevisionOutOfRange(
                f'the next batch of producer "{producer.name}" in audience "{audience}" has the'
                f" number {expected}; {producer.sequence} leaves a gap",
                audience=audience,
                producer=producer.name,
                expected=str(expected),
            )

    def note(self, producer: Producer, revision: int) -> None:
        """Remembers a batch that was applied. O(1)."""
        known = self._known.pop(producer.name, None)
        if known is None:
            known = _Batches(0, deque(maxlen=PRODUCER_REVISIONS_MAX))
            if len(self._known) >= self._producers_max:
                del self._known[next(iter(self._known))]
        self._known[producer.name] = known
        known.last = producer.sequence
        known.revisions.append(revision)

    def dump(self) -> list[dict[str, Any]]:
        """Plain data that shares nothing with this. O(revisions)."""
        return [
            {"name": name, "last": known.last, "revisions": np.array(known.revisions, np.int64)}
            for name, known in self._known.items()
        ]

    @classmethod
    def load(cls, parts: Sequence[dict[str, Any]], limits: Limits) -> Producers:
        """What ``dump`` wrote.

        Raises:
            DataLoss: it can't be.
        """
        producers = cls(limits)
        for part in parts:
            last, revisions = part["last"], part["revisions"].tolist()
            if not 1 <= len(revisions) <= min(last, PRODUCER_REVISIONS_MAX):
                raise DataLoss(f"producer {part['name']!r} has revisions of no batches")
            kept = deque(revisions, maxlen=PRODUCER_REVISIONS_MAX)
            producers._known[part["name"]] = _Batches(last, kept)
        return producers

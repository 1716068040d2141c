"""Who waits for which revision of which audience."""

from __future__ import annotations

import asyncio
import heapq

from headcount_server.errors import HeadcountError, Overloaded

_Entry = tuple[int, int, asyncio.Future[None]]  # revision, order of arrival


class RevisionWaiters:
    """Calls that wait; at most ``waiting_max`` of them."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._waiting_count = 0
        self._arrivals = 0
        self._heaps: dict[str, list[_Entry]] = {}

    async def wait(self, audience: str, revision: int) -> None:
        """Returns when ``reached`` is told of that revision or a later one. O(log n).

        Raises:
            Overloaded: too many wait.
            HeadcountError: what ``fail`` was told.
        """
        if self._waiting_count >= self._waiting_max:
            raise Overloaded(f"{self._waiting_max} calls wait for a revision already; try later")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        self._waiting_count += 1
        entry = (revision, self._arrivals, answer)
        heapq.heappush(self._heaps.setdefault(audience, []), entry)
        try:
            await answer
        finally:
            self._waiting_count -= 1
            self._drop(audience, entry)

    def reached(self, audience: str, revision: int) -> None:
        """Ends the waits for this revision and earlier ones. O(log n) for each."""
        heap = self._heaps.get(audience, [])
        while heap and heap[0][0] <= revision:
            answer = heapq.heappop(heap)[2]
            if not answer.done():
                answer.set_result(None)

    def fail(self, audience: str, error: HeadcountError) -> None:
        """Ends all waits for an audience with an error."""
        for _, _, answer in self._heaps.pop(audience, []):
            if not answer.done():
                answer.set_exception(error)

    def _drop(self, audience: str, entry: _Entry) -> None:
        heap = self._heaps.get(audience)
        if heap is not None and entry in heap:  # gave up before it was reached
            heap.remove(entry)
            heapq.heapify(heap)
        if heap is not None and not heap:
            del self._heaps[audience]

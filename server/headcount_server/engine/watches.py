"""Watches: streams of counts that follow writes and the clock.

Each audience that is watched has its rules in a few ``WatchedRules``, by pace; one task for each of
those waits for a write or for the instant at which the clock moves something, and makes a round in
slices, so that reads and writes go on. A stream tells what changed when its reader is ready: it
keeps nothing but which of its questions changed, so however slowly it is read it tells the newest
state.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass

from headcount_server.core import bitmaps
from headcount_server.core.audience import Audience
from headcount_server.core.commands import (
    Command,
    DeleteAudience,
    DeleteSegment,
    DeleteSubscribers,
)
from headcount_server.core.rules.tree import Rule, Value, ValueList
from headcount_server.core.segments import segments_used
from headcount_server.engine.clock import Clock
from headcount_server.engine.watched_rules import Update, Watch, WatchedRules
from headcount_server.errors import HeadcountError, NotFound, Overloaded, Unavailable
from headcount_server.limits import Limits

PACES_S = (0.1, 1.0, 10.0, 60.0)  # a watch's rule is looked at this often at most, by its interval
_SLICE_S = 0.001  # of a round, before others get their turn
_REST = 0.2  # of the time that a round took, before the next one
_CLOCK_S = 1.0  # after that the clock is looked at again, where it is set or the machine slept
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a stream watches.

    Attributes:
        rules: what is asked; a segment is the rule that names it.
        parameters: what parameters of the rules are bound to.
        within: and-ed to each of them; None: everyone.
        interval_s: at most one update of a rule in this time.
        members: whether keys are told.
        client: who asks, for the limits.
    """

    rules: Sequence[Rule]
    parameters: Mapping[str, Value | ValueList]
    within: Rule | None
    interval_s: float
    members: bool
    client: str


class Watches:
    """All watches of an engine; it tells them of what it applies."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._groups: dict[str, dict[float, _Group]] = {}
        self._streams: dict[WatchStream, None] = {}
        self._by_client: Counter[str] = Counter()
        self._count = 0

    @property
    def nbytes(self) -> int:
        """Memory of the members of watched rules, about. O(audiences)."""
        return sum(group.rules.nbytes for group in self._all_groups())

    def count(self, audience: str) -> int:
        """How many rules and segments are watched, each as often as it is. O(streams)."""
        return sum(len(s.watched.rules) for s in self._streams if s.audience.name == audience)

    def open(self, audience: Audience, watched: Watched) -> WatchStream:
        """A stream, which has to be iterated or closed. Nothing is evaluated yet.

        Raises:
            Overloaded: past a limit, which is named.
        """
        wanted, limits = len(watched.rules), self._limits
        self._check("watches_max", self._count + wanted, limits.watches_max, "on this server")
        of_client = self._by_client[watched.client] + wanted
        most = limits.watches_per_client_max
        self._check("watches_per_client_max", of_client, most, "of one client")
        self.check_bytes()
        stream = WatchStream(self, audience, watched)
        self._streams[stream] = None
        self._count += wanted
        self._by_client[watched.client] += wanted
        return stream

    def applying(self, audience: Audience | None, command: Command) -> None:
        """Looks at a command that is about to be applied."""
        groups = self._groups.get(command.audience)
        if groups and audience is not None and isinstance(command, DeleteSubscribers):
            found = audience.find(command.keys)
            rows = bitmaps.from_rows(found[found >= 0])
            if rows:
                for group in groups.values():
                    group.rules.erasing(rows)

    def applied(self, command: Command) -> None:
        """Takes note of a command that was applied. O(1) unless something is deleted."""
        for group in self._groups.get(command.audience, {}).values():
            group.wake.set()
        if isinstance(command, DeleteAudience):
            name = command.audience
            error = NotFound(f'audience "{name}" was deleted', resource="audience", name=name)
            self._end(error, lambda stream: stream.audience.name == name)
        elif isinstance(command, DeleteSegment):
            name = command.segment
            error = NotFound(f'segment "{name}" was deleted', resource="segment", name=name)
            self._end(error, lambda s: s.audience.name == command.audience and name in s.segments)

    def end_all(self, error: HeadcountError) -> None:
        """Ends every stream with an error."""
        self._end(error, lambda _: True)

    def restored(self) -> None:
        """Ends every stream, since all audiences are others now; clients may watch anew."""
        self.end_all(Unavailable("a snapshot was restored; watch again"))

    def group(self, audience: Audience, interval_s: float) -> _Group:
        """The rules of that audience and pace."""
        pace = max(pace for pace in PACES_S if pace <= interval_s)
        groups = self._groups.setdefault(audience.name, {})
        found = groups.get(pace)
        if found is None:
            found = groups[pace] = _Group(WatchedRules(audience, pace, self._limits), self._clock)
        return found

    def closed(self, stream: WatchStream) -> None:
        """Forgets a stream; rules that nobody watches any more are given up."""
        if self._streams.pop(stream, self) is self:
            return
        self._count -= len(stream.watched.rules)
        self._by_client[stream.watched.client] -= len(stream.watched.rules)
        if not self._by_client[stream.watched.client]:
            del self._by_client[stream.watched.client]
        groups = self._groups.get(stream.audience.name, {})
        for pace, group in list(groups.items()):
            if not len(group.rules):
                group.close()
                del groups[pace]
        if not groups:
            self._groups.pop(stream.audience.name, None)

    def check_bytes(self) -> None:
        """Raises Overloaded where watches hold more than they may."""
        held, most = self.nbytes, self._limits.watch_bytes_max
        if held > most:
            raise Overloaded(
                f"watches hold {held:,} bytes; the limit watch_bytes_max is {most:,}; end others"
                " first",
                limit="watch_bytes_max",
            )

    def _all_groups(self) -> list[_Group]:
        return [group for groups in self._groups.values() for group in groups.values()]

    def _check(self, limit: str, wanted: int, most: int, what: str) -> None:
        if wanted > most:
            raise Overloaded(
                f"{wanted:,} watches {what} would be past the limit {limit}, {most:,}; end others"
                " first",
                limit=limit,
            )

    def _end(self, error: HeadcountError, is_meant: Callable[[WatchStream], bool]) -> None:
        for stream in list(self._streams):
            if is_meant(stream):
                stream.end(error)


class WatchStream:
    """The updates of one stream; made by ``Watches.open``."""

    def __init__(self, watches: Watches, audience: Audience, watched: Watched) -> None:
        self.audience = audience
        self.watched = watched
        self.segments = frozenset(
            name
            for rule in (*watched.rules, *([watched.within] if watched.within else []))
            for name in segments_used(rule)
        )
        self._watches = watches
        self._open: list[Watch] = []
        self._group: _Group | None = None
        self._changed: dict[Watch, None] = {}
        self._wake = asyncio.Event()
        self._error: HeadcountError | None = None
        self._is_closed = False

    async def updates(self) -> AsyncGenerator[Update, None]:
        """The present state of each question, then one whenever it changed; never ends by itself.

        Raises:
            NotFound: the audience or a segment that is watched was deleted.
            Unavailable: a snapshot was restored, or the server stops.
            HeadcountError: a rule can't be answered any more, or past a limit.
        """
        loop = asyncio.get_running_loop()
        try:
            async for update in self._first():
                yield update
            while True:
                self._wake.clear()
                wait_s: float | None = None
                for watch in list(self._changed):
                    self._check()
                    left_s = watch.told_at + watch.interval_s - loop.time()
                    if watch.rule is None or watch.rule.is_stale:
                        continue  # the next round comes and tells
                    if left_s > 0:
                        wait_s = left_s if wait_s is None else min(wait_s, left_s)
                        continue
                    del self._changed[watch]
                    update = watch.take(self.audience)
                    if update is not None:
                        watch.told_at = loop.time()
                        yield update
                self._check()
                await self._woken(loop, wait_s)
        finally:
            self.close()

    def end(self, error: HeadcountError) -> None:
        """Lets the updates end with an error; what it holds is given up at once."""
        self._error = self._error or error
        self._wake.set()
        self.close()

    def close(self) -> None:
        """Gives everything up."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._group is not None:
            for watch in self._open:
                self._group.rules.remove(watch)
        self._changed.clear()
        self._watches.closed(self)

    async def _first(self) -> AsyncGenerator[Update, None]:
        """Begins to watch one question after the other."""
        loop = asyncio.get_running_loop()
        watched = self.watched
        since = loop.time()
        for index, rule in enumerate(watched.rules):
            self._check()
            group = self._group = self._watches.group(self.audience, watched.interval_s)
            watch = Watch(index, watched.interval_s, watched.members, self._note, self.end)
            group.rules.add(watch, rule, watched.parameters, watched.within, group.clock())
            self._open.append(watch)
            group.wake.set()
            self._watches.check_bytes()
            update = watch.take(self.audience)
            watch.told_at = loop.time()
            assert update is not None
            yield update
            if loop.time() - since > _SLICE_S:
                await asyncio.sleep(0)
                since = loop.time()

    def _note(self, watch: Watch) -> None:
        if watch.told is not None:
            self._changed[watch] = None
            self._wake.set()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def _woken(self, loop: asyncio.AbstractEventLoop, wait_s: float | None) -> None:
        """Returns when something changed, or after a while."""
        if wait_s is None:
            await self._wake.wait()
            return
        timer = loop.call_later(wait_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()


class _Group:
    """Watched rules with the task that makes their rounds."""

    def __init__(self, rules: WatchedRules, clock: Clock) -> None:
        self.rules = rules
        self.clock = clock
        self.wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._rounds())

    def close(self) -> None:
        """Ends the rounds."""
        self._task.cancel()
        self.rules.close()

    async def _rounds(self) -> None:
        try:
            await self._round_after_round()
        except Exception:
            _log.exception("a round of watches failed")
            self.rules.fail(HeadcountError("the watch failed, which is a bug; watch again"))

    async def _round_after_round(self) -> None:
        loop = asyncio.get_running_loop()
        not_before = 0.0
        while True:
            await self._due()
            await asyncio.sleep(max(0.0, not_before - loop.time()))
            begin = since = loop.time()
            for _ in self.rules.round(self.clock):
                if loop.time() - since > _SLICE_S:
                    await asyncio.sleep(0)
                    since = loop.time()
            end = loop.time()
            not_before = max(begin + self.rules.pace_s, end + _REST * (end - begin))

    async def _due(self) -> None:
        """Returns when something was written, or the clock is past the rules' horizon."""
        while True:
            self.wake.clear()
            if self.rules.is_touched:
                return
            wait_s: float | None = None
            if self.rules.horizon_us is not None:
                left_us = self.rules.horizon_us + 1 - self.clock()
                if left_us <= 0:
                    return
                wait_s = min(left_us / 1e6, _CLOCK_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self.wake.wait()
            except TimeoutError:
                continue

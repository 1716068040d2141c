"""The members of a rule, kept up to date: ``(old - touched) | evaluate(rule within touched)``.

A *round* is one look at one revision of an audience at one instant; every maintained rule is
updated in it. What the rules of a round have in common is done once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.calendar import LAST_US
from headcount_server.core.live.asked_days import AskedDays, AskedOfEvents, Late
from headcount_server.core.live.horizon import Parameters, Timing, horizon, timing
from headcount_server.core.live.places import Table
from headcount_server.core.live.reads import Indexes, Reads, reads
from headcount_server.core.live.restricted import Restricted
from headcount_server.core.live.touched import Touched
from headcount_server.core.plan.evaluate import evaluate
from headcount_server.core.plan.nodes import Node
from headcount_server.core.plan.rewrites import optimise
from headcount_server.core.query.ask import binder
from headcount_server.core.rules.tree import Rule
from headcount_server.core.view import AudienceView
from headcount_server.limits import DEFAULT_LIMITS, Limits

_FEW = 1_024  # touched rows that are always looked at alone
_SHARE = 8  # … and so are more of them, up to one of so many subscribers
_KINDS = 16  # so many sets of rows are looked at apart in a round


@dataclass(frozen=True, slots=True)
class Delta:
    """What an update changed.

    Attributes:
        entered: rows that are members now and were not, ascending bitmap, not to be modified.
        left: rows that were members and are not now; erased ones are among them.
    """

    entered: BitMap
    left: BitMap

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.entered or self.left)


NO_CHANGE = Delta(bitmaps.EMPTY, bitmaps.EMPTY)


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule as it was bound: good from ``start_us`` up to the horizon.

    Attributes:
        node: optimised.
        segments: what the segments used are bound to, optimised, each after those that it uses.
        reads: the indexes that it reads.
        timing: how it depends on the time.
        horizon_us: the last instant for which it holds if nothing is written; None: any.
    """

    node: Node
    segments: Mapping[str, Node]
    reads: Reads
    timing: Timing
    start_us: int
    horizon_us: int | None

    def holds_at(self, now_us: int) -> bool:
        """Whether an instant lies in the epoch."""
        return self.start_us <= now_us and (self.horizon_us is None or now_us <= self.horizon_us)

    def is_redefined(self, touched: Touched) -> bool:
        """Whether what the rule means may have changed: the schema, or a segment it names."""
        names = (*self.timing.segments, *self.timing.moves)
        return touched.schema or any(name in touched.segments for name in names)


class Round:
    """One look at one revision of an audience; not to be kept when the audience changes.

    Args:
        audience: as it is now.
        now_us: the present instant in microseconds, not before that of the round before.
        touched: all that was touched since the rules to be updated were updated last.
        limits: of the server.
        asked: what rounds like this one asked of the events; None: nothing is known.
    """

    def __init__(
        self,
        audience: AudienceView,
        now_us: int,
        touched: Touched,
        limits: Limits = DEFAULT_LIMITS,
        asked: AskedDays | None = None,
    ) -> None:
        self.audience = audience
        self.revision = audience.revision
        self.now_us = now_us
        self._is_late = False
        self.touched = touched
        self.limits = limits
        self._asked = AskedDays() if asked is None else asked
        self._rows: BitMap | None = None
        self._restricted: dict[Indexes, Restricted] = {}
        self._kinds = 0
        self._table: Table | None = None
        self._among_all: Restricted | None = None
        self._horizons: dict[Timing, int | None] = {}

    def capture(self, bounds: Iterable[Bound]) -> Iterator[None]:
        """Reads what rules are expected to ask, in steps between which nothing is to be written.

        When all is read, writes may go on: the round stays one of its revision.
        """
        _ = self.rows
        for bound in bounds:
            if bound.reads.is_touched(self.touched):
                self.restricted(bound.reads)
            self.horizon(bound.timing)
            yield
        for one in {id(found): found for found in self._restricted.values()}.values():
            yield from one.capture()

    def freeze(self) -> None:
        """The audience may change from now on; what isn't known yet is ``Late``."""
        if not self._is_late:
            self._is_late = True
            for found in self._restricted.values():
                found.freeze()

    def need(self) -> None:
        """Raises Late where the audience isn't that of the round any more."""
        if self._is_late:
            raise Late

    @property
    def rows(self) -> BitMap:
        """All touched rows, those that don't exist any more among them; not to be modified."""
        if self._rows is None:
            self._rows = self.touched.rows()
        return self._rows

    def restricted(self, reads: Reads) -> Restricted:
        """Evaluation within the touched rows that can matter to a rule, or more of them.

        It is shared by the rules of the round that read the same of what was touched.
        """
        indexes = reads.those_touched(self.touched)
        found = self._restricted.get(indexes)
        if found is None:
            self.need()
            rows = self.touched.rows_of(*indexes)
            if self._kinds >= _KINDS or 2 * len(rows) > len(self.rows):
                found = self._everything()
            else:
                self._kinds += 1
                found = self._within(rows, self._asked.of(indexes))
            self._restricted[indexes] = found
        return found

    def _everything(self) -> Restricted:
        if self._among_all is None:
            self._among_all = self._within(self.rows, self._asked.of(None))
        return self._among_all

    def _within(self, rows: BitMap, asked: AskedOfEvents) -> Restricted:
        if self._table is None:
            self._table = self._asked.table(self.rows)
        return Restricted(self.audience, rows, asked, self.touched, self._table)

    def horizon(self, timing: Timing) -> int | None:
        """See ``horizon``; once for all rules of one timing."""
        if timing not in self._horizons:
            self.need()
            self._horizons[timing] = horizon(self.audience, timing, self.now_us)
        return self._horizons[timing]

    def bind(self, rule: Rule, parameters: Parameters, known: Timing | None = None) -> Bound:
        """A rule bound at its horizon.

        Args:
            rule: what is bound.
            parameters: what its parameters are bound to.
            known: its timing, where neither the schema nor a segment changed since that was found.

        Raises:
            HeadcountError: it can't be bound (any more).
        """
        self.need()
        when = self._timing(rule, parameters) if known is None else known
        end = self.horizon(when)
        at = LAST_US if end is None else end
        bound = binder(self.audience, at, self.limits, parameters)
        node = optimise(bound.bind(rule))
        used = {name: optimise(node) for name, node in bound.bound_segments.items()}
        return Bound(node, used, reads(node, used), when, self.now_us, end)

    def _timing(self, rule: Rule, parameters: Parameters) -> Timing:
        """The timing of a rule, which is bound first, since only a good rule has one."""
        binder(self.audience, self.now_us, self.limits, parameters).bind(rule)
        segments = {
            name: segment.rule
            for name, segment in self.audience.segments.items()
            if segment.rule is not None
        }
        return timing(rule, self.audience.schema, segments, parameters)


class Maintained:
    """The members of one rule, as of the last round. Made empty; the first update fills it.

    Args:
        rule: what is maintained; it and the parameters never change.
        parameters: what the parameters of the rule are bound to.

    Attributes:
        bound: the rule as it is bound; None before the first update.
    """

    def __init__(self, rule: Rule, parameters: Parameters | None = None) -> None:
        self.rule = rule
        self.parameters: Parameters = parameters or {}
        self.bound: Bound | None = None
        self._members = bitmaps.EMPTY
        self._is_own = False  # nobody else holds the members

    @property
    def members(self) -> BitMap:
        """Rows, not to be modified; replaced when they change. O(1), but the next change copies."""
        self._is_own = False
        return self._members

    @members.setter
    def members(self, rows: BitMap) -> None:
        self._is_own = False
        self._members = rows

    @property
    def count(self) -> int:
        """How many members there are."""
        return len(self._members)

    @property
    def nbytes(self) -> int:
        """Memory of the members, about."""
        return bitmaps.nbytes(self._members)

    def intersects(self, rows: BitMap) -> bool:
        """Whether some of the rows are members."""
        return self._members.intersect(rows)

    def among(self, rows: BitMap) -> BitMap:
        """Those of some rows that are members; not to be modified."""
        return self._members & rows

    @property
    def horizon_us(self) -> int | None:
        """The last instant up to which nothing changes without a write.

        An update is due one microsecond later, or at the next write. None where only a write can
        change anything, and before the first update.
        """
        return None if self.bound is None else self.bound.horizon_us

    def update(self, round: Round) -> Delta:
        """Brings the members up to a round.

        O(touched rows) where few were touched and the epoch goes on; else the rule is evaluated
        whole. The set is always the one that the rule denotes at ``round.now_us``.

        Args:
            round: it names all rows that were touched since the update before.

        Raises:
            HeadcountError: the rule can't be bound any more, as when a segment that it uses was
                deleted; the members stay, and the next update looks at everyone.
            Late: something was written since the round began; nothing changed.
        """
        before = self.bound
        try:
            return self._updated(round)
        except Late:
            self.bound = before
            raise

    def _updated(self, round: Round) -> Delta:
        old, self.bound = self.bound, None
        if old is None or old.is_redefined(round.touched):
            self.bound = round.bind(self.rule, self.parameters)
            return self._whole(round)
        if not old.holds_at(round.now_us):
            self.bound = round.bind(self.rule, self.parameters, old.timing)
            same = (self.bound.node, self.bound.segments) == (old.node, old.segments)
            return self._touched(round) if same else self._whole(round)
        self.bound = old
        if not old.reads.is_touched(round.touched) and not _may_come_sooner(
            old.timing, round.touched
        ):
            return NO_CHANGE
        end = round.horizon(old.timing)
        if end is not None and (old.horizon_us is None or end < old.horizon_us):
            self.bound = None
            self.bound = round.bind(self.rule, self.parameters, old.timing)
        return self._touched(round)

    def resume(self, round: Round) -> None:
        """Binds the rule for members that are those of ``round.now_us`` already.

        Raises:
            HeadcountError: the rule can't be bound.
        """
        self.bound = round.bind(self.rule, self.parameters)

    def _touched(self, round: Round) -> Delta:
        """The update where only touched rows can differ."""
        assert self.bound is not None
        if not self.bound.reads.is_touched(round.touched):
            return NO_CHANGE
        if self.bound.reads.is_reordered(round.touched):
            return self._whole(round)
        base = round.rows
        if len(base) > _FEW and len(base) * _SHARE > round.audience.subscriber_count:
            return self._whole(round)
        asked = round.restricted(self.bound.reads)
        entered, left = asked.moved(self.bound.node, self.bound.segments, self._members)
        if not entered and not left:
            return NO_CHANGE
        if not self._is_own:
            self._members, self._is_own = BitMap(self._members), True
        if left:
            self._members -= left
        if entered:
            self._members |= entered
        return Delta(entered, left)

    def _whole(self, round: Round) -> Delta:
        assert self.bound is not None
        round.need()
        found = evaluate(round.audience, self.bound.node, self.bound.segments)
        old, self.members = self._members, found
        return Delta(found - old, old - found)


def _may_come_sooner(timing: Timing, touched: Touched) -> bool:
    """Whether a write may have brought something that ends the epoch before its horizon."""
    return any(event in touched.events for event in timing.events) or any(
        name in touched.attributes for name in (*timing.coming, *timing.going)
    )

"""The rules that are watched in one audience at one pace, kept up to date in rounds.

Invariants:
- Watches of equal rules share one ``WatchedRule``. What a round finds of a rule (``total``,
  ``reachable``, ``shown``) is of one revision and one instant, and stays until the next round.
- A round may be interrupted wherever it yields. It reads first what its rules will ask, so that it
  stays one of its revision where something is written meanwhile. Rules that ask more, and all that
  follow an erasure or a change of the schema or of a segment, are looked at as of then. The writes
  stay noted for the next round.
- Rows that are erased are taken out of ``shown`` and of what was told before the erasure is
  applied, and their keys noted as left: a row that is used again is somebody else. Until the next
  round the rule is *stale*, and nothing is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.audience import Audience
from headcount_server.core.live.asked_days import AskedDays, Late
from headcount_server.core.live.maintained import Delta, Maintained, Round
from headcount_server.core.live.touched import Touched
from headcount_server.core.rules.tree import And, Everyone, Rule, Value, ValueList
from headcount_server.errors import HeadcountError, Overloaded
from headcount_server.limits import Limits

Key = tuple[Rule, tuple[tuple[str, Value | ValueList], ...]]
_TRIES = 4  # to read what the rules of a round need before something is written
_SHARE = 8  # moved rows up to one of so many subscribers are looked at alone


@dataclass(frozen=True, slots=True)
class Update:
    """What is told of a watched rule.

    Attributes:
        index: of the question in its stream.
        change: against the total told before; 0 in the first.
        entered, left: keys, ascending; empty unless asked for.
        time_us: the instant that it reflects.
    """

    index: int
    total: int
    reachable: int
    change: int
    entered: list[str] | list[int]
    left: list[str] | list[int]
    revision: int
    time_us: int


@dataclass(eq=False, slots=True)
class Watch:
    """One question of one stream.

    Attributes:
        index: of the question in its stream.
        interval_s: at most one update in this time.
        wants_members: whether keys are told.
        changed: is called when there is something to tell.
        failed: is called when there won't be, ever again.
        told: the total and reachable that were told last; None before the first.
        told_rows: the members that were told, without those that were erased since.
        gone: keys of members that were told and erased since.
        told_at: when that was, in seconds of the event loop.
    """

    index: int
    interval_s: float
    wants_members: bool
    changed: Callable[[Watch], None]
    failed: Callable[[HeadcountError], None]
    rule: WatchedRule | None = None
    told: tuple[int, int] | None = None
    told_rows: BitMap = bitmaps.EMPTY
    gone: set[str | int] = field(default_factory=set[str | int])
    told_at: float = 0.0

    def take(self, audience: Audience) -> Update | None:
        """What there is to tell now, noted as told; None where nothing differs from before."""
        rule = self.rule
        assert rule is not None
        entered: list[str] | list[int] = []
        left: list[str] | list[int] = []
        if self.wants_members:
            shown = rule.shown
            if self.told is not None:
                entered, left = self._moves(audience, shown)
            self.told_rows = shown
        now = (rule.total, rule.reachable)
        if self.told == now and not entered and not left:
            return None
        change = 0 if self.told is None else rule.total - self.told[0]
        self.told = now
        return Update(
            self.index, rule.total, rule.reachable, change, entered, left, rule.revision,
            rule.time_us,
        )  # fmt: skip

    def _moves(self, audience: Audience, rows: BitMap) -> tuple[list[str], list[str]]:
        """Keys that entered and left; who was erased and is a member again did neither."""
        came, went, self_gone = rows, self.told_rows, self.gone
        if came is went and not self_gone:
            return [], []
        entered = set(_keys(audience, came - went))
        left = set(_keys(audience, went - came)) | self_gone
        self.gone = set()
        both = entered & left if self_gone else set[str]()
        return sorted(entered - both), sorted(left - both)  # pyright: ignore[reportReturnType]


class WatchedRule:
    """A rule with its watches, as the last round found it."""

    def __init__(self, key: Key, rule: Rule, parameters: Mapping[str, Value | ValueList]) -> None:
        self.key = key
        self.maintained = Maintained(rule, parameters)
        self.watches: dict[Watch, None] = {}
        self.erased = bitmaps.EMPTY  # rows since the last round
        self.total = self.reachable = 0
        self.revision = self.time_us = 0
        self.is_stale = False
        self.nbytes = 0  # memory of the members, about
        self.reach_version = -1
        self.reach: BitMap | None = None  # who could be reached when ``reachable`` was found

    @property
    def shown(self) -> BitMap:
        """The members as of the last round, those erased since left out; not to be modified."""
        members = self.maintained.members
        return members - self.erased if self.erased else members

    def measured(self) -> int:
        """Notes the memory of the members; by how much it differs from what was noted."""
        before, self.nbytes = self.nbytes, self.maintained.nbytes
        return self.nbytes - before


class WatchedRules:
    """The watched rules of an audience.

    Args:
        audience: as it stands in the state; another one of the same name needs another object.
        pace_s: the time between rounds while there are writes, in seconds.
        limits: of the server.
    """

    def __init__(self, audience: Audience, pace_s: float, limits: Limits) -> None:
        self.audience = audience
        self.pace_s = pace_s
        self.horizon_us: int | None = None  # nothing changes up to it without a write
        self.nbytes = 0  # memory of the members of all rules, about
        self._limits = limits
        self._touched = audience.listen()
        self._rules: dict[Key, WatchedRule] = {}
        self._reach = _Reach()
        self._asked = AskedDays()

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def is_touched(self) -> bool:
        """Whether anything was written since the last round began."""
        return bool(self._touched)

    def fail(self, error: HeadcountError) -> None:
        """Tells every watch that nothing comes any more."""
        for rule in list(self._rules.values()):
            for watch in list(rule.watches):
                watch.failed(error)

    def close(self) -> None:
        """Ends the listening to the audience."""
        self.audience.unlisten(self._touched)

    def add(
        self,
        watch: Watch,
        question: Rule,
        parameters: Mapping[str, Value | ValueList],
        within: Rule | None,
        now_us: int,
    ) -> None:
        """Takes a watch; a rule that nobody watches yet is evaluated whole, as of now.

        Raises:
            HeadcountError: the rule can't be bound (any more).
        """
        rule = question
        if within is not None and not isinstance(within, Everyone):
            rule = And((question, within))
        key = (rule, tuple(sorted(parameters.items())))
        found = self._rules.get(key)
        if found is None:
            found = WatchedRule(key, rule, parameters)
            noted = Touched()
            noted.merge(self._touched)
            self._update(found, Round(self.audience, now_us, noted, self._limits))
            self._rules[key] = found
            self.nbytes += found.measured()
        found.watches[watch] = None
        watch.rule = found

    def remove(self, watch: Watch) -> None:
        """Gives a watch up, and its rule where nobody else watches that."""
        rule, watch.rule = watch.rule, None
        if rule is not None:
            rule.watches.pop(watch, None)
            if not rule.watches and self._rules.get(rule.key) is rule:
                del self._rules[rule.key]
                self.nbytes -= rule.nbytes

    def round(self, clock: Callable[[], int]) -> Iterator[None]:
        """Brings all rules up to date; may be interrupted wherever it yields.

        O(rules), and for each that the writes touch O(touched rows).
        """
        touched = self._touched.take()
        self._asked.next_round()
        self.horizon_us = None
        due = list(self._rules.values())
        round = self._look(clock(), touched)
        for attempt in range(_TRIES):
            if attempt and self.audience.revision != round.revision:
                touched.merge(self._touched)
                round = self._look(clock(), touched)
            self._reach.update(round)
            self.horizon_us = _least(self.horizon_us, self._reach.horizon_us)
            for _ in self._captured(round):
                if not attempt:
                    yield
            late: list[WatchedRule] = []
            for rule in due:
                if not (self._is_good(round) and self._try(rule, round)):
                    late.append(rule)
                yield
            due = late
            if not due:
                return
        for rule in due:
            if self.audience.revision != round.revision:
                touched.merge(self._touched)
                round = self._look(clock(), touched)
            self._try(rule, round)
            yield

    def _captured(self, round: Round) -> Iterator[None]:
        """Reads for a round what its rules will ask, until something is written."""
        bounds = [rule.maintained.bound for rule in self._rules.values()]
        for _ in round.capture(bound for bound in bounds if bound is not None):
            yield
            if self.audience.revision != round.revision:
                return

    def _is_good(self, round: Round) -> bool:
        """Whether a round can go on, as of its revision where something was written since."""
        if self.audience.revision == round.revision:
            return True
        round.freeze()
        since = self._touched
        return not (since.erased or since.schema or since.segments)

    def _try(self, rule: WatchedRule, round: Round) -> bool:
        """Brings a rule that is watched up to a round; False where it is too late for that."""
        if rule.watches:
            try:
                self._update(rule, round)
            except Late:
                return False
            except HeadcountError as error:
                for watch in list(rule.watches):
                    watch.failed(error)
        return True

    def erasing(self, rows: BitMap) -> None:
        """Takes rows that are about to be erased out of what was told. O(watches)."""
        for rule in list(self._rules.values()):
            is_shown = rule.maintained.intersects(rows)
            for watch in list(rule.watches):
                erased = watch.told_rows & rows
                if erased:
                    watch.told_rows = watch.told_rows - erased
                    watch.gone.update(_keys(self.audience, erased))
                    is_shown = True
                    most = self._limits.watch_erased_keys_max
                    if len(watch.gone) > most:
                        watch.failed(_too_slow(most))
            if is_shown:
                rule.erased = rule.erased | rows
                rule.is_stale = True

    def _look(self, now_us: int, touched: Touched) -> Round:
        return Round(self.audience, now_us, touched, self._limits, self._asked)

    def _update(self, rule: WatchedRule, round: Round) -> None:
        """Brings one rule up to a round and tells its watches."""
        reach = self._reach
        reach.update(round)
        delta = rule.maintained.update(round)
        for end_us in (rule.maintained.horizon_us, reach.horizon_us):
            self.horizon_us = _least(self.horizon_us, end_us)
        if not (delta or rule.is_stale or rule.reach_version != reach.version):
            return
        rule.reachable = self._reachable(rule, delta)
        rule.reach, rule.reach_version = reach.members, reach.version
        count = rule.maintained.count
        if not rule.total <= 2 * count <= 4 * rule.total:
            self.nbytes += rule.measured()
        rule.total = count
        rule.erased, rule.is_stale = bitmaps.EMPTY, False
        rule.revision, rule.time_us = round.revision, round.now_us
        for watch in rule.watches:
            watch.changed(watch)

    def _reachable(self, rule: WatchedRule, delta: Delta) -> int:
        """How many of the members can be reached, brought forward from those who moved."""
        reach, members = self._reach, rule.maintained
        if reach.members is None:
            return members.count
        if rule.reach is None:
            return len(members.among(reach.members))
        came, went = delta.entered, delta.left
        if rule.reach_version != reach.version:
            moved = came | went | reach.since(rule.reach_version, rule.reach)
            if len(moved) * _SHARE > self.audience.subscriber_count:
                return len(members.among(reach.members))
            now = members.among(moved)
            came, went = now, (now - came) | went
        gained = came.intersection_cardinality(reach.members)
        return rule.reachable + gained - went.intersection_cardinality(rule.reach)


class _Reach:
    """Who can be reached in an audience.

    Attributes:
        members: None where no rule says it, and everyone can.
        version: another one whenever ``members`` is another set.
    """

    def __init__(self) -> None:
        self.members: BitMap | None = None
        self.version = 0
        self._maintained: Maintained | None = None
        self._round: Round | None = None
        self._since: dict[int, BitMap] = {}

    @property
    def horizon_us(self) -> int | None:
        """The last instant up to which nothing changes without a write."""
        return None if self._maintained is None else self._maintained.horizon_us

    def update(self, round: Round) -> None:
        """Brings it up to a round, once in each."""
        if round is self._round:
            return
        rule = round.audience.reachable
        if rule is None:
            if self._maintained is not None:
                self._maintained, self.members = None, None
                self._next()
        else:
            if self._maintained is None or self._maintained.rule != rule:
                self._maintained, self.members = Maintained(rule), bitmaps.EMPTY
                self._next()
            if self._maintained.update(round):
                self._next()
            self.members = self._maintained.members
        self._round = round

    def since(self, version: int, members: BitMap) -> BitMap:
        """The rows that came or went since it was of that version and had those members."""
        assert self.members is not None
        if version == self.version:
            return bitmaps.EMPTY
        found = self._since.get(version)
        if found is None:
            found = self._since[version] = members ^ self.members
        return found

    def _next(self) -> None:
        self.version += 1
        self._since.clear()


def _keys(audience: Audience, rows: BitMap) -> list[str]:
    if not rows:
        return []
    found = audience.keys.keys(bitmaps.to_array(rows))
    return found if isinstance(found, list) else found.tolist()  # pyright: ignore[reportReturnType]


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _too_slow(most: int) -> Overloaded:
    return Overloaded(
        f"more than {most:,} members were erased since the last update was read, which ends the"
        " watch; read faster, or watch without members",
        limit="watch_erased_keys_max",
    )

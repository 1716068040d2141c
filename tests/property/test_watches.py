"""Watched rules follow writes, late events, erasures, segments and the clock as the oracle says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headcount_server.core import bitmaps
from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.schema import KeyType
from headcount_server.engine.watched_rules import Watch, WatchedRules
from headcount_server.limits import DEFAULT_LIMITS
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Key, Model
from tests.property.answered import ANSWERED, MOVES
from tests.property.world import World
from tests.strategies.edits import Advance, Define, Edit, Erase, apply
from tests.strategies.histories import SEGMENTS, histories
from tests.strategies.rules import rules as drawn_rules
from tests.strategies.settings import settings as drawn_settings

FOLLOWED = ANSWERED - MOVES  # the clock moves those by commands of its own
CALM = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)


@dataclass
class Reader:
    """A watch and what its reader knows; it reads when it likes."""

    watch: Watch
    rule: tree.Rule
    members: set[Key] = field(default_factory=set)
    counts: tuple[int, int] = (0, 0)
    is_first: bool = True

    def read(self, world: World, expected: set[Key], reachable: set[Key]) -> None:
        """Takes what there is; it must be what changed since the last time, and no more."""
        update = self.watch.take(world.audience)
        if update is None:
            assert not self.is_first
            assert self.counts == (len(expected), len(expected & reachable))
            assert not self.watch.wants_members or self.members == expected
            return
        entered, left = set(update.entered), set(update.left)
        if not self.watch.wants_members or self.is_first:
            assert not entered
            assert not left
        else:
            assert not entered & self.members
            assert left <= self.members
            assert (self.members | entered) - left == expected
            assert update.entered == sorted(entered)
        assert update.change == (0 if self.is_first else update.total - self.counts[0])
        self.members, self.is_first = set(expected), False
        self.counts = (update.total, update.reachable)
        assert self.counts == (len(expected), len(expected & reachable))


class Stage:
    """An audience with watched rules, and the oracle beside it."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.setting = data.draw(drawn_settings(KeyType.STRING, KeyType.UINT32))
        self.now = self.setting.now
        self.model = Model(self.setting.schema)
        self.world = World(self.setting.schema, self.now)
        self.reachable = data.draw(drawn_rules(self.setting, FOLLOWED))
        self.world.audience.reachable = self.reachable
        self.watched = WatchedRules(self.world.audience, 0.1, DEFAULT_LIMITS)
        self.readers: list[Reader] = []
        self.round: Iterator[None] | None = None

    def do(self, edit: Edit) -> None:
        if isinstance(edit, Advance):
            self.now = edit.to
        self.world.clock = self.model.clock = self.now
        if isinstance(edit, Erase):
            keys = self.world._keys(list(edit.keys))
            found = self.world.audience.find(keys)
            self.watched.erasing(bitmaps.from_rows(found[found >= 0]))
            self.world.audience._found.clear()
        apply(edit, self.model)
        apply(edit, self.world)

    def watch(self, rule: tree.Rule) -> None:
        watch = Watch(0, 0.1, self.data.draw(st.booleans()), lambda _: None, self._failed)
        self.watched.add(watch, rule, {}, None, self.now)
        self.readers.append(Reader(watch, rule))
        self.read(self.readers[-1])

    def leave(self, reader: Reader) -> None:
        self.watched.remove(reader.watch)
        self.readers.remove(reader)

    def interrupted_round(self) -> None:
        """Some steps of a round, which goes on after the next edits."""
        if self.round is None:
            self.round = self.watched.round(lambda: self.now)
        for _ in range(self.data.draw(st.integers(1, 2))):
            next(self.round, None)

    def whole_round(self) -> None:
        """What was begun is ended, and what is still due is done."""
        for _ in self.round or ():
            pass
        self.round = None
        for _ in self.watched.round(lambda: self.now):
            pass

    def read(self, reader: Reader) -> None:
        expected = self.model.members(reader.rule, self.now)
        reader.read(self.world, expected, self.model.members(self.reachable, self.now))

    def check(self) -> None:
        """After a round each rule is what the oracle says."""
        self.whole_round()
        assert not self.watched.is_touched
        for reader in self.readers:
            note(format_rule(reader.rule))
            rule = reader.watch.rule
            assert rule is not None
            assert not rule.is_stale
            expected = self.model.members(reader.rule, self.now)
            reached = expected & self.model.members(self.reachable, self.now)
            assert (rule.total, rule.reachable) == (len(expected), len(reached))
            if self.data.draw(st.booleans()):
                self.read(reader)

    def _failed(self, error: Exception) -> None:
        raise error


@given(st.data())
@CALM
def test_watches_follow_the_oracle_through_everything_that_happens(data: st.DataObject) -> None:
    stage = Stage(data)
    for _ in range(data.draw(st.integers(1, 4))):
        stage.watch(data.draw(drawn_rules(stage.setting, FOLLOWED)))
    for edit in data.draw(histories(stage.setting, FOLLOWED)):
        stage.do(edit)
        act = data.draw(st.integers(0, 7))
        if isinstance(edit, Define) and act % 2:
            stage.whole_round()
            names = [name for name in SEGMENTS if name in stage.model.segments]
            stage.watch(data.draw(drawn_rules(stage.setting, FOLLOWED, names)))
        elif act == 0:
            stage.interrupted_round()
        elif act == 1 and stage.readers:
            stage.leave(stage.readers[0])
            stage.whole_round()
            stage.watch(data.draw(drawn_rules(stage.setting, FOLLOWED)))
        elif act > 3:
            stage.check()
    stage.check()
    for reader in list(stage.readers):
        stage.read(reader)
        stage.leave(reader)
    assert len(stage.watched) == 0
    assert stage.watched.nbytes == 0

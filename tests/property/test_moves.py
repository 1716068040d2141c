"""Histories of segments, and the rules that ask for moves, against the oracle after every step."""

from __future__ import annotations

from headcount_server.core import bitmaps
from headcount_server.core.live.sizes import MINUTE_US
from headcount_server.core.rules import tree
from headcount_server.core.rules.formatter import format_rule
from headcount_server.core.schema import KeyType
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle.model import Model
from tests.oracle.moves import Kept, Moved
from tests.property.answered import ANSWERED
from tests.property.world import World
from tests.strategies.audiences import audiences, record, upsert
from tests.strategies.edits import Define, Edit, Erase, apply
from tests.strategies.histories import HISTORY_DAYS, SEGMENTS
from tests.strategies.picking import Pick
from tests.strategies.rules import rule
from tests.strategies.settings import DAY, HOUR, KEYS, SECOND, Setting, times
from tests.strategies.settings import settings as drawn_settings

STEPS = (0, 1, SECOND, HOUR // 2, HOUR, DAY, 2 * DAY)
KINDS = ("record", "clock", "upsert", "clock", "record", "erase", "define", "advance", "restart")


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_moves_are_those_of_the_oracle_after_every_step(data: st.DataObject) -> None:
    setting = data.draw(drawn_settings(*KeyType))
    pick = Pick(data.draw, setting, ANSWERED)
    model, world = Model(setting.schema), World(setting.schema, setting.now)
    model.clock = model.moves.clock = world.clock
    for edit in data.draw(audiences(setting, 20)):
        apply(edit, model)
        apply(edit, world)
    for place in range(3):
        define = Define(SEGMENTS[place], rule(pick, SEGMENTS[:place]), HISTORY_DAYS)
        note(format_rule(define.rule))
        apply(define, model)
        apply(define, world)
    asked = [rule(pick, SEGMENTS) for _ in range(2)]
    asked += [tree.SegmentMove(move, tree.Text(SEGMENTS[0]), tree.Ever()) for move in tree.Move]
    clock = setting.now
    for _ in range(8):
        kind = pick.one(KINDS)
        if kind == "clock":
            later = [t - clock for t in times(setting) if 0 < t - clock <= 2 * DAY]
            clock += pick.one((*STEPS, *later))
        world.clock = model.clock = clock
        if kind == "advance":
            world.advance()
            model.advance(clock)
        if kind == "restart":
            before = world.written()
            world.reload()
            assert world.written() == before
        edit = drawn(Pick(data.draw, Setting(setting.schema, clock), ANSWERED), kind, model, clock)
        if edit is not None:
            note(repr(edit))
            apply(edit, model)
            apply(edit, world)
        for name, kept in model.moves.kept.items():
            assert history_of(world, name) == history_of_oracle(kept), name
        for question in asked:
            assert world.members(question, clock) == model.members(question, clock)


def drawn(pick: Pick, kind: str, model: Model, clock: int) -> Edit | None:
    """What is written; an event may be late or of the future."""
    existing, known = tuple(model.subscribers), KEYS[pick.setting.schema.key]
    match kind:
        case "record" if existing:
            return record(pick, existing[:4])
        case "upsert":
            return upsert(pick, pick.one((*existing[:4], *known)), clock, removing=True)
        case "erase":
            return Erase(tuple(dict.fromkeys(pick.one((*existing, *known)) for _ in range(2))))
        case "define":
            place = pick.index(3)
            return Define(SEGMENTS[place], rule(pick, SEGMENTS[:place]), HISTORY_DAYS)
        case _:
            return None


Past = tuple[set[object], list[Moved], list[tuple[int, int, int, int]]]


def history_of(world: World, name: str) -> Past:
    """Members, moves and sizes by minute."""
    history = world.audience.histories[name]

    def keys(rows: object) -> list[object]:
        found = world.audience.keys.keys(rows)  # pyright: ignore[reportArgumentType]
        return found if isinstance(found, list) else found.tolist()

    moves = [
        Moved(key, move, int(time))
        for move, store in history.stores.items()
        for day in store.day_counts()
        for chunk in store.chunks_of(day)
        for key, time in zip(keys(chunk.rows), chunk.times.unpack().tolist(), strict=True)
    ]
    members = history.maintained.members
    rows = world.audience.keys.everyone & members
    assert rows == members
    sizes = [tuple(point) for point in history.sizes.points()]
    return set(keys(bitmaps.to_array(rows))), sorted(moves, key=repr), sizes


def history_of_oracle(kept: Kept) -> Past:
    sizes: list[tuple[int, int, int, int]] = []
    for time, total, entered, left in kept.sizes:
        start = time - time % MINUTE_US
        before = sizes.pop() if sizes and sizes[-1][0] == start else (start, 0, 0, 0)
        sizes.append((start, total, before[2] + entered, before[3] + left))
    return set(kept.members), sorted(kept.moves, key=repr), sizes

"""Rows of look-ups are kept from the second ask on, for one version of their index, in a budget."""

from headcount_server.core.plan.evaluate import Evaluation
from headcount_server.core.plan.lookup_cache import LookupCache
from headcount_server.core.plan.nodes import AtLeast, IsTrue, Not, NumberRange, Or
from headcount_server.core.plan.stamps import stamp_of
from pyroaring import BitMap

from tests.property.world import World
from tests.strategies.settings import STRING_SCHEMA

ADULTS = NumberRange("age", 18, None)


def test_an_entry_holds_for_its_stamp_only() -> None:
    cache = LookupCache()
    cache.put(ADULTS, (1,), BitMap([1]))
    assert cache.get(ADULTS, (1,)) == BitMap([1])
    assert cache.get(ADULTS, (2,)) is None
    cache.put(ADULTS, (2,), BitMap([2]))
    assert cache.get(ADULTS, (2,)) == BitMap([2])
    assert cache.get(ADULTS, (1,)) is None


def test_the_budget_holds_and_the_least_recently_asked_goes_first() -> None:
    one = LookupCache()
    one.put(ADULTS, (1,), BitMap([1]))
    cache = LookupCache(budget_bytes=2 * one.nbytes)
    nodes = [NumberRange("age", low, None) for low in range(3)]
    for node in nodes[:2]:
        cache.put(node, (1,), BitMap([1]))
    assert cache.get(nodes[0], (1,)) is not None
    cache.put(nodes[2], (1,), BitMap([1]))
    assert [cache.get(node, (1,)) is not None for node in nodes] == [True, False, True]
    assert cache.nbytes <= 2 * one.nbytes
    cache.put(nodes[0], (1,), BitMap(range(0, 10_000_000, 3)))
    assert cache.get(nodes[0], (1,)) is None


def test_a_look_up_is_kept_from_the_second_ask_on_and_a_write_unmakes_it() -> None:
    world = World(STRING_SCHEMA, 0)
    world.upsert("ann", {"age": 30}, 0)
    cache = world.audience.lookups
    for kept in (False, True, True):
        assert len(Evaluation(world.audience).rows(ADULTS)) == 1
        assert (cache.nbytes > 0) == kept
    world.upsert("bob", {"age": 40}, 0)
    assert len(Evaluation(world.audience).rows(ADULTS)) == 2


def test_an_erasure_leaves_nothing_kept() -> None:
    world = World(STRING_SCHEMA, 0)
    world.upsert("ann", {"age": 30}, 0)
    for _ in range(2):
        Evaluation(world.audience).rows(ADULTS)
    world.erase(["ann"])
    assert world.audience.lookups.nbytes == 0
    assert not Evaluation(world.audience).rows(ADULTS)


def test_what_is_combined_is_kept_until_an_index_that_it_reads_changes() -> None:
    world = World(STRING_SCHEMA, 0)
    for key in ("ann", "bob", "cleo"):
        world.upsert(key, {"age": 10, "consent": key == "ann"}, 0)
    either = Or((ADULTS, IsTrue("consent", True)))
    for _ in range(3):
        assert len(Evaluation(world.audience).rows(either)) == 1
    stamp = stamp_of(world.audience, either)
    assert stamp is not None
    assert world.audience.lookups.get(either, stamp) is not None
    world.upsert("bob", {"email": "bob@example.com"}, 0)
    assert stamp_of(world.audience, either) == stamp
    world.upsert("bob", {"consent": True}, 0)
    assert stamp_of(world.audience, either) != stamp
    assert len(Evaluation(world.audience).rows(either)) == 2
    negated = AtLeast(1, (Not(IsTrue("consent", True)), ADULTS, ADULTS))
    for _ in range(3):
        assert len(Evaluation(world.audience).rows(negated)) == 1
    world.upsert("dan", {}, 0)
    assert len(Evaluation(world.audience).rows(negated)) == 2

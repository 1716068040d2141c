"""Which batches count as applied before, at every end of what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
from headcount_server.core.commands import Producer
from headcount_server.core.producers import Producers
from headcount_server.errors import DataLoss, InvalidInput, RevisionOutOfRange
from headcount_server.limits import PRODUCER_NAME_BYTES_MAX, PRODUCER_REVISIONS_MAX, Limits


def applied(batches: int, name: str = "p", found: Producers | None = None) -> Producers:
    """Batch n got the revision 10 n."""
    found = found or Producers(Limits(producers_max=2))
    for number in range(1, batches + 1):
        found.validate(Producer(name, number), "a")
        found.note(Producer(name, number), 10 * number)
    return found


def test_the_first_and_the_last_batch_are_repeated_and_the_next_is_not() -> None:
    found = applied(3)
    answers = [found.repeated(Producer("p", number)) for number in range(5)]
    assert answers == [None, 10, 20, 30, None]


def test_the_oldest_batch_remembered_has_its_revision_and_older_ones_the_newest() -> None:
    number = PRODUCER_REVISIONS_MAX + 2
    found = applied(number)
    assert found.repeated(Producer("p", 3)) == 30
    assert found.repeated(Producer("p", 2)) == 10 * number


def test_batches_are_numbered_from_one_by_names_that_are_not_too_long() -> None:
    found = Producers(Limits())
    longest = "p" * PRODUCER_NAME_BYTES_MAX
    for name in ("p", longest, "ä" * (PRODUCER_NAME_BYTES_MAX // 2)):
        found.validate(Producer(name, 1), "a")
    for name in ("", "p" * (PRODUCER_NAME_BYTES_MAX + 1)):
        with pytest.raises(InvalidInput, match="1 to"):
            found.validate(Producer(name, 1), "a")
    with pytest.raises(InvalidInput, match="numbered from 1"):
        found.validate(Producer("p", 0), "a")
    with pytest.raises(RevisionOutOfRange):
        found.validate(Producer("p", 2), "a")


def test_of_too_many_producers_the_one_silent_for_longest_is_forgotten() -> None:
    found = applied(1, "second", applied(1, "first"))
    assert found.repeated(Producer("first", 1)) == 10
    applied(1, "third", found)
    known = [name for name in ("first", "second", "third") if found.repeated(Producer(name, 1))]
    assert known == ["second", "third"]


@pytest.mark.parametrize(("last", "revisions", "is_good"), [
    (1, 1, True), (1, 0, False), (1, 2, False), (5, 5, True), (5, 6, False),
    (2 * PRODUCER_REVISIONS_MAX, PRODUCER_REVISIONS_MAX, True),
    (2 * PRODUCER_REVISIONS_MAX, PRODUCER_REVISIONS_MAX + 1, False),
])  # fmt: skip
def test_a_dump_has_revisions_of_its_batches_alone(
    last: int, revisions: int, is_good: bool
) -> None:
    parts = [{"name": "p", "last": last, "revisions": np.arange(revisions, dtype=np.int64)}]
    if is_good:
        assert Producers.load(parts, Limits()).repeated(Producer("p", last)) == revisions - 1
    else:
        with pytest.raises(DataLoss):
            Producers.load(parts, Limits())

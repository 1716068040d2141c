"""An index built between two steps of a write holds nothing of what the write put in place."""

import numpy as np
import pytest
from headcount_server.core.attributes import load_index, make_index, pending
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.steps import finish
from headcount_server.core.values import ValueColumn

KINDS = [AttributeType.KEYWORD, AttributeType.KEYWORDS]
SEEN, UNSEEN = [0, 1, 70_000], [2, 3, 4, 5, 70_001]


def column(kind, values):
    data = values if kind is AttributeType.KEYWORD else [(value, value + "+") for value in values]
    return ValueColumn(kind, data, np.ones(len(values), np.bool_))


def started(kind):
    """An index as after a start: values are in place, no bitmap is made."""
    schema = AttributeSchema("a", kind)
    index = make_index(schema)
    index.write(np.array(SEEN, np.uint32), column(kind, ["x", "y", "x"]))
    return load_index(schema, index.dump())


def told(index):
    found = [(text, list(rows)) for text, rows in index.values()]
    if isinstance(index, KeywordsIndex):
        found += [(size, list(index.with_size(size, size))) for size in range(1, 4)]
    return found


def writing(index, kind):
    rows = np.array(sorted([*UNSEEN, 1]), np.uint32)
    unseen = np.isin(rows, UNSEEN)
    return index.writing(rows, column(kind, ["z", "x", "z", "y", "x", "z"]), unseen)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_built_between_two_steps_of_a_write_is_as_before_it(kind, monkeypatch):
    monkeypatch.setattr(pending, "STEP_ROWS", 2)
    before = told(started(kind))
    whole = started(kind)
    whole.publish(finish(writing(whole, kind)))
    after = told(whole)
    assert after != before
    placed = 0
    for taken in range(1 + sum(1 for _ in writing(started(kind), kind))):
        index = started(kind)
        steps = writing(index, kind)
        for _ in range(taken):
            next(steps)
        placed += index.take(np.array(UNSEEN, np.uint32)) != [None] * len(UNSEEN)
        assert told(index) == before
        index.publish(finish(steps))
        assert told(index) == after
    assert placed

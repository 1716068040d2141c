"""Settling changes no answer, wherever it is left off and whatever is written in between."""

import numpy as np
from headcount_server.core.attributes import load_index, make_index
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.texts import OneOf
from headcount_server.core.values import ValueColumn
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS = st.lists(st.integers(0, 200_000), min_size=1, max_size=40, unique=True)
NUMBERS = st.sampled_from([-(2**63), -5, -1, 0, 1, 2, 7, 1_000, 2**63 - 1])
WORDS = st.sampled_from(["a", "A", "b", "c"])
SETS = st.lists(WORDS, min_size=1, max_size=3, unique=True).map(tuple)


def _batch(draw, kind, values):
    rows = draw(ROWS)
    data = [draw(values) for _ in rows]
    present = np.array([draw(st.sampled_from([True, True, True, False])) for _ in rows])
    column = np.array(data, np.int64) if kind is AttributeType.INTEGER else data
    return np.array(rows, np.uint32), ValueColumn(kind, column, present)


def _agree(index, fresh):
    assert index.exists == fresh.exists
    if index.schema.type is AttributeType.INTEGER:
        for low, high in [(None, 0), (0, None), (-1, 1), (0, 0), (2, 999), (-(2**63), -(2**63))]:
            assert index.range(low, high) == fresh.range(low, high)
            assert index.range_pieces(low, high).count() == len(fresh.range(low, high))
    else:
        for word in "abc":
            test = OneOf(frozenset([word]), frozenset())
            assert index.select(test) == fresh.select(test)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_settling_in_part_and_writing_in_between(data):
    kind, values = data.draw(st.sampled_from([
        (AttributeType.INTEGER, NUMBERS), (AttributeType.KEYWORD, WORDS),
        (AttributeType.KEYWORDS, SETS),
    ]))  # fmt: skip
    schema = AttributeSchema("x", kind)
    index = make_index(schema)
    index.write(*_batch(data.draw, kind, values))
    index = load_index(schema, index.dump())  # as after a start: nothing is built
    steps = iter(())
    for _ in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(["begin", "go on", "finish", "write", "ask"])):
            case "begin":
                steps = index.settling()
            case "go on":
                for _ in range(data.draw(st.integers(1, 4))):
                    next(steps, None)
            case "finish":
                for _ in index.settling():
                    pass
            case "write":
                index.write(*_batch(data.draw, kind, values))
            case _:
                _agree(index, load_index(schema, index.dump()))
    for _ in steps:
        pass
    _agree(index, load_index(schema, index.dump()))

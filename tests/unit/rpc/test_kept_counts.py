"""Requests of equal bytes: answered as if they were read anew, whatever changed in between."""

import pytest
from headcount.v1 import query_service_pb2 as pb
from headcount_server.core.commands import (
    AttributeValues,
    CreateAudience,
    CreateSegment,
    DeleteAudience,
    DeleteSegment,
    DeleteSubscribers,
    FreezeSegment,
    UpdateAudience,
    UpdateSegment,
    UpsertSubscribers,
)
from headcount_server.core.query import Ask, count
from headcount_server.core.rules.parser import parse
from headcount_server.core.schema import AttributeSchema, AttributeType, KeyType, Schema
from headcount_server.core.state import State
from headcount_server.core.values import from_texts
from headcount_server.errors import NotFound
from headcount_server.limits import Limits
from headcount_server.rpc import kept_counts
from headcount_server.rpc.kept_counts import KeptCounts

DAY = 86_400_000_000
AGE = AttributeSchema("age", AttributeType.INTEGER)
BORN = AttributeSchema("born", AttributeType.DATE)
SCHEMA = Schema(KeyType.STRING, "UTC", attributes=(AGE, BORN), reachable="age > 1")


class Serving:
    """State, a clock that is set, and counts that keep what they read."""

    def __init__(self, schema=SCHEMA):
        self.limits, self.state, self.clock = Limits(), State(), 10 * DAY
        self.counts = KeptCounts(self)
        self.do(CreateAudience("a", schema, 0))
        self.write("ann", age="5", born="1970-01-10")
        self.write("bob", age="1", born="1970-01-03")

    def audience(self, name):
        return self.state.audience(name)

    def now_us(self):
        return self.clock

    def do(self, command):
        self.state.validate(command)
        self.state.apply(command)

    def write(self, key, **values):
        audience = self.state.audience("a")
        columns = tuple(
            AttributeValues(
                name,
                from_texts(audience.schema.attribute(name), [text], audience.calendar, self.limits)[
                    0
                ],
                None,
            )
            for name, text in values.items()
        )
        self.do(UpsertSubscribers("a", [key], tuple(columns), self.clock))

    def first(self, text, **options):
        """Asks for the first time; the bytes to ask with again."""
        request = pb.CountRequest(audience="a", rule_text=text, **options)
        raw = request.SerializeToString()
        assert self.counts.answer(raw) is None
        now = options["as_of"].ToMicroseconds() if "as_of" in options else self.clock
        ask = Ask(self.state.audience("a"), now)
        self.counts.count(raw, request, ask, parse(text))
        return raw

    def again(self, raw):
        found = self.counts.answer(raw)
        if found is None:
            return None
        answer = pb.CountResponse.FromString(found)
        request = pb.CountRequest.FromString(raw)
        ask = Ask(self.state.audience("a"), self.clock)
        if not request.HasField("as_of"):
            anew = count(ask, parse(request.rule_text))
            assert (answer.total, answer.reachable) == (anew.total, anew.reachable)
            assert answer.as_of_time.ToMicroseconds() == self.clock
        assert answer.revision == ask.audience.revision
        assert answer.audience_size == ask.audience.subscriber_count
        return answer.total, answer.reachable


def test_bytes_that_were_never_asked_go_the_long_way():
    serving = Serving()
    assert serving.counts.answer(b"") is None
    assert serving.counts.answer(b"\xff\xff") is None


def test_a_write_between_two_asks_is_counted():
    serving = Serving()
    raw = serving.first("age > 3")
    assert serving.again(raw) == (1, 1)
    serving.write("cem", age="4")
    assert serving.again(raw) == (2, 2)
    serving.do(DeleteSubscribers("a", ["ann"], serving.clock))
    assert serving.again(raw) == (1, 1)


def test_now_goes_on_for_a_rule_with_a_window():
    serving = Serving()
    raw = serving.first("born in last 3 days")
    assert serving.again(raw) == (1, 1)
    serving.clock += 5 * DAY
    assert serving.again(raw) == (0, 0)


def test_now_goes_on_for_a_window_inside_a_segment():
    serving = Serving()
    serving.do(CreateSegment("a", "inner", parse("born in last 3 days"), 0, 0))
    serving.do(CreateSegment("a", "outer", parse('in segment "inner" and age > 0'), 0, 0))
    raw = serving.first('in segment "outer"')
    assert serving.again(raw) == (1, 1)
    serving.clock += 5 * DAY
    assert serving.again(raw) == (0, 0)


def test_a_window_of_the_reachable_rule_goes_on_too():
    schema = Schema(KeyType.STRING, "UTC", attributes=(AGE, BORN), reachable="born in last 3 days")
    serving = Serving(schema)
    raw = serving.first("everyone")
    assert serving.again(raw) == (2, 1)
    serving.clock += 5 * DAY
    assert serving.again(raw) == (2, 0)


def test_as_of_stays_where_it_was_asked_for():
    serving = Serving()
    stamp = pb.CountRequest().as_of
    stamp.FromMicroseconds(10 * DAY)
    raw = serving.first("born in last 3 days", as_of=stamp)
    serving.clock += 5 * DAY
    assert serving.again(raw) == (1, 1)


def test_a_changed_segment_is_bound_anew_however_deep():
    serving = Serving()
    serving.do(CreateSegment("a", "inner", parse("age > 3"), 0, 0))
    serving.do(CreateSegment("a", "outer", parse('in segment "inner"'), 0, 0))
    raw = serving.first('in segment "outer"')
    assert serving.again(raw) == (1, 1)
    serving.do(UpdateSegment("a", "inner", parse("age > 0"), 0, 0))
    assert serving.again(raw) == (2, 1)


def test_a_segment_that_is_gone_goes_the_long_way_and_one_of_its_name_is_bound_anew():
    serving = Serving()
    serving.do(CreateSegment("a", "s", parse("age > 3"), 0, 0))
    raw = serving.first('in segment "s"')
    serving.do(DeleteSegment("a", "s", 0))
    assert serving.again(raw) is None
    serving.do(FreezeSegment("a", "s", parse("everyone"), serving.clock, 0))
    raw = serving.first('in segment "s" and age > 0')
    assert serving.again(raw) == (2, 1)
    serving.do(DeleteSubscribers("a", ["bob"], 0))
    assert serving.again(raw) == (1, 1)
    serving.do(DeleteSegment("a", "s", 0))
    serving.do(CreateSegment("a", "s", parse("age > 100"), 0, 0))
    assert serving.again(raw) == (0, 0)


def test_another_reachable_rule_is_bound_anew():
    serving = Serving()
    raw = serving.first("everyone")
    assert serving.again(raw) == (2, 1)
    schema = Schema(KeyType.STRING, "UTC", attributes=(AGE, BORN), reachable="age > 4")
    serving.do(UpdateAudience("a", schema, 0))
    serving.write("cem", age="3")
    assert serving.again(raw) == (3, 1)


def test_another_audience_of_the_name_is_another():
    serving = Serving()
    raw = serving.first("age > 3")
    serving.do(DeleteAudience("a", 0))
    with pytest.raises(NotFound):
        serving.counts.answer(raw)
    text = AttributeSchema("age", AttributeType.KEYWORD)
    serving.do(CreateAudience("a", Schema(KeyType.STRING, "UTC", attributes=(text,)), 0))
    assert serving.counts.answer(raw) is None
    serving.do(DeleteAudience("a", 0))
    serving.do(CreateAudience("a", SCHEMA, 0))
    serving.write("dot", age="9")
    assert serving.again(serving.first("age > 3")) == (1, 1)


def test_a_revision_that_is_not_there_yet_goes_the_long_way():
    serving = Serving()
    revision = serving.state.audience("a").revision
    raw = serving.first("age > 3", at_least_revision=revision)
    assert serving.again(raw) == (1, 1)
    serving.do(DeleteAudience("a", 0))
    serving.do(CreateAudience("a", SCHEMA, 0))
    assert serving.counts.answer(raw) is None


def test_days_whose_changes_were_dropped_are_refused_the_long_way():
    schema = Schema(KeyType.STRING, "UTC", attributes=(AGE,), change_days=1)
    serving = Serving.__new__(Serving)
    serving.limits, serving.state, serving.clock = Limits(), State(), 10 * DAY
    serving.counts = KeptCounts(serving)
    serving.do(CreateAudience("a", schema, 0))
    serving.write("ann", age="5")
    stamp = pb.CountRequest().as_of
    stamp.FromMicroseconds(10 * DAY)
    raw = serving.first("age changed in last 1 days", as_of=stamp)
    assert serving.again(raw) == (1, 1)
    serving.clock += 400 * DAY
    serving.write("bob", age="5")
    assert serving.counts.answer(raw) is None


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(kept_counts, "KEPT_RULES_MAX", 2)
    serving = Serving()
    old, unused = serving.first("age > 1"), serving.first("age > 2")
    assert serving.again(old) is not None
    new = serving.first("age > 3")
    assert serving.counts.answer(unused) is None
    assert serving.again(old) is not None
    assert serving.again(new) is not None
    long = "age in (" + ", ".join(["5"] * 5_000) + ")"
    assert serving.counts.answer(serving.first(long)) is None


def test_moves_that_are_no_longer_kept_are_refused_the_long_way():
    serving = Serving()
    rule = parse("age > 3")
    serving.do(CreateSegment("a", "s", rule, 30, serving.clock))
    raw = serving.first('entered segment "s" in last 2 days')
    assert serving.again(raw) == (0, 0)
    serving.clock += DAY
    serving.write("bob", age="9")
    assert serving.again(raw) == (1, 1)
    serving.do(UpdateSegment("a", "s", rule, 0, serving.clock))
    assert serving.counts.answer(raw) is None

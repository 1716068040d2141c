"""SuggestRule over the wire."""

import grpc
import pytest
from headcount.v1 import query_service_pb2

from tests.rpc.serving import refused

pb = query_service_pb2


def request(text, position=None, **fields):
    position = len(text) if position is None else position
    return pb.SuggestRuleRequest(audience="shop", rule_text=text, position=position, **fields)


def suggested(api, text, **fields):
    answer = api.query.SuggestRule(request(text, **fields))
    return [(s.text, s.kind, s.count, s.span.start, s.span.end) for s in answer.suggestions]


def test_names_are_completed(api, shop):
    assert suggested(api, "age > 3 and coun") == [
        ("count", "keyword", 0, 12, 16), ("country", "attribute", 0, 12, 16),
    ]  # fmt: skip


def test_values_come_with_their_counts_the_most_frequent_first(api, shop):
    assert suggested(api, "country = ") == [
        ('"DE"', "value", 2, 10, 10),
        ('"FR"', "value", 1, 10, 10),
        ("exactly", "keyword", 0, 10, 10),
    ]


def test_places_count_code_points(api, shop):
    text = 'country = "😀" and ag'
    assert suggested(api, text)[0] == ("age", "attribute", 0, 18, 20)
    assert suggested(api, text, position=5)[1] == ("country", "attribute", 0, 0, 7)


def test_twenty_unless_another_limit_is_asked_for(api, shop):
    assert len(suggested(api, "")) == 20
    assert len(suggested(api, "", limit=3)) == 3
    assert 20 < len(suggested(api, "", limit=1_000)) < 1_000


@pytest.mark.parametrize("limit", [-1, 1_001])
def test_a_limit_past_its_bound_is_refused(api, shop, limit):
    error = refused(api.query.SuggestRule, request("", limit=limit))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["limit"])


@pytest.mark.parametrize("position", [-1, 4])
def test_a_place_outside_the_text_is_refused(api, shop, position):
    error = refused(api.query.SuggestRule, request("age", position))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["position"])


def test_an_audience_that_is_not_there_is_told(api, shop):
    missing = pb.SuggestRuleRequest(audience="shopp", rule_text="", position=0)
    assert refused(api.query.SuggestRule, missing).code == grpc.StatusCode.NOT_FOUND
    assert refused(api.query.SuggestRule, pb.SuggestRuleRequest()).fields == ["audience"]


def test_a_long_text_is_read_off_the_event_loop(api, shop):
    text = "country in (" + '"a", ' * 2_000
    assert ('"DE"', "value", 2) in [one[:3] for one in suggested(api, text)]

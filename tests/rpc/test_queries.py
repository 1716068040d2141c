"""Questions over the wire: what each call answers."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headcount.v1 import audience_service_pb2, ingest_service_pb2, query_service_pb2, rule_pb2
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_message
from pyroaring import BitMap

from tests.rpc.serving import audience, refused

pb = query_service_pb2


def question(kind, text, **fields):
    return kind(audience="shop", rule_text=text, **fields)


def test_a_count_tells_total_reachable_and_what_it_reflects(api, shop):
    answer = api.query.Count(question(pb.CountRequest, 'country = "de"'))
    assert (answer.total, answer.reachable, answer.audience_size) == (2, 1, 4)
    assert answer.revision == 3
    assert answer.as_of_time.seconds > 1_700_000_000
    assert answer.HasField("engine_duration")


def test_rule_text_tree_and_segment_are_the_same_question(api, shop):
    text = 'country = "DE" and age >= 40'
    tree = api.query.Count(pb.CountRequest(audience=shop, rule=rule_message(parse(text))))
    spelled = api.query.Count(question(pb.CountRequest, text))
    assert tree.total == spelled.total == 1


def test_a_waterfall_leads_from_everyone_to_the_reachable(api, shop):
    request = question(pb.CountRequest, 'country = "de" and age >= 40', waterfall=True)
    answer = api.query.Count(request)
    assert [(s.label, s.count, s.removed_count) for s in answer.waterfall] == [
        ("audience", 4, 0), ('country = "de"', 2, 2), ("age >= 40", 1, 1), ("reachable", 0, 1),
    ]  # fmt: skip


def test_as_of_moves_the_clock(api, shop):
    early = Timestamp(seconds=1_772_272_800)  # 2026-02-28T10:00Z
    text = "signup in last 30 days"
    answer = api.query.Count(question(pb.CountRequest, text, as_of=early))
    assert (answer.total, answer.as_of_time) == (2, early)
    assert api.query.Count(question(pb.CountRequest, "did open", as_of=early)).total == 0


@pytest.mark.parametrize(
    "value",
    [
        pb.ParameterValue(value=rule_pb2.Value(text="de")),
        pb.ParameterValue(literal="DE"),
        pb.ParameterValue(literal='"DE"'),
    ],
)
def test_parameters_are_bound(api, shop, value):
    answer = api.query.Count(question(pb.CountRequest, "country = $c", parameters={"c": value}))
    assert answer.total == 2


@pytest.mark.parametrize(
    ("text", "value", "total"),
    [
        ("age >= $x", pb.ParameterValue(literal="40"), 2),
        ("signup after $x", pb.ParameterValue(literal="2026-01-31"), 1),
        ("country in $x", pb.ParameterValue(literal='("de", "fr")'), 3),
        ("country in $x", pb.ParameterValue(list=rule_pb2.ValueList(values=[{"text": "fr"}])), 1),
        ("id in $x", pb.ParameterValue(literal='("ann", "nobody")'), 1),
    ],
)
def test_literals_read_as_in_the_rule_language(api, shop, text, value, total):
    assert api.query.Count(question(pb.CountRequest, text, parameters={"x": value})).total == total


def test_within_holds_for_count_and_reachable(api, shop):
    for scope in ({"within_text": "age >= 40"}, {"within": rule_message(parse("age >= 40"))}):
        answer = api.query.Count(question(pb.CountRequest, "everyone", **scope))
        assert (answer.total, answer.reachable, answer.audience_size) == (2, 1, 4)


def test_a_batch_has_an_error_in_the_place_of_a_rule(api, shop):
    questions = [
        pb.Question(rule_text="age >= 40"),
        pb.Question(rule_text="age >="),
        pb.Question(rule_text='\n contry = "DE"'),
        pb.Question(segment="nobody"),
        pb.Question(),
        pb.Question(rule=rule_message(parse("did open"))),
        pb.Question(rule_text="home within 5 km of (52.5, 13.4)"),
    ]
    answer = api.query.BatchCount(pb.BatchCountRequest(audience=shop, questions=questions))
    assert [r.total for r in answer.results] == [2, 0, 0, 0, 0, 2, 1]
    errors = [r.error for r in answer.results]
    codes = [grpc.StatusCode.INVALID_ARGUMENT.value[0]] * 2 + [grpc.StatusCode.NOT_FOUND.value[0]]
    assert [e.code for e in errors[1:4]] == codes
    assert [e.reason for e in errors[1:5]] == [
        "INVALID_RULE", "INVALID_RULE", "NOT_FOUND", "INVALID_INPUT",
    ]  # fmt: skip
    syntax, unknown = errors[1].faults[0], errors[2].faults[0]
    assert (syntax.field, syntax.line, syntax.column) == ("rule_text", 1, 7)
    assert (unknown.field, unknown.suggestion) == ("rule.attribute.name", "country")
    assert (unknown.line, unknown.column, unknown.span.start) == (2, 2, 2)
    assert not answer.results[0].HasField("error")


def test_explain_counts_every_node(api, shop):
    text = 'country = "de" and not (age < 40)'
    answer = api.query.Explain(question(pb.ExplainRequest, text))
    root = answer.root
    assert (answer.total, root.count, root.field) == (1, 1, "rule")
    assert [(n.text, n.field) for n in root.nodes] == [
        ('country = "de"', "rule.rules[0]"), ("not age < 40", "rule.rules[1]"),
    ]  # fmt: skip
    counts = [(n.count, n.cumulative_count, n.removed_count) for n in root.nodes]
    assert counts == [(2, 2, 2), (3, 1, 1)]
    assert root.nodes[1].nodes[0].field == "rule.rules[1].rules[0]"
    span = root.nodes[1].span
    assert text[span.start : span.end] == "not (age < 40)"


def test_explain_warns(api, shop):
    answer = api.query.Explain(question(pb.ExplainRequest, "age between 50 and 30"))
    assert [w.reason for w in answer.root.warnings] == ["RANGE_REVERSED"]


def test_members_come_in_pages(api, shop):
    request = question(pb.ListMembersRequest, "everyone", page_size=3)
    first = api.query.ListMembers(request)
    assert (list(first.keys.texts), first.total) == (["ann", "bob", "cem"], 4)
    request.page_token = first.next_page_token
    request.page_size = 10
    second = api.query.ListMembers(request)
    assert (list(second.keys.texts), second.next_page_token) == (["dot"], "")


def test_a_page_token_holds_for_its_question_alone(api, shop):
    first = api.query.ListMembers(question(pb.ListMembersRequest, "everyone", page_size=1))
    other = question(pb.ListMembersRequest, "age >= 40", page_token=first.next_page_token)
    error = refused(api.query.ListMembers, other)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


def test_export_streams_all_keys(api, shop):
    (message,) = api.query.ExportMembers(question(pb.ExportMembersRequest, "age >= 40"))
    assert sorted(message.keys.texts) == ["bob", "cem"]
    assert (message.total, message.audience_size, message.revision) == (2, 4, 3)


def test_an_export_of_nobody_has_one_message(api, shop):
    (message,) = api.query.ExportMembers(question(pb.ExportMembersRequest, "nobody"))
    assert (message.total, len(message.keys.texts), message.audience_size) == (0, 0, 4)


def test_a_bitmap_is_exported_of_uint32_keys_only(api, shop):
    request = question(pb.ExportMembersRequest, "everyone", format=pb.EXPORT_FORMAT_ROARING)
    error = refused(api.query.ExportMembers, request)
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_KEY_TYPE")


def test_many_keys_are_exported_in_several_messages(api):
    api.audience.CreateAudience(
        audience_service_pb2.CreateAudienceRequest(audience=audience("numbers", "UINT32"))
    )
    keys = list(range(0, 60_000, 2))
    columns = ingest_service_pb2.SubscriberColumns(keys={"numbers": keys})
    api.ingest.UpsertSubscribers(
        ingest_service_pb2.UpsertSubscribersRequest(audience="numbers", columns=columns)
    )
    request = pb.ExportMembersRequest(audience="numbers", rule_text="everyone")
    messages = list(api.query.ExportMembers(request))
    assert len(messages) == 3
    assert [k for m in messages for k in m.keys.numbers] == keys
    assert [m.total for m in messages] == [30_000, 0, 0]
    request.format = pb.EXPORT_FORMAT_ROARING
    messages = list(api.query.ExportMembers(request))
    assert BitMap.deserialize(b"".join(m.roaring for m in messages)) == BitMap(keys)
    assert messages[0].total == 30_000


def test_a_sample_is_the_same_for_the_same_seed(api, shop):
    request = question(pb.SampleMembersRequest, "everyone", size=2, seed="a")
    first, second = api.query.SampleMembers(request), api.query.SampleMembers(request)
    assert len(first.keys.texts) == 2
    assert first.total == 4
    assert first.keys == second.keys


def test_a_breakdown_with_lift(api, shop):
    request = question(
        pb.BreakdownRequest, "age >= 40", base_text="country is set",
        by=[
            pb.BreakdownBy(attribute="country"),
            pb.BreakdownBy(attribute="age", edges=["35", "45"]),
            pb.BreakdownBy(attribute="signup", unit=rule_pb2.UNIT_YEAR),
        ],
    )  # fmt: skip
    answer = api.query.Breakdown(request)
    assert (answer.total, answer.reachable, answer.base_total) == (2, 1, 3)
    country, age, signup = answer.breakdowns
    assert [(v.value, v.count, v.base_count) for v in country.values] == [
        ("DE", 1, 2),
        ("FR", 1, 1),
    ]
    assert [v.lift for v in country.values] == [0.75, 1.5]
    assert [v.count for v in age.values if v.count] == [1, 1]
    assert [(v.value, v.count) for v in signup.values] == [("2025", 1), ("2026", 1)]


def test_an_overlap_with_regions(api, shop):
    questions = [pb.Question(rule_text=t) for t in ('country = "de"', "age >= 40")]
    request = pb.OverlapRequest(audience=shop, questions=questions, regions=True)
    answer = api.query.Overlap(request)
    assert [list(row.counts) for row in answer.rows] == [[2, 1], [1, 2]]
    assert [(list(r.indexes), r.count) for r in answer.regions] == [([0, 1], 1), ([0], 1), ([1], 1)]
    assert answer.union_count == 3


def test_an_overlap_names_the_question_at_fault(api, shop):
    questions = [pb.Question(rule_text="everyone"), pb.Question(rule_text="agee > 3")]
    error = refused(api.query.Overlap, pb.OverlapRequest(audience=shop, questions=questions))
    assert error.fields == ["questions[1].rule.attribute.name"]
    questions[1] = pb.Question(rule_text="age >")
    error = refused(api.query.Overlap, pb.OverlapRequest(audience=shop, questions=questions))
    assert error.fields == ["questions[1].rule_text"]


def test_a_subscriber_is_matched_with_the_node_that_fails(api, shop):
    questions = [
        pb.Question(rule_text='country = "de" and age >= 40'),
        pb.Question(rule_text="did open"),
        pb.Question(rule_text="agee = 1"),
    ]
    request = pb.MatchSubscriberRequest(audience=shop, key={"text": "ann"}, questions=questions)
    first, second, third = api.query.MatchSubscriber(request).results
    assert (first.matches, list(first.failing)) == (False, ["age >= 40"])
    assert [n.matches for n in first.root.nodes] == [True, False]
    assert second.matches
    assert third.error.faults[0].suggestion == "age"


def test_parse_and_format_give_each_other_back(api, shop):
    text = "age >= $low AND country IN $codes  or  age < $low"
    parsed = api.query.ParseRule(pb.ParseRuleRequest(rule_text=text, audience=shop))
    assert parsed.formatted_text == "age >= $low and country in $codes or age < $low"
    assert list(parsed.parameters) == ["low", "codes"]
    span = parsed.rule.rules[1].span
    assert text[span.start : span.end] == "age < $low"
    formatted = api.query.FormatRule(pb.FormatRuleRequest(rule=parsed.rule))
    assert formatted.rule_text == parsed.formatted_text


def test_parsing_needs_no_audience_but_fits_one_if_asked(api, shop):
    text = "agee = 1"
    assert api.query.ParseRule(pb.ParseRuleRequest(rule_text=text)).formatted_text == text
    error = refused(api.query.ParseRule, pb.ParseRuleRequest(rule_text=text, audience=shop))
    assert error.fields == ["rule.attribute.name"]
    assert error.info.metadata["column"] == "1"


def test_a_long_text_is_parsed(api, shop):
    text = "id in (" + ", ".join(f'"key{i}"' for i in range(5_000)) + ', "ann")'
    assert api.query.Count(question(pb.CountRequest, text)).total == 1
    rule = rule_message(parse(text))
    assert api.query.Count(pb.CountRequest(audience=shop, rule=rule)).total == 1

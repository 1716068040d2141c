"""CountStream over the wire."""

import queue

import grpc
import pytest
from headcount.v1 import query_service_pb2
from headcount_server.core.rules.parser import parse
from headcount_server.rpc.rules import rule_message

pb = query_service_pb2
WITHIN_S = 20


class Editor:
    def __init__(self, api, **options):
        self._requests = queue.SimpleQueue()
        self.call = api.query.CountStream(
            iter(self._requests.get, None), timeout=WITHIN_S, **options
        )

    def ask(self, text=None, **fields):
        question = {} if text is None else {"rule_text": text}
        request = {"audience": "shop", **question, **fields}
        self._requests.put(pb.CountStreamRequest(**request))
        return self

    def answer(self):
        return next(self.call)

    def end(self):
        self._requests.put(None)
        return list(self.call)


@pytest.fixture
def editor(api, shop):
    found = Editor(api)
    yield found
    found.call.cancel()


def test_a_question_is_answered_on_its_slot(editor):
    answer = editor.ask('country = "de"', slot=3, sequence=41).answer()
    assert (answer.slot, answer.sequence) == (3, 41)
    assert (answer.total, answer.reachable, answer.audience_size, answer.revision) == (2, 1, 4, 3)
    assert answer.HasField("engine_duration")
    assert answer.as_of_time.seconds > 1_700_000_000
    assert not answer.HasField("root")
    assert editor.end() == []


def test_trees_segments_scopes_and_parameters_are_questions_too(editor):
    tree = rule_message(parse("age >= 40"))
    assert editor.ask(rule=tree, within_text="vip is true").answer().total == 1
    low = {"low": pb.ParameterValue(literal="40")}
    assert editor.ask("age >= $low", parameters=low).answer().total == 2
    error = editor.ask(segment="nope").answer().error
    assert error.code == grpc.StatusCode.NOT_FOUND.value[0]


def test_a_tolerant_question_counts_what_is_finished(editor):
    answer = editor.ask('age >= 40 and contry = "DE" and country =', tolerant=True).answer()
    assert answer.total == 2
    faults = [(f.line, f.column, f.reason) for f in answer.incomplete]
    assert faults == [(1, 15, "UNKNOWN_ATTRIBUTE"), (1, 42, "SYNTAX")]
    assert not answer.HasField("error")


def test_counts_of_the_nodes_come_on_request(editor):
    answer = editor.ask("age >= 40 and vip is true and", tolerant=True, explain=True).answer()
    assert [node.count for node in answer.root.nodes] == [2, 2]
    assert (answer.total, answer.root.count, len(answer.incomplete)) == (1, 1, 1)
    nothing = editor.ask("age >=", tolerant=True, explain=True).answer()
    assert (nothing.total, nothing.HasField("root")) == (4, False)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"rule_text": "age >="}, "INVALID_RULE", "rule_text"),
        ({"rule_text": 'contry = "DE"'}, "INVALID_RULE", "rule.attribute.name"),
        ({}, "INVALID_INPUT", "rule"),
        ({"rule_text": "everyone", "audience": ""}, "INVALID_INPUT", "audience"),
        ({"rule_text": "everyone", "slot": 64}, "INVALID_INPUT", "slot"),
        ({"rule_text": "everyone", "slot": -1}, "INVALID_INPUT", "slot"),
        ({"rule_text": "everyone", "at_least_revision": -1}, "INVALID_INPUT", "at_least_revision"),
    ],
)
def test_a_bad_question_has_its_error_and_the_stream_goes_on(editor, fields, reason, field):
    answer = editor.ask(sequence=9, **fields).answer()
    assert (answer.sequence, answer.slot) == (9, fields.get("slot", 0))
    assert (answer.error.reason, answer.error.faults[0].field) == (reason, field)
    assert editor.ask("everyone").answer().total == 4


def test_a_fault_of_the_text_has_its_place(editor):
    (fault,) = editor.ask('\n contry = "DE"').answer().error.faults
    assert (fault.line, fault.column, fault.suggestion) == (2, 2, "country")


def test_the_last_question_is_answered_before_the_stream_ends(editor):
    for sequence in range(100):
        editor.ask("age >= 40", sequence=sequence)
    answers = editor.end()
    assert (answers[-1].sequence, answers[-1].total) == (99, 2)
    sequences = [answer.sequence for answer in answers]
    assert sequences == sorted(set(sequences))


def test_many_editors_are_all_answered(api, shop):
    editors = [Editor(api) for _ in range(20)]
    for sequence in range(10):
        for editor in editors:
            editor.ask("age >= 40", sequence=sequence)
    for editor in editors:
        assert editor.end()[-1].sequence == 9


def test_malformed_bytes_end_the_stream(api, shop):
    call = api.channel.stream_stream("/headcount.v1.QueryService/CountStream")
    with pytest.raises(grpc.RpcError) as caught:
        next(call(iter([b"\xff\xff\xff"]), timeout=WITHIN_S))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

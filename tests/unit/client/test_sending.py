"""Sending batches: refused rows are taken out and the rest is sent again."""

from collections import deque
from contextlib import contextmanager

import numpy as np
import pytest
from headcount_client import errors, results
from headcount_client.cli.importing.chunks import Chunk, Rejected, text_array
from headcount_client.cli.importing.layout import Layout
from headcount_client.cli.importing.sending import IN_FLIGHT, Sender, StoppedError

LISTED_MAX = 100


class Server:
    """Takes every key but those that begin with "bad"; lists 100 bad rows of a batch at most."""

    def __init__(self):
        self.applied = []
        self.batches = 0
        self.in_flight_max = 0
        self.busy = 0
        self.broken = False

    @contextmanager
    def write_stream(self):
        yield _Stream(self)

    def answer(self, keys):
        self.batches += 1
        if self.broken:
            return self._refused(13, "INTERNAL", "a bug", [], 0)
        if self.busy:
            self.busy -= 1
            return self._refused(14, "UNAVAILABLE", "starting", [], 0)
        bad = [i for i, key in enumerate(keys) if key.startswith("bad")]
        if bad:
            rows = [results.BadRow(i, "age", f"{keys[i]} is bad", "X") for i in bad[:LISTED_MAX]]
            return self._refused(3, "INVALID_BATCH", "bad rows", rows, len(bad))
        self.applied += keys
        accepted = results.WriteAccepted(len(self.applied), len(keys), 0)
        return results.StreamWritesResponse(0, accepted, None)

    def _refused(self, code, reason, message, rows, count):
        refused = results.WriteRefused(code, reason, message, tuple(rows), count)
        return results.StreamWritesResponse(0, None, refused)


class _Stream:
    def __init__(self, server):
        self._server = server
        self._waiting = deque()

    def send(self, batch):
        self._waiting.append(list(batch.columns.keys.texts))
        self._server.in_flight_max = max(self._server.in_flight_max, len(self._waiting))

    def receive(self):
        return self._server.answer(self._waiting.popleft())


def layout(*, events=False):
    kinds = {"key": "key", "time": "timestamp", "event": "event"}
    return Layout("shop", "string", True, kinds, ("key",), events, "open" if events else "")


def chunks(*batches, rejected=()):
    line = 2
    for keys in batches:
        lines = np.arange(line, line + len(keys))
        line += len(keys)
        yield Chunk(lines, {"key": text_array(keys)}, line, list(rejected), lambda i: f"row {i}")
        rejected = ()


def send(server, source, *, strict=False, events=False, contents=True):
    rejected = []
    sender = Sender(
        server,
        layout(events=events),
        strict=strict,
        contents=contents,
        reject=rejected.append,
        advance=lambda position, rows: None,
    )
    try:
        sender.send(source)
    except StoppedError:
        return sender.tally, rejected, True
    return sender.tally, rejected, False


def test_good_rows_are_sent_in_order_one_batch_at_a_time():
    server = Server()
    tally, rejected, _ = send(server, chunks(["a", "b"], ["c"], ["d"]))
    assert server.applied == ["a", "b", "c", "d"]
    assert (tally.rows, tally.accepted, tally.rejected, tally.revision) == (4, 4, 0, 4)
    assert not rejected
    assert server.in_flight_max == 1


def test_several_batches_of_events_are_in_flight():
    server = Server()
    tally, _, _ = send(server, chunks(*[["a"]] * 20), events=True)
    assert tally.accepted == 20
    assert server.in_flight_max == IN_FLIGHT


def test_bad_rows_are_left_out_with_line_reason_and_content():
    server = Server()
    tally, rejected, _ = send(server, chunks(["a", "bad1", "b"], ["", "bad2", "c"]))
    assert server.applied == ["a", "b", "c"]
    assert (tally.rows, tally.accepted, tally.rejected) == (6, 3, 3)
    assert rejected == [
        Rejected(3, "age: bad1 is bad", "row 1"),
        Rejected(5, "key: it is missing", "row 0"),
        Rejected(6, "age: bad2 is bad", "row 1"),
    ]


@pytest.mark.parametrize("share", [1, 2, 5])
def test_more_bad_rows_than_a_refusal_lists(share):
    server = Server()
    keys = [f"bad{i}" if i % share == 0 else f"k{i}" for i in range(3000)]
    tally, rejected, _ = send(server, chunks(keys), contents=False)
    assert sorted(server.applied) == sorted(key for key in keys if not key.startswith("bad"))
    assert [one.line for one in rejected] == [i + 2 for i in range(3000) if i % share == 0]
    assert (tally.rows, tally.accepted + tally.rejected) == (3000, 3000)
    assert server.batches < 150


def test_lines_that_the_reader_refused_are_told_in_their_place():
    server = Server()
    source = chunks(["a", "bad1"], rejected=[Rejected(9, "too few columns")])
    tally, rejected, _ = send(server, source)
    assert [one.line for one in rejected] == [3, 9]
    assert (tally.rows, tally.accepted, tally.rejected) == (3, 1, 2)


def test_strict_applies_what_is_before_the_first_bad_line_and_stops():
    server = Server()
    tally, rejected, stopped = send(
        server, chunks(["a", "b"], ["c", "bad1", "d"], ["e"]), strict=True
    )
    assert stopped
    assert server.applied == ["a", "b", "c"]
    assert [one.line for one in rejected] == [5]
    assert (tally.rows, tally.accepted, tally.rejected) == (4, 3, 1)


@pytest.mark.parametrize(
    ("keys", "line", "applied", "told"),
    [(["a", "b"], 3, ["a"], 3), (["bad1", "b"], 3, [], 2), (["a", "bad1"], 3, ["a"], 3),
     (["a"], 1, [], 1)],
)  # fmt: skip
def test_strict_stops_at_the_first_of_both_kinds(keys, line, applied, told):
    server = Server()
    source = chunks(keys, rejected=[Rejected(line, "too few columns")])
    _, rejected, stopped = send(server, source, strict=True)
    assert stopped
    assert server.applied == applied
    assert [one.line for one in rejected] == [told]


def test_a_server_that_is_busy_is_asked_again(monkeypatch):
    monkeypatch.setattr("headcount_client.cli.importing.sending.time.sleep", lambda _: None)
    server = Server()
    server.busy = 2
    tally, _, _ = send(server, chunks(["a"], ["b"]))
    assert (tally.accepted, server.applied) == (2, ["a", "b"])


def test_a_refusal_of_the_whole_batch_ends_the_import():
    server = Server()
    server.broken = True
    with pytest.raises(errors.Internal, match="a bug"):
        send(server, chunks(["a"]))


def test_a_fault_of_the_reader_arrives():
    def broken():
        yield from chunks(["a"])
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        send(Server(), broken())

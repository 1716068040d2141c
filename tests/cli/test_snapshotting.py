"""The bar of a snapshot."""

from __future__ import annotations

import io
import threading

import pytest
from headcount_client import results
from headcount_client.cli import snapshotting
from headcount_client.errors import Unavailable
from rich.console import Console


class Server:
    """Answers with one status after another; the last one stays."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.told_all = threading.Event()

    def get_server_status(self):
        if len(self.statuses) == 1:
            self.told_all.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        return type("Status", (), {"snapshot_progress": status})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(snapshotting, "_EVERY_S", 0.001)


def progress(written, audiences):
    return results.SnapshotProgress("nightly", None, written, audiences)


def shown(server):
    text = io.StringIO()
    with snapshotting.followed(server, Console(file=text, force_terminal=True, width=100)):
        assert server.told_all.wait(20)
    return text.getvalue()


def test_it_tells_how_many_audiences_are_written():
    text = shown(Server(progress(0, 3), None, Unavailable("for a moment"), progress(2, 3)))
    assert "writing snapshot nightly" in text
    assert "2 of 3 audiences" in text


def test_of_a_single_audience_it_tells_that_it_is_being_written():
    assert "0 of 1 audience " in shown(Server(progress(0, 1)))


def test_nothing_is_asked_where_nobody_looks():
    server = Server(progress(0, 1))
    with snapshotting.followed(server):
        pass
    assert not server.told_all.is_set()

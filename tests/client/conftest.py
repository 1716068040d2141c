"""A real server in this process, and the command line on it."""

import json
import os
from types import SimpleNamespace

import pytest
from headcount_client import Client
from headcount_client.cli import app, output
from headcount_server.app import embedded

SCHEMA = """
[audience]
key = "string"
time_zone = "Europe/Berlin"
reachable = 'status = "active"'
[attributes]
country = "keyword"
status = "keyword"
tags = "keywords"
email = "text"
age = "integer"
spend = { type = "decimal", scale = 2 }
signup = "date"
seen = "timestamp"
vip = "boolean"
home = "location"
[events.purchase]
dimensions = ["category"]
measures = { amount = { scale = 2 }, quantity = { scale = 0 } }
[events.open]
dimensions = ["campaign"]
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("data")) as found:
        yield found


@pytest.fixture
def client(address):
    with Client(address) as found:
        yield found


@pytest.fixture
def shop(client, request):
    """An empty audience of its own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60].strip("-")
    client.create_audience(name, SCHEMA)
    yield name
    client.delete_audience(name)


@pytest.fixture
def run(address, capsys, monkeypatch, tmp_path):
    """Run the command line on the server: exit code, standard output, error, JSON lines."""
    monkeypatch.setenv("HEADCOUNT_ADDRESS", address)
    monkeypatch.chdir(tmp_path)
    output.console.cache_clear()

    def run(*args):
        code = app.run([str(arg) for arg in args])
        out, err = capsys.readouterr()
        lines = [line for line in out.splitlines() if line.startswith(("{", "["))]
        return SimpleNamespace(
            code=code, out=out, err=err, json=[json.loads(line) for line in lines]
        )

    yield run
    os.environ.pop("HEADCOUNT_ADDRESS", None)

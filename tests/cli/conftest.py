"""A server with a shop of four people, one for each module of tests."""

from functools import partial

import pytest

from tests.cli.process import asked, serving

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
vip = "boolean"
age = "integer"
spend = { type = "decimal", scale = 2 }
signup = "date"
seen = "timestamp"
home = "location"
[events.open]
dimensions = ["campaign"]
[events.purchase]
dimensions = ["category"]
measures = { amount = { scale = 2 } }
"""
PEOPLE = """key,country,status,tags,email,vip,age,spend,signup,seen,home
ann,DE,active,news|shoes,Ann@example.com,true,30,12.50,2026-01-31,2026-03-01T10:00:00Z,"52.52,13.40"
bob,de,gone,news,bob@example.org,0,40,80.00,2026-02-28,2026-03-01T10:00,"48.14,11.58"
cem,FR,active,,,FALSE,,,,1767225600,
dot,NA,active,null,,1,50,0,2025-01-01,2026-03-02,
"""
EVENTS = """key,time,event,campaign,category,amount
ann,2026-03-01T08:00:00Z,open,spring,,
ann,2026-03-02,purchase,,shoes,49.90
bob,2026-03-01T08:00:00Z,open,spring,,
bob,1772528400,open,summer,,
"""


class Shop:
    """An audience behind an address; ``run`` asks the command line."""

    def __init__(self, address, directory):
        self.address, self.directory = address, directory
        self.made = 0

    def run(self, *arguments):
        return asked(*arguments, "--address", self.address)

    def done(self, *arguments):
        """A command that must work."""
        found = self.run(*arguments)
        assert found.code == 0, found.err
        return found

    def json(self, *arguments):
        return self.done(*arguments, "--json").json

    def count(self, rule, *arguments):
        return self.json("count", "shop", rule, *arguments)["count"]

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def fresh(self, key="string"):
        """Another empty audience of the same schema; its name."""
        self.made += 1
        name = f"shop{self.made}"
        schema = self.file("fresh.toml", SCHEMA.replace('key = "string"', f'key = "{key}"'))
        self.done("audience", "create", name, "--schema", schema)
        return name


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cli")
    with serving(directory / "audiences", "--log-level=warning") as (_, address):
        found = Shop(address, directory)
        schema = found.file("shop.toml", SCHEMA)
        found.done("audience", "create", "shop", "--schema", schema)
        found.done("import", "shop", found.file("people.csv", PEOPLE))
        found.done("import", "shop", found.file("events.csv", EVENTS), "--events")
        yield found


@pytest.fixture
def load(shop):
    """Imports a file's content into an audience; what the import printed."""

    def load(name, content, *options, file="rows.csv", code=0):
        done = shop.run("import", name, shop.file(file, content), "--json", *options)
        assert done.code == code, done.err
        return done

    return partial(load)

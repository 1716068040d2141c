"""Real data in a real server, and the same data in DuckDB: what both answer must be equal."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from tests.cli.process import asked, headcount, serving

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SCHEMAS = Path(__file__).parent / "schemas"
MEMBERS_MAX = 3000


def needs(*parts):
    """The marks of a module of tests that needs a file of the real data."""
    path = DATA.joinpath(*parts)
    return [
        pytest.mark.data,
        pytest.mark.skipif(not path.exists(), reason=f"real data not there: {'/'.join(parts)}"),
        pytest.mark.xdist_group(parts[0]),
    ]


@dataclass(frozen=True)
class Case:
    """A rule, and a query for the ids that it must match."""

    rule: str
    query: str
    as_of: str | None = None
    params: tuple[str, ...] = ()

    def __str__(self):
        return self.rule


class Compared:
    """An audience, and the tables it was made from."""

    def __init__(self, address, name, tables):
        self.address, self.name, self.tables = address, name, tables

    def command(self, *arguments):
        done = asked(*arguments, "--address", self.address, "--json")
        assert done.code == 0, done.err
        return done

    def load(self, file, rows, *options):
        """Import a file as a user would; every row must be taken."""
        done = headcount("import", self.name, file, *options, "--address", self.address, "--json")
        assert done.code == 0, done.err
        (line,) = done.lines
        assert (line["rows"], line["accepted"], line["rejected"]) == (rows, rows, 0)

    def sql(self, query):
        return self.tables.execute(query).fetchall()

    def ids(self, query):
        found = [row[0] for row in self.sql(query)]
        assert len(set(found)) == len(found), f"no list of ids: {query}"
        return set(found)

    def check(self, case):
        """The count, and where they are few the members, equal what the query finds."""
        expected = self.ids(case.query)
        size = self.sql("select count(*) from sub")[0][0]
        options = [f"--as-of={case.as_of}"] if case.as_of else []
        options += [f"--param={param}" for param in case.params]
        answer = self.command("count", self.name, case.rule, *options).json
        assert answer["count"] == len(expected)
        assert answer["reachable"] == len(expected)
        assert answer["audience_size"] == size
        assert 0 < len(expected) < size, "a comparison that can't fail"
        if len(expected) <= MEMBERS_MAX:
            members = self.command("members", self.name, case.rule, "--limit=0", *options).json
            assert members["keys"] == sorted(expected)


@contextmanager
def compared(directory, name):
    """A server with an empty audience of the schema of that name, and a DuckDB."""
    with serving(directory / "audiences", "--log-level=warning") as (_, address):
        schema = SCHEMAS / f"{name}.toml"
        made = headcount("audience", "create", name, "--schema", schema, "--address", address)
        assert made.code == 0, made.err
        with duckdb.connect() as tables:
            yield Compared(address, name, tables)


def case_ids(cases):
    return [str(case) for case in cases]

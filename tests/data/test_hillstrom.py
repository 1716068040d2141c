"""64,000 customers of an e-mail test: attributes only, the key is the number of the line."""

import pytest
from headcount_client import Client

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FILE = DATA / "hillstrom" / "hillstrom.csv"
pytestmark = needs("hillstrom", "hillstrom.csv")


@pytest.fixture(scope="module")
def hillstrom(tmp_path_factory):
    with compared(tmp_path_factory.mktemp("hillstrom"), "hillstrom") as found:
        found.load(FILE, 64_000, "--key-from-line")
        found.tables.execute(
            f"""create table sub as select row_number() over () as id, * from read_csv('{FILE}',
            types = {{'history': 'decimal(12,2)', 'spend': 'decimal(12,2)'}})"""
        )
        yield found


def where(rule, condition):
    return Case(rule, f"select id from sub where {condition}")


CASES = [
    where('channel = "web"', "channel = 'Web'"),
    where('channel = exactly "Web"', "channel = 'Web'"),
    where('channel != "web"', "channel <> 'Web'"),
    where('zip_code in ("rural", "URBAN")', "zip_code in ('Rural', 'Urban')"),
    where('zip_code not in ("Rural", "nowhere")', "zip_code <> 'Rural'"),
    where('segment contains "S e-mail"', "contains(segment, 's E-Mail')"),
    where('segment not contains "mens"', "not contains(lower(segment), 'mens')"),
    where('segment contains any of ("womens", "no ")', "segment <> 'Mens E-Mail'"),
    where('history_segment starts with "2)"', "history_segment like '2)%'"),
    where('history_segment ends with "- $750"', "history_segment like '%- $750'"),
    where('history_segment contains "$1,000"', "history_segment like '%$1,000%'"),
    where('history_segment like "?) $?00 - $*"', "history_segment like '_) $_00 - $%'"),
    where(r"history_segment matches /^[3-5]\)/", r"regexp_matches(history_segment, '^[3-5]\)')"),
    where("mens is true", "mens = 1"),
    where("womens is false and newbie is true", "womens = 0 and newbie = 1"),
    where("spend = 29.99", "spend = 29.99"),
    where("spend != 0", "spend <> 0"),
    where("spend > 0.004", "spend > 0.004"),
    where("history > 29.985 and history < 29.995", "history = 29.99"),
    where("history >= 100.005", "history >= 100.005"),
    where("history <= 199.999", "history <= 199.999"),
    where("history < 1_000", "history < 1000"),
    where("history between 100 and 200.5", "history between 100 and 200.5"),
    where("history in (29.99, 142.44, 142.445)", "history in (29.99, 142.44)"),
    where("recency = 7", "recency = 7"),
    where("recency in (1, 12)", "recency in (1, 12)"),
    where("recency between 3 and 5", "recency between 3 and 5"),
    where("recency < 6.5", "recency < 6.5"),
    where("not (recency >= 2 or spend > 0)", "not (recency >= 2 or spend > 0)"),
    where(
        'all of (mens is true, any of (channel = "web", zip_code = "rural"), visit is true)',
        "mens = 1 and (channel = 'Web' or zip_code = 'Rural') and visit = 1",
    ),
    where(
        "none of (mens is true, newbie is true, recency > 3)",
        "not (mens = 1 or newbie = 1 or recency > 3)",
    ),
    where(
        "at least 3 of (mens is true, womens is true, newbie is true, visit is true, spend > 0)",
        "mens + womens + newbie + visit + (spend > 0)::int >= 3",
    ),
    where('key ends with "77"', "id::varchar like '%77'"),
    where("id in (1, 64000, 64001)", "id in (1, 64000)"),
    where(
        'channel = "web" and zip_code = "urban" and mens is true and newbie is false'
        ' and history between 50 and 800 and recency <= 9 and segment != "no e-mail"'
        " and visit is true and not conversion is true and womens is false",
        "channel = 'Web' and zip_code = 'Urban' and mens = 1 and newbie = 0 and history between"
        " 50 and 800 and recency <= 9 and segment <> 'No E-Mail' and visit = 1"
        " and conversion = 0 and womens = 0",
    ),
    Case(
        "channel in $channels and history >= $least",
        "select id from sub where channel in ('Web', 'Phone') and history >= 500.01",
        params=('channels=("web", "phone")', "least=500.01"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(hillstrom, case):
    hillstrom.check(case)


@pytest.mark.parametrize("attribute", ["channel", "zip_code", "segment", "history_segment"])
def test_breakdown_equals_group_by(hillstrom, attribute):
    answer = hillstrom.command(
        "breakdown", "hillstrom", "visit is true and recency <= 6", "--by", attribute
    ).json
    expected = hillstrom.sql(
        f"select {attribute}, count(*) from sub where visit = 1 and recency <= 6 group by 1"
    )
    assert {one["value"]: one["count"] for one in answer["values"]} == dict(expected)
    assert sum(one["count"] for one in answer["values"]) == answer["count"]


def test_histogram_of_a_decimal_equals_sql(hillstrom):
    answer = hillstrom.command(
        "breakdown", "hillstrom", "conversion is true", "--by=spend", "--edges=30,100,250.5,499"
    ).json
    expected = hillstrom.sql(
        """select count(*) filter (spend < 30), count(*) filter (spend >= 30 and spend < 100),
        count(*) filter (spend >= 100 and spend < 250.5),
        count(*) filter (spend >= 250.5 and spend < 499), count(*) filter (spend >= 499)
        from sub where conversion = 1"""
    )
    assert [one["count"] for one in answer["values"]] == list(expected[0])


def test_export_holds_the_ids_that_sql_finds(hillstrom, tmp_path):
    file = tmp_path / "keys.txt"
    rule = 'channel = "multichannel" and newbie is true'
    hillstrom.command("export", "hillstrom", rule, "--output", file)
    expected = hillstrom.ids("select id from sub where channel = 'Multichannel' and newbie = 1")
    keys = file.read_text().split()
    assert len(keys) == len(set(keys))
    assert set(map(int, keys)) == expected


def test_parts_of_an_explanation_equal_sql(hillstrom):
    answer = hillstrom.command(
        "explain", "hillstrom", 'channel = "web" and mens is true and spend > 0'
    ).json
    web, mens, spent, both, everything = hillstrom.sql(
        """select count(*) filter (channel = 'Web'), count(*) filter (mens = 1),
        count(*) filter (spend > 0), count(*) filter (channel = 'Web' and mens = 1),
        count(*) filter (channel = 'Web' and mens = 1 and spend > 0) from sub"""
    )[0]
    assert answer["count"] == everything
    nodes = answer["root"]["nodes"]
    parts = [(node["count"], node["cumulative_count"], node["removed_count"]) for node in nodes]
    assert parts == [
        (web, web, 64_000 - web), (mens, both, web - both), (spent, everything, both - everything)
    ]  # fmt: skip


def test_overlap_equals_sql(hillstrom):
    conditions = ["channel = 'Web'", "mens = 1", "spend > 0"]
    with Client(hillstrom.address) as client:
        answer = client.overlap(
            "hillstrom", ['channel = "web"', "mens is true", "spend > 0"], regions=True
        )
    matrix = [
        [hillstrom.sql(f"select count(*) from sub where {a} and {b}")[0][0] for b in conditions]
        for a in conditions
    ]
    assert [list(row.counts) for row in answer.rows] == matrix
    regions = hillstrom.sql(
        """select [i for i in [0, 1, 2] if [channel = 'Web', mens = 1, spend > 0][i + 1]] as parts,
        count(*) from sub group by 1 having len(parts) > 0"""
    )
    assert {region.indexes: region.count for region in answer.regions} == {
        tuple(parts): count for parts, count in regions
    }
    assert answer.union_count == sum(count for _, count in regions)

"""69,659 purchases of 23,570 customers, from blank-separated text by way of CSV."""

import csv

import pytest

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FILE = DATA / "cdnow" / "CDNOW_master.txt"
pytestmark = needs("cdnow", "CDNOW_master.txt")


def as_csv(directory):
    """The file as CSV with the columns of an event file."""
    path = directory / "purchases.csv"
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["key", "time", "units", "dollars"])
        for line in FILE.read_text().splitlines()[1:]:
            customer, day, units, dollars = line.split()
            rows.writerow([customer, f"{day[:4]}-{day[4:6]}-{day[6:]}", units, dollars])
    return path


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cdnow")
    with compared(directory, "cdnow") as found:
        file = as_csv(directory)
        found.load(file, 69_659, "--events", "--event", "purchase", "--create-missing")
        found.tables.execute(
            f"""create table ev as select key as id, time as d, units, dollars from
            read_csv('{file}', types = {{'key': 'varchar', 'time': 'date',
            'dollars': 'decimal(12,2)'}});
            create table sub as select distinct id from ev"""
        )
        yield found


def having(rule, condition, where="true", as_of="1998-07-15"):
    """Those whose events pass a condition of groups; nobody without events passes it."""
    query = f"select id from ev where d <= '{as_of}' and {where} group by id having {condition}"
    return Case(rule, query, as_of=as_of)


def without(rule, where, as_of="1998-07-15"):
    """Those without such an event."""
    query = f"select id from sub where id not in (select id from ev where {where})"
    return Case(rule, query, as_of=as_of)


CASES = [
    having("did purchase at least 2 times", "count(*) >= 2"),
    having("did purchase exactly 3 times", "count(*) = 3"),
    having("did purchase between 4 and 6 times", "count(*) between 4 and 6"),
    having("did purchase more than 40 times", "count(*) > 40"),
    having("did purchase on at least 5 days", "count(distinct d) >= 5"),
    having(
        "did purchase on exactly 2 days between 1997-03-01 and 1997-06-30",
        "count(distinct d) = 2", "d between '1997-03-01' and '1997-06-30'",
    ),
    having(
        "did purchase at least 2 times where (units >= 3 and dollars < 50.005)",
        "count(*) >= 2", "units >= 3 and dollars < 50.005",
    ),
    having(
        "did purchase where (units = 1 or not (dollars between 5 and 100)) in last 90 days",
        "true", "(units = 1 or dollars not between 5 and 100) and d >= '1998-04-16'",
    ),
    without("did not purchase after 1997-12-31", "d > '1997-12-31'"),
    without(
        "did not purchase where (dollars > 100) in last 52 weeks",
        "dollars > 100 and d >= date '1998-07-15' - 364",
    ),
    having(
        "did purchase in last 1 months", "true", "d between '1997-02-28' and '1997-03-31'",
        as_of="1997-03-31",
    ),
    having(
        "did purchase between 10 and 20 days ago", "true",
        "d between '1997-03-11' and '1997-03-21'", as_of="1997-03-31",
    ),
    having("did purchase this quarter", "true", "d >= '1997-04-01'", as_of="1997-06-17"),
    having(
        "did purchase last week", "true", "d between '1997-06-09' and '1997-06-15'",
        as_of="1997-06-17",
    ),
    having("did purchase on 1997-01-12", "true", "d = '1997-01-12'"),
    having("did purchase before 1997-01-12", "true", "d < '1997-01-12'"),
    Case(
        "did purchase fewer than 2 times and did purchase at most 0 times after 1997-02-01",
        "select id from ev group by id having count(*) < 2 and max(d) <= '1997-02-01'",
        as_of="1998-07-15",
    ),
    Case(
        "at least 2 of (did purchase in last 30 days, did purchase more than 300 days ago,"
        " did purchase where (dollars >= 75))",
        """select id from ev group by id having (max(d) >= '1998-06-15')::int
        + (min(d) < date '1998-07-15' - 300)::int + (max(dollars) >= 75)::int >= 2""",
        as_of="1998-07-15",
    ),
    # how much
    having("sum(purchase.dollars) >= 500", "sum(dollars) >= 500"),
    having(
        "sum(purchase.units) between 10 and 12 in last 200 days", "sum(units) between 10 and 12",
        "d >= date '1998-07-15' - 200",
    ),
    having("avg(purchase.dollars) > 33.335", "sum(dollars) > 33.335 * count(*)"),
    having("max(purchase.dollars) < 12", "max(dollars) < 12"),
    having("min(purchase.dollars) >= 30 where (units > 1)", "min(dollars) >= 30", "units > 1"),
    Case(
        "sum(purchase.dollars) <= 20 after 1997-06-30",
        """select id from sub left join (select id, sum(dollars) as s from ev
        where d > '1997-06-30' group by id) using (id) where coalesce(s, 0) <= 20""",
        as_of="1998-07-15",
    ),
    # recency
    having("last purchase more than 90 days ago", "max(d) < date '1998-07-15' - 90"),
    having(
        "first purchase between 1997-02-01 and 1997-02-28",
        "min(d) between '1997-02-01' and '1997-02-28'",
    ),
    having(
        "last purchase where (units >= 5) in last 6 months",
        "max(d) >= '1998-01-15'", "units >= 5",
    ),
    without("inactive for 180 days", "d >= date '1998-07-15' - 180"),
    # habits
    having(
        "did purchase in at least 3 of last 6 months",
        "count(distinct date_trunc('month', d)) >= 3", "d >= '1998-01-01'", as_of="1998-06-20",
    ),
    having(
        "did purchase at least 2 times in at least 2 of last 12 weeks",
        "len(list_filter(map_values(histogram(date_trunc('week', d))), lambda n: n >= 2)) >= 2",
        "d >= date_trunc('week', date '1998-06-20') - interval 77 day", as_of="1998-06-20",
    ),
    # sequences
    Case(
        "did purchase then purchase within 7 days then purchase within 7 days",
        """select distinct id from (select id, d, row_number() over p as n,
        lag(d, 1) over p as d1, lag(d, 2) over p as d2 from ev
        window p as (partition by id order by d))
        where d - d1 <= 7 and d1 - d2 <= 7""",
        as_of="1998-07-15",
    ),
    Case(
        "did purchase where (dollars >= 100) then not purchase within 60 days",
        """select distinct a.id from (select *, row_number() over () as n from ev) a
        where dollars >= 100 and not exists (select 1 from
        (select *, row_number() over () as n from ev) b
        where b.id = a.id and b.n <> a.n and b.d between a.d and a.d + 60)""",
        as_of="1998-07-15",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(cdnow, case):
    cdnow.check(case)


def test_totals_are_the_published_ones(cdnow):
    answer = cdnow.command("status").json
    (audience,) = answer["audiences"]
    assert (audience["audience_size"], audience["event_count"]) == (23_570, 69_659)
    assert cdnow.sql("select sum(dollars)::varchar, sum(units) from ev")[0] == (
        "2500315.63",
        167_881,
    )

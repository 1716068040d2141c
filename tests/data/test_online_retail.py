"""4,372 customers and 406,829 order lines; amounts with three places, some negative."""

import duckdb
import pytest

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FOLDER = DATA / "online_retail"
pytestmark = needs("online_retail", "ev.parquet")
AS_OF = "2011-12-09"
TODAY = "date '2011-12-09'"


@pytest.fixture(scope="module")
def retail(tmp_path_factory):
    directory = tmp_path_factory.mktemp("retail")
    subscribers, events = directory / "subscribers.jsonl", directory / "events.parquet"
    duckdb.sql(
        f"""copy (select id as key, countries, first_purchase, last_purchase, orders,
        (net_milli / 1000)::decimal(18,3) as net from '{FOLDER}/sub.parquet') to '{subscribers}';
        copy (select * exclude (amount_milli), (amount_milli::decimal(18,0) * 0.001)::decimal(18,3)
        as amount from '{FOLDER}/ev.parquet') to '{events}'"""
    )
    with compared(directory, "online_retail") as found:
        found.load(subscribers, 4_372)
        found.load(events, 406_829, "--events", "--map=id=key", "--map=ts=time", "--map=type=event")
        found.tables.execute(
            f"""create table sub as select *, net_milli / 1000 as net from '{FOLDER}/sub.parquet';
            create table ev as select *, ts::date as d from '{events}';
            create view buy as select * from ev where type = 'purchase' and ts <= '{AS_OF}'"""
        )
        yield found


def where(rule, condition):
    return Case(rule, f"select id from sub where {condition}", as_of=AS_OF)


def having(rule, condition, where="true"):
    query = f"select id from buy where {where} group by id having {condition}"
    return Case(rule, query, as_of=AS_OF)


CASES = [
    where('countries has "germany"', "list_contains(countries, 'Germany')"),
    where('countries has none of ("united kingdom", "Germany")',
          "not list_has_any(countries, ['United Kingdom', 'Germany'])"),
    where("countries size >= 2", "len(countries) >= 2"),
    where("net < 0", "net_milli < 0"),
    where("net between -100.0005 and 100.0005", "net_milli between -100000 and 100000"),
    where("net in top 1%", "net_milli >= (select min(net_milli) from (select net_milli from sub "
          "order by 1 desc limit 44))"),
    where("orders = 0 or orders > 50", "orders = 0 or orders > 50"),
    where("first_purchase is missing", "first_purchase is null"),
    where("not first_purchase in last 3 months",
          "first_purchase is null or first_purchase::date not between '2011-09-09' and "
          "'2011-12-09'"),
    having('did purchase where (product = "85123a" and quantity >= 6)', "true",
           "product = '85123A' and quantity >= 6"),
    having('did purchase where (product starts with exactly "8512" and not country in '
           '("United Kingdom"))', "true", "product like '8512%' and country <> 'United Kingdom'"),
    having("count distinct(purchase.invoice) >= 10 in last 6 months",
           "count(distinct invoice) >= 10", "d >= '2011-06-09'"),
    having("sum(purchase.amount) >= 1999.995 in last 1 quarters", "sum(amount) >= 1999.995",
           "d >= '2011-09-09'"),
    having("avg(purchase.amount) between 20 and 20.5", "sum(amount) between 20 * count(*) and "
           "20.5 * count(*)"),
    having("min(purchase.amount) < 0.1", "min(amount) < 0.1"),
    Case("rate(cancel / purchase) between 0.1 and 0.5",
         f"""select id from (select id, count(*) filter (type = 'cancel') as c,
         count(*) filter (type = 'purchase') as p from ev where ts <= '{AS_OF}' group by id)
         where p > 0 and c * 10 >= p and c * 2 <= p""", AS_OF),
    Case("did purchase then cancel within 2 days same product",
         f"""select distinct a.id from ev a join ev b using (id, product) where a.type = 'purchase'
         and b.type = 'cancel' and b.ts between a.ts and a.ts + interval 2 day
         and b.ts <= '{AS_OF}'""", AS_OF),
    Case("did purchase then cancel within 1 hours",
         f"""select distinct a.id from ev a join ev b using (id) where a.type = 'purchase'
         and b.type = 'cancel' and b.ts between a.ts and a.ts + interval 1 hour
         and b.ts <= '{AS_OF}'""", AS_OF),
    having("did purchase at least 100 times in last 24 hours", "count(*) >= 100",
           "ts >= '2011-12-08 00:00'"),
    having("did purchase between 2011-11-01T09:00:00Z and 2011-11-01T12:30:00Z", "true",
           "ts between '2011-11-01 09:00' and '2011-11-01 12:30'"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(retail, case):
    found = retail.command("count", "online_retail", case.rule, f"--as-of={AS_OF}").json
    expected = retail.ids(case.query)
    assert found["count"] == len(expected) > 0
    reachable = retail.ids("select id from sub where orders > 0") & expected
    assert found["reachable"] == len(reachable)
    members = retail.command(
        "members", "online_retail", case.rule, "--limit=0", f"--as-of={AS_OF}"
    ).json
    assert members["keys"] == sorted(expected)

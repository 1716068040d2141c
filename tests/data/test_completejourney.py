"""2,469 households and 1.48 million events with dimensions and measures, in New York's time.

The files' times are in UTC but don't say so, which would make them times of the audience's zone;
they are told apart by giving the columns a zone before the import.
"""

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FOLDER = DATA / "completejourney"
pytestmark = needs("completejourney", "ev.parquet")
AS_OF = "2017-10-15T12:00:00-04:00"
TODAY = "date '2017-10-15'"


def in_utc(directory, name):
    """A copy of a file whose timestamps say that they are in UTC."""
    table = pyarrow.parquet.read_table(FOLDER / name)
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            column = table.column(index).cast(pa.timestamp("us", "UTC"))
            table = table.set_column(index, field.name, column)
    pyarrow.parquet.write_table(table, directory / name)
    return directory / name


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    directory = tmp_path_factory.mktemp("journey")
    with compared(directory, "completejourney") as found:
        found.load(in_utc(directory, "sub.parquet"), 2_469, "--map", "id=key")
        found.load(
            in_utc(directory, "ev.parquet"), 1_477_998, "--events",
            "--map", "id=key", "--map", "ts=time", "--map", "type=event",
        )  # fmt: skip
        found.tables.execute(
            f"""create macro here(t) as t - case when t >= '2017-03-12 07:00' and
            t < '2017-11-05 06:00' then interval 4 hour else interval 5 hour end;
            create table sub as select * from '{FOLDER}/sub.parquet';
            create table ev as select *, here(ts)::date as d from '{FOLDER}/ev.parquet';
            create view past as select * from ev where ts <= '2017-10-15 16:00';
            create view buy as select * from past where type = 'purchase'"""
        )
        yield found


def where(rule, condition, as_of=AS_OF):
    return Case(rule, f"select id from sub where {condition}", as_of=as_of)


def having(rule, condition, where="true", table="buy"):
    query = f"select id from {table} where {where} group by id having {condition}"
    return Case(rule, query, as_of=AS_OF)


def without(rule, where, table="buy"):
    query = f"select id from sub where id not in (select id from {table} where {where})"
    return Case(rule, query, as_of=AS_OF)


ATTRIBUTES = [
    where("age is missing", "age is null"),
    where("age is set and home_ownership is missing", "age is not null and home_ownership is null"),
    where('age != "65+"', "age is distinct from '65+'"),
    where('age != "65+" and age is set', "age <> '65+'"),
    where('age not in ("65+", "19-24")', "age is null or age not in ('65+', '19-24')"),
    where('marital_status = "MARRIED" or kids_count = "3+"',
          "marital_status = 'Married' or kids_count = '3+'"),
    where('household_comp not contains "no kids"',
          "household_comp is null or household_comp not like '%No Kids%'"),
    where('income starts with "1" and not income ends with "149k"',
          "income like '1%' and income not like '%149K'"),
    where('departments has "deli"', "list_contains(departments, 'DELI')"),
    where('departments has any of ("floral", "Spirits", "none")',
          "list_has_any(departments, ['FLORAL', 'SPIRITS'])"),
    where('departments has all of ("DELI", "PASTRY", "SALAD BAR", "cosmetics")',
          "list_has_all(departments, ['DELI', 'PASTRY', 'SALAD BAR', 'COSMETICS'])"),
    where('departments has none of ("MEAT", "NUTRITION")',
          "not list_has_any(departments, ['MEAT', 'NUTRITION'])"),
    where('departments has at least 3 of ("FLORAL", "SPIRITS", "GARDEN CENTER", '
          '"TRAVEL & LEISURE")',
          "len(list_intersect(departments, "
          "['FLORAL', 'SPIRITS', 'GARDEN CENTER', 'TRAVEL & LEISURE'])) >= 3"),
    where("baskets between 50 and 99", "baskets between 50 and 99"),
    where("total_cents > 100_000.5", "total_cents > 100000"),
    where("first_purchase before 2017-01-02", "here(first_purchase)::date < '2017-01-02'"),
    where("first_purchase on 2017-01-05", "here(first_purchase)::date = '2017-01-05'"),
    where("first_purchase between 2017-01-03 and 2017-01-08",
          "here(first_purchase)::date between '2017-01-03' and '2017-01-08'"),
    where("first_purchase after 2017-02-01T08:30:00Z", "first_purchase > '2017-02-01 08:30:00'"),
    where("first_purchase between 2017-01-01T12:00:00Z and 2017-01-04T20:15:30+01:00",
          "first_purchase between '2017-01-01 12:00:00' and '2017-01-04 19:15:30'"),
    where("last_purchase in next 75 days",
          f"here(last_purchase)::date between {TODAY} and {TODAY} + 75"),
    where("last_purchase in last 4 months", "here(last_purchase)::date between '2017-06-15' and "
          + TODAY),
    where("last_purchase more than 3 weeks ago", f"here(last_purchase)::date < {TODAY} - 21"),
    where("last_purchase between 2 and 10 weeks ago",
          f"here(last_purchase)::date between {TODAY} - 70 and {TODAY} - 14"),
    where("last_purchase more than 70 days from now", f"here(last_purchase)::date > {TODAY} + 70"),
    where("last_purchase this quarter",
          "here(last_purchase)::date between '2017-10-01' and '2017-12-31'"),
    where("last_purchase this month or last_purchase in next month",
          "here(last_purchase)::date between '2017-10-01' and '2017-11-30'"),
    where("last_purchase in last 100 hours", "last_purchase between '2017-11-26 20:00' and "
          "'2017-12-01 00:30'", as_of="2017-11-30T19:30:00-05:00"),
    where("first_purchase month in (3, april)", "month(here(first_purchase)) in (3, 4)"),
    where("first_purchase weekday in (monday, 7)", "isodow(here(first_purchase)) in (1, 7)"),
    where("first_purchase day of month in (1, 15)", "day(here(first_purchase)) in (1, 15)"),
    where("first_purchase hour between 22 and 5",
          "hour(here(first_purchase)) >= 22 or hour(here(first_purchase)) <= 5"),
    where("last_purchase >= first_purchase + 11 months",
          "here(last_purchase)::date >= here(first_purchase)::date + interval 11 month"),
    where("first_purchase anniversary between 2017-12-20 and 2018-01-05",
          "dayofyear(here(first_purchase)) <= 5 or "
          "strftime(here(first_purchase), '%m%d') >= '1220'"),
    where("departments size >= 14", "len(departments) >= 14"),
    where('departments has value starting with "sea"',
          "len(list_filter(departments, lambda x: x like 'SEA%')) > 0"),
    where("baskets in top 10%",
          "baskets >= (select min(baskets) from (select baskets from sub order by 1 desc "
          "limit 247))"),
    where("total_cents in bottom 100",
          "total_cents <= (select max(total_cents) from (select total_cents from sub order by 1 "
          "limit 100))"),
    where('income like "??-7*"', "income like '__-7%'"),
    where('age matches /^[0-9]+-3/', "age like '25-34%' or age like '%-3%'"),
    where('sum of (10 for age is set, 5 for baskets >= 100, -7.5 for kids_count = "0") between 2.5 '
          "and 7.5",
          "(case when age is not null then 10 else 0 end) + (case when baskets >= 100 then 5 "
          "else 0 end) - (case when kids_count = '0' then 7.5 else 0 end) between 2.5 and 7.5"),
]  # fmt: skip

EVENTS = [
    having("did purchase in last 7 days", "true", f"d >= {TODAY} - 7"),
    without("did not purchase in last 30 days", f"d >= {TODAY} - 30"),
    having('did purchase where (department = "deli" and amount_cents >= 1000)', "true",
           "department = 'DELI' and amount_cents >= 1000"),
    having('did purchase at least 4 times where (department = "DELI" and amount_cents >= 500)'
           " in last 60 days", "count(*) >= 4",
           f"department = 'DELI' and amount_cents >= 500 and d >= {TODAY} - 60"),
    having('did purchase where (brand = "private" and category contains "cheese" and quantity > 3)'
           " in last 3 months", "true", "brand = 'Private' and category like '%CHEESE%' and "
           "quantity > 3 and d >= '2017-07-15'"),
    having('did purchase on at least 20 days where (department in ("MEAT", "SEAFOOD"))',
           "count(distinct d) >= 20", "department in ('MEAT', 'SEAFOOD')"),
    having('did purchase where (department is missing and amount_cents between 100 and 5000)',
           "true", "department is null and amount_cents between 100 and 5000"),
    having('did purchase at most 5 times where (not (department = "GROCERY" or brand = "private"))'
           " between 2017-03-01 and 2017-03-31 and did purchase where (not (department = "
           '"GROCERY" or brand = "private")) between 2017-03-01 and 2017-03-31',
           "count(*) <= 5", "not (coalesce(department = 'GROCERY', false) or "
           "coalesce(brand = 'Private', false)) and d between '2017-03-01' and '2017-03-31'"),
    having('did purchase exactly 2 times where (category starts with "yog") last month',
           "count(*) = 2", "category like 'YOG%' and d between '2017-09-01' and '2017-09-30'"),
    having('did purchase where (store = "309") this year', "true",
           "store = 309 and d >= '2017-01-01'"),
    having("did purchase more than 50 times in last 2 weeks", "count(*) > 50",
           f"d >= {TODAY} - 14"),
    having("did any of (redeem, campaign) at least 12 times", "count(*) >= 12",
           "type in ('redeem', 'campaign')", "past"),
    having('did campaign where (campaign_type = "type a" and campaign in ("18", "13"))', "true",
           "type = 'campaign' and campaign_type = 'Type A' and campaign in (13, 18)", "past"),
    Case("did campaign and did not redeem",
         "select distinct id from past where type = 'campaign' and id not in "
         "(select id from past where type = 'redeem')", AS_OF),
    having("sum(purchase.amount_cents) >= 100000 where (department = \"grocery\")"
           " in last 180 days", "sum(amount_cents) >= 100000",
           f"department = 'GROCERY' and d >= {TODAY} - 180"),
    having("avg(purchase.amount_cents) > 333.5 in last 90 days",
           "sum(amount_cents) > 333.5 * count(*)", f"d >= {TODAY} - 90"),
    having("max(purchase.amount_cents) >= 10000", "max(amount_cents) >= 10000"),
    having("count distinct(purchase.product) >= 100 in last 60 days",
           "count(distinct product) >= 100", f"d >= {TODAY} - 60"),
    having('count distinct(purchase.store) between 4 and 6 where (department = "FUEL")',
           "count(distinct store) between 4 and 6", "department = 'FUEL'"),
    Case('favourite(purchase.department) in ("produce", "drug gm") in last 90 days',
         f"""select distinct id from (select id, department, rank() over (partition by id order by
         count(*) desc) as r from buy where d >= {TODAY} - 90 and department is not null
         group by 1, 2) where r = 1 and department in ('PRODUCE', 'DRUG GM')""", AS_OF),
    Case('favourite(purchase.brand) = "private"',
         """select id from buy group by id having count(*) filter (brand = 'Private') > 0 and
         count(*) filter (brand = 'Private') >= count(*) filter (brand = 'National')""", AS_OF),
    having("last purchase more than 60 days ago", f"max(d) < {TODAY} - 60"),
    having('first purchase where (department = "DELI") between 2017-03-01 and 2017-03-31',
           "min(d) between '2017-03-01' and '2017-03-31'", "department = 'DELI'"),
    having("last any of (redeem, campaign) in last 45 days", f"max(d) >= {TODAY} - 45",
           "type <> 'purchase'", "past"),
    Case("rate(redeem / campaign) >= 0.4",
         """select id from past group by id having count(*) filter (type = 'campaign') > 0 and
         count(*) filter (type = 'redeem') * 10 >= 4 * count(*) filter (type = 'campaign')""",
         AS_OF),
    Case("did purchase at least 30 times within 3 days after first_purchase",
         "select id from buy join sub using (id) where d between here(first_purchase)::date and "
         "here(first_purchase)::date + 3 group by id having count(*) >= 30", AS_OF),
    Case("did campaign then redeem within 14 days",
         "select distinct a.id from past a join past b using (id) where a.type = 'campaign' and "
         "b.type = 'redeem' and b.ts between a.ts and a.ts + interval 14 day", AS_OF),
    Case('did campaign where (campaign_type = "Type A") then redeem within 3 weeks same campaign'
         " in last 120 days",
         f"""select distinct a.id from past a join past b using (id) where a.type = 'campaign' and
         a.campaign_type = 'Type A' and b.type = 'redeem' and a.campaign = b.campaign and
         b.ts between a.ts and a.ts + interval 21 day and a.d >= {TODAY} - 120""", AS_OF),
    Case("did campaign then not redeem within 30 days",
         """select distinct id from past a where type = 'campaign' and not exists
         (select 1 from past b where b.id = a.id and b.type = 'redeem' and
         b.ts between a.ts and a.ts + interval 30 day)""",
         AS_OF),
    having("did purchase in at least 4 of last 5 weeks",
           "count(distinct date_trunc('week', d)) >= 4",
           f"d >= date_trunc('week', {TODAY}) - interval 28 day"),
    having("did purchase at least 40 times in exactly 2 of last 4 months",
           "len(list_filter(map_values(histogram(date_trunc('month', d))), lambda n: n >= 40)) = 2",
           "d >= '2017-07-01'"),
    without("inactive for 30 days", f"type <> 'campaign' and d >= {TODAY} - 30", "past"),
    Case('did purchase where (department = "FLORAL") in last 180 days'
         ' and not (kids_count is missing) and departments has "spirits" or baskets > 400',
         f"""select id from sub where (id in (select id from buy where department = 'FLORAL' and
         d >= {TODAY} - 180) and kids_count is not null and list_contains(departments, 'SPIRITS'))
         or baskets > 400""", AS_OF),
]  # fmt: skip
CASES = ATTRIBUTES + EVENTS


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(journey, case):
    journey.check(case)


def test_breakdown_by_several_values_equals_group_by(journey):
    rule = 'did purchase where (department = "DELI") in last 90 days'
    answer = journey.command(
        "breakdown", "completejourney", rule, "--by=departments", "--by=age", "--limit=100",
        f"--as-of={AS_OF}",
    ).json  # fmt: skip
    chosen = f"id in (select id from buy where department = 'DELI' and d >= {TODAY} - 90)"
    departments, ages = answer["breakdowns"]
    for found, column in ((departments, "unnest(departments)"), (ages, "age")):
        expected = journey.sql(f"select {column}, count(*) from sub where {chosen} group by 1")
        values = {one["value"]: one["count"] for one in found["values"]}
        assert values == {value: count for value, count in expected if value is not None}
    missing = journey.sql(f"select count(*) from sub where {chosen} and age is null")[0][0]
    assert ages["missing_count"] == missing > 0


def test_histogram_of_a_timestamp_by_months_equals_group_by(journey):
    answer = journey.command(
        "breakdown", "completejourney", "baskets > 50", "--by=first_purchase", "--unit=month"
    ).json
    expected = journey.sql(
        """select date_trunc('month', here(first_purchase))::date::varchar, count(*) from sub
        where baskets > 50 group by 1 order by 1"""
    )
    assert [(one["value"][:7], one["count"]) for one in answer["values"] if one["count"]] == [
        (month[:7], count) for month, count in expected
    ]


def test_within_asks_only_about_those_who_match(journey):
    answer = journey.command(
        "count", "completejourney", 'not (age = "65+")', "--within", "age is set",
    ).json  # fmt: skip
    expected = journey.sql("select count(*) from sub where age <> '65+'")[0][0]
    assert answer["count"] == expected

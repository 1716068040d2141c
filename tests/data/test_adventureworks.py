"""18,148 customers and 56,046 order lines: CSV with dates, e-mails and keys that are text."""

import duckdb
import pytest

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FOLDER = DATA / "adventureworks"
pytestmark = needs("adventureworks", "ev.parquet")
AS_OF = "2017-02-15"
TODAY = "date '2017-02-15'"


@pytest.fixture(scope="module")
def works(tmp_path_factory):
    directory = tmp_path_factory.mktemp("works")
    subscribers, events = directory / "subscribers.csv", directory / "events.csv"
    duckdb.sql(
        f"""copy (select 'C-' || id as key, * exclude (id, total_e4) replace
        (home_owner = 'Y' as home_owner, first_order::date as first_order,
        last_order::date as last_order, array_to_string(countries, '|') as countries,
        array_to_string(subcategories, '|') as subcategories),
        (total_e4::decimal(18,0) * 0.0001)::decimal(18,4) as total
        from '{FOLDER}/sub.parquet') to '{subscribers}' (header);
        copy (select * exclude (id, ts, type, amount_e4), 'C-' || id as key, ts::date as time,
        type as event, (amount_e4::decimal(18,0) * 0.0001)::decimal(18,4) as amount
        from '{FOLDER}/ev.parquet') to '{events}' (header, delimiter ';')"""
    )
    with compared(directory, "adventureworks") as found:
        found.load(subscribers, 18_148)
        found.load(events, 56_046, "--events", "--delimiter=;")
        found.tables.execute(
            f"""create table sub as select * replace ('C-' || id as id, first_order::date as
            first_order, last_order::date as last_order) from '{FOLDER}/sub.parquet';
            create table ev as select * replace ('C-' || id as id), ts::date as d
            from '{FOLDER}/ev.parquet';
            create view buy as select * from ev where d < '{AS_OF}' or ts = '{AS_OF}'"""
        )
        yield found


def where(rule, condition, as_of=AS_OF):
    return Case(rule, f"select id from sub where {condition}", as_of=as_of)


def having(rule, condition, where="true"):
    query = f"select id from buy where {where} group by id having {condition}"
    return Case(rule, query, as_of=AS_OF)


CASES = [
    where('gender = "NA"', "gender = 'NA'"),
    where("prefix is missing", "prefix is null"),
    where('prefix not in ("mr.")', "prefix is distinct from 'MR.'"),
    where('email = "ZOE9@adventure-works.com"', "email = 'zoe9@adventure-works.com'"),
    where('email starts with "Jo" and email contains "n1"',
          "email like 'jo%' and email like '%n1%'"),
    where('email ends with "0@adventure-works.com"', "email like '%0@adventure-works.com'"),
    where('email like "a?????@*"', "email like 'a_____@%'"),
    where('email matches /^[a-c].*[13579]@/', "regexp_matches(email, '^[a-c].*[13579]@')"),
    where("birth_date before 1930-01-01", "birth_date < '1930-01-01'"),
    where("birth_date between 1964-02-29 and 1964-12-31",
          "birth_date between '1964-02-29' and '1964-12-31'"),
    where("birth_date on 1966-04-08", "birth_date = '1966-04-08'"),
    where("birth_date in last 40 years", f"birth_date >= {TODAY} - interval 40 year"),
    where("birth_date more than 75 years ago", f"birth_date < {TODAY} - interval 75 year"),
    where("birth_date anniversary in next 7 days",
          "strftime(birth_date, '%m%d') between '0215' and '0222'"),
    where("birth_date anniversary in next 10 days",
          "strftime(birth_date, '%m%d') >= '1226' or strftime(birth_date, '%m%d') <= '0105'",
          as_of="2016-12-26"),
    where("birth_date anniversary on 2017-02-28",
          "strftime(birth_date, '%m%d') in ('0228', '0229')"),
    where("birth_date month in (february) and birth_date day of month in (28)",
          "strftime(birth_date, '%m%d') = '0228'"),
    where("birth_date weekday in (saturday, sunday)", "isodow(birth_date) >= 6"),
    where("first_order = last_order", "first_order = last_order"),
    where("last_order > first_order + 1 years",
          "last_order > first_order + interval 1 year"),
    where("last_order in last 2 weeks", f"last_order between {TODAY} - 14 and {TODAY}"),
    where("last_order is missing and home_owner is true",
          "last_order is null and home_owner = 'Y'"),
    where("last_order in next 30 days", f"last_order between {TODAY} and {TODAY} + 30"),
    where("income >= 100_000 and children = 0", "income >= 100000 and children = 0"),
    where("total = 24.99 or total between 3578.27 and 3578.27005",
          "total_e4 = 249900 or total_e4 = 35782700"),
    where("total >= 3578.27 and total < 3578.27001", "total_e4 = 35782700"),
    where('education in ("bachelors", "GRADUATE degree") and not occupation = "management"',
          "education in ('Bachelors', 'Graduate Degree') and occupation <> 'Management'"),
    where('subcategories has all of ("helmets", "Gloves") and countries has "canada"',
          "list_has_all(subcategories, ['Helmets', 'Gloves']) and list_contains(countries, "
          "'Canada')"),
    where("subcategories is missing", "len(subcategories) = 0"),
    where('key in ("c-11000", "C-11001", "x")', "id in ('C-11000', 'C-11001')"),
    having('did purchase where (category = "bikes" and amount >= 3578.2699)', "true",
           "category = 'Bikes' and amount_e4 >= 35782699"),
    having('favourite(purchase.category) != "accessories" and did purchase where (category = '
           '"accessories")',
           "count(*) filter (category = 'Accessories') > 0 and count(*) filter (category = "
           "'Accessories') < greatest(count(*) filter (category = 'Bikes'), count(*) filter "
           "(category = 'Clothing'))"),
    having('first purchase where (category = "Bikes") in last 12 months',
           f"min(d) between {TODAY} - interval 12 month and {TODAY}", "category = 'Bikes'"),
    having("count distinct(purchase.order_no) >= 5", "count(distinct order_no) >= 5"),
    Case("did purchase where (category = \"Bikes\") then purchase where (category = "
         "\"Accessories\") within 30 days",
         """select distinct a.id from buy a join buy b using (id) where a.category = 'Bikes' and
         b.category = 'Accessories' and b.ts between a.ts and a.ts + interval 30 day""", AS_OF),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(works, case):
    works.check(case)


def test_a_segment_stands_in_rules_and_matches_its_members(works):
    works.command("segment", "create", "adventureworks", "riders", 'subcategories has "helmets"')
    riders = works.ids("select id from sub where list_contains(subcategories, 'Helmets')")
    rich = works.ids("select id from sub where income >= 100000")
    rule = 'not in segment "riders" and income >= 100000'
    answer = works.command("count", "adventureworks", rule).json
    assert answer["count"] == len(rich - riders) > 0
    match = works.command("match", "adventureworks", min(riders)).json
    assert [(one["segment"], one["matches"]) for one in match["results"]] == [("riders", True)]

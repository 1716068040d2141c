"""27 mailings to 1,559 households and what became of them: stars, last campaigns, chains.

Redemptions stand as opens; a third of the mailings, by a formula, as clicks a day later.
"""

import pytest

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FOLDER = DATA / "completejourney"
pytestmark = needs("completejourney", "ev.parquet")
AS_OF = "2017-10-15"
TODAY = "date '2017-10-15'"


@pytest.fixture(scope="module")
def mailings(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mailings")
    people, events = directory / "people.csv", directory / "events.csv"
    with compared(directory, "mailings") as found:
        found.tables.execute(
            f"""create table sub as select id, first_purchase::date as first_purchase
            from '{FOLDER}/sub.parquet';
            create table lines as with mail as (select id, ts, campaign, campaign_type as kind,
            product, type from '{FOLDER}/ev.parquet' where type in ('campaign', 'redeem'))
            select id, ts, if(type = 'campaign', 'sent', 'open') as event, campaign,
            if(type = 'campaign', kind, null) as kind, product from mail
            union all select id, ts + interval 1 day, 'click', campaign, null, null from mail
            where type = 'campaign' and (id + campaign) % 3 = 0;
            create table ev as select *, row_number() over () as line from lines;
            create view past as select *, ts::date as d from ev where ts <= '{AS_OF}';
            create view sent as select * from past where event = 'sent';
            create view latest as select *, row_number() over (partition by id
            order by last desc, campaign::varchar desc) as place from
            (select id, campaign, max(ts) as last from sent group by all);
            create view opened as select distinct id, campaign from past where event = 'open';
            create view clicked as select distinct id, campaign from past where event = 'click';
            copy (select id as key, first_purchase from sub) to '{people}' (header);
            copy (select id as key, ts as time, * exclude (id, ts, line) from ev)
            to '{events}' (header)"""
        )
        found.load(people, 2_469)
        found.load(events, found.sql("select count(*) from ev")[0][0], "--events")
        yield found


def where(rule, condition):
    return Case(rule, f"select id from sub where {condition}", as_of=AS_OF)


def stars(rule, condition, since="2000-01-01"):
    """By the mean of 0, 1 or 2 halves over the campaigns sent since a day."""
    mean = "5 * sum(coalesce(o, 0) + coalesce(c, 0)) / 2 / count(*)"
    query = f"""select id from (select distinct id, campaign from sent where d >= '{since}')
    left join (select *, 1 as o from opened) using (id, campaign)
    left join (select *, 1 as c from clicked) using (id, campaign)
    group by id having {condition.replace("stars", mean)}"""
    return Case(rule, query, as_of=AS_OF)


def last(rule, count, condition, window="true"):
    """By how many of a person's last campaigns, of so many, have an open."""
    query = f"""select id from sub left join (select id, count(*) as n, count(o) as k from latest
    left join (select distinct id, campaign, 1 as o from past where event = 'open' and {window})
    using (id, campaign) where place <= {count} group by id) using (id) where {condition}"""
    return Case(rule, query, as_of=AS_OF)


def chain(rule, on, first="sent", second="open"):
    query = f"""select distinct a.id from past a join past b using (id)
    where a.event = '{first}' and b.event = '{second}' and b.ts >= a.ts and {on}"""
    return Case(rule, query, as_of=AS_OF)


CASES = [
    stars("stars >= 2.5", "stars >= 2.5"),
    stars("stars > 2.5", "stars > 2.5"),
    stars("stars = 0", "stars = 0"),
    stars("stars between 1 and 2 in last 180 days", "stars between 1 and 2", "2017-04-18"),
    where("stars != 0", """id not in (select id from (select distinct id, campaign from sent)
          where id not in (select id from (select * from opened union select * from clicked)
          join sent using (id, campaign)))"""),
    last("did open where campaign in last 3 campaigns sent", 3, "k > 0"),
    last("did open where campaign in all of last 2 campaigns sent", 2, "k = n"),
    last("did open where campaign in at least 2 of last 5 campaigns sent", 5, "k >= 2"),
    last("did open where campaign in none of last 4 campaigns sent", 4, "coalesce(k, 0) = 0"),
    last("did open where campaign in last 3 campaigns sent in last 60 days", 3, "k > 0",
         f"d >= {TODAY} - 60"),
    last('did open where campaign in last 5 campaigns sent and product starts with "1"', 5, "k > 0",
         "product::varchar like '1%'"),
    chain("did sent then open", "true"),
    chain("did sent then open within 30 days same campaign",
          "a.campaign = b.campaign and b.ts - a.ts <= interval 720 hour"),
    chain('did sent where (kind = "type a") then open within 10 days',
          "a.kind = 'Type A' and b.ts - a.ts <= interval 240 hour"),
    chain("did sent then open without click",
          """not exists (select 1 from past c where c.event = 'click' and c.id = a.id
          and c.ts between a.ts and b.ts)"""),
    chain("did sent then click within 36 hours without open in last 200 days",
          f"""b.ts - a.ts <= interval 36 hour and a.d >= {TODAY} - 200 and not exists
          (select 1 from past c where c.event = 'open' and c.id = a.id
          and c.ts between a.ts and b.ts)""", second="click"),
    Case("did sent then not open within 90 days all within 100 days",
         """select distinct id from sent a where not exists (select 1 from past b where b.id = a.id
         and b.event = 'open' and b.ts between a.ts and a.ts + interval 2160 hour)""", as_of=AS_OF),
    Case("did any of (open, click) then sent then open all within 5 weeks",
         """select distinct a.id from past a join past b using (id) join past c using (id)
         where a.event <> 'sent' and b.event = 'sent' and c.event = 'open' and b.ts >= a.ts
         and c.ts >= b.ts and c.ts - a.ts <= interval 840 hour
         and c.line <> a.line""", as_of=AS_OF),
    Case("rate(click / sent) between 0.25 and 0.5",
         """select id from past group by id having count(*) filter (event = 'sent') > 0 and
         count(*) filter (event = 'click') between 0.25 * count(*) filter (event = 'sent')
         and 0.5 * count(*) filter (event = 'sent')""", as_of=AS_OF),
    Case("last sent is (kind = exactly \"Type C\")",
         "select id from (select id, arg_max(kind, ts) as k, count(*) from sent group by id)"
         " where k = 'Type C'", as_of=AS_OF),
    Case("did click within 60 days after first_purchase",
         """select distinct id from past join sub using (id) where event = 'click'
         and d between first_purchase and first_purchase + 60""", as_of=AS_OF),
    Case("did any of (open, click) at least 2 times within 1 months before first_purchase or "
         "did sent within 30 days before first_purchase",
         """select distinct id from past join sub using (id) where event = 'sent'
         and d between first_purchase - 30 and first_purchase union select id from past
         join sub using (id) where event <> 'sent' and d between
         first_purchase - interval 1 month and first_purchase group by id having count(*) >= 2""",
         as_of=AS_OF),
    Case("did sent in exactly 2 of last 3 quarters",
         """select id from sent where d >= '2017-04-01' group by id
         having count(distinct date_trunc('quarter', d)) = 2""", as_of=AS_OF),
    where("inactive for 100 days", f"""id not in (select id from past
          where event <> 'sent' and d >= {TODAY} - 100)"""),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(mailings, case):
    mailings.check(case)

"""64,000 customers spread over the globe by a formula: places, mail domains, samples, changes.

Latitudes and longitudes are whole thousandths of a degree, so both sides read the same numbers;
with so many people some live near the poles and on both sides of the date line.
"""

from hashlib import blake2b

import pytest

from tests.data.comparing import DATA, Case, case_ids, compared, needs

FILE = DATA / "hillstrom" / "hillstrom.csv"
pytestmark = needs("hillstrom", "hillstrom.csv")
AS_OF = "2026-01-31"
SEEDS = ("spring-test", "other")
WORD = (1 << 64) - 1


def digest(text):
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def mixed(key, seed):
    """The stable number from 0 to 2^64 - 1 of a key and a seed."""
    z = digest(str(key)) ^ digest(seed)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    directory = tmp_path_factory.mktemp("places")
    first, second = directory / "first.csv", directory / "second.csv"
    draws = directory / "draws.csv"
    draws.write_text(
        "id,a,b\n"
        + "".join(f"{i},{mixed(i, SEEDS[0])},{mixed(i, SEEDS[1])}\n" for i in range(1, 64_001))
    )
    with compared(directory, "places") as found:
        found.tables.execute(
            f"""create table sub as select id, channel,
            case when id % 10 <> 0 then (id * 7919 % 180001 - 90000) / 1000.0 end as lat,
            case when id % 10 <> 0 then (id * 104729 % 360001 - 180000) / 1000.0 end as lon,
            case when id % 11 <> 0 then 'c' || id || '@' ||
            ['Gmail.com', 'example.org', 'mail.example.org', 'x'][id % 4 + 1] end as mail,
            date '2025-01-01' + (id % 400)::int as since,
            date '2025-12-01' + (id % 61)::int as moved
            from (select row_number() over () as id, channel from read_csv('{FILE}'));
            create table draws as select * from read_csv('{draws}',
            types = {{'a': 'ubigint', 'b': 'ubigint'}});
            create macro rad(d) as d * pi() / 180;
            create macro km(la, lo) as 2 * 6371.0088 * asin(least(1, sqrt(
            sin(rad(lat - la) / 2) ** 2
            + cos(rad(lat)) * cos(rad(la)) * sin(rad(lon - lo) / 2) ** 2)));
            copy (select id as key, lower(channel) as channel, mail, since as known_since,
            lat || ',' || lon as home, since as changed_at from sub order by id)
            to '{first}' (header);
            copy (select id as key, case when id % 5 = 0 then 'Shop' else upper(channel) end
            as channel, moved as changed_at from sub where id % 2 = 0) to '{second}' (header)"""
        )
        found.load(first, 64_000)
        found.load(second, 32_000)
        found.command("segment", "create", "places", "north", "home in box (0, -180, 90, 180)")
        found.command(
            "segment", "create", "places", "far-north",
            'in segment "north" and not home within 5000 km of (0, 0)',
        )  # fmt: skip
        yield found


def where(rule, condition, *params):
    return Case(rule, f"select id from sub where {condition}", as_of=AS_OF, params=params)


def drawn(rule, condition):
    return Case(rule, f"select id from draws where {condition}", as_of=AS_OF)


CASES = [
    # a radius, in all units, over the date line, at and near the poles, up to half the globe
    where("home within 150 km of (52.52, 13.40)", "km(52.52, 13.40) <= 150"),
    where("home within 1000 km of (52.52, 13.40)", "km(52.52, 13.40) <= 1000"),
    where("home within 1500000 m of (-33.9, 151.2)", "km(-33.9, 151.2) <= 1500"),
    where("home within 300 mi of (40.7, -74)", "km(40.7, -74) <= 300 * 1.609344"),
    where("home within 800 km of (-17.5, 179.9)", "km(-17.5, 179.9) <= 800"),
    where("home within 800 km of (-17.5, -179.9)", "km(-17.5, -179.9) <= 800"),
    where("home within 700 km of (65, 180)", "km(65, 180) <= 700"),
    where("home within 700 km of (65, -180)", "km(65, 180) <= 700"),
    where("home within 500 km of (90, 0)", "lat >= 90 - 500 / 6371.0088 * 180 / pi()"),
    where("home within 900 km of (-90, 77)", "lat <= -90 + 900 / 6371.0088 * 180 / pi()"),
    where("home within 900 km of (86, 30)", "km(86, 30) <= 900"),
    where("home within 444 mi of (-88.5, -120)", "km(-88.5, -120) <= 444 * 1.609344"),
    where("home within 10007 km of (10, 20)", "km(10, 20) <= 10007"),
    where("home within 19000 km of (10, 20)", "km(10, 20) <= 19000"),
    where("not home within 19000 km of (10, 20)", "km(10, 20) > 19000 or lat is null"),
    where("home within $r km of ($la, $lo)", "km(-12.3, 45.6) <= 777.7",
          "r=777.7", "la=-12.3", "lo=45.6"),
    # boxes
    where("home in box (47, 6, 55, 15)", "lat between 47 and 55 and lon between 6 and 15"),
    where("home in box (-20.5, 170.25, 20.5, -170.25)",
          "lat between -20.5 and 20.5 and (lon >= 170.25 or lon <= -170.25)"),
    where("home in box (80, -180, 90, 180)", "lat >= 80"),
    where("home in box (-90, -10.1, 90, -10)", "lon between -10.1 and -10"),
    where("not home in box (-89, -179, 89, 179)",
          "lat is null or not (abs(lat) <= 89 and abs(lon) <= 179)"),
    where("home is missing", "lat is null"),
    where("home is set and home within 9000 km of (0, 0)", "km(0, 0) <= 9000"),
    # mail domains
    where('mail domain in ("gmail.com")', "mail like '%@Gmail.com'"),
    where('mail domain = exactly "gmail.com" or mail domain ends with ".ORG"',
          "mail like '%.org'"),
    where('mail domain != "x"', "mail is null or mail not like '%@x'"),
    where('mail not contains any of ("gmail", "c1")',
          "mail is null or not regexp_matches(lower(mail), 'gmail|c1')"),
    where('mail domain like "*.example.org"', "mail like '%.example.org'"),
    where("mail domain matches /^mail|x/", "regexp_matches(mail, '@(mail|.*x)')"),
    # since when, and what changed when
    where("known for at least 180 days", f"since <= date '{AS_OF}' - 180"),
    where("known for at least 11 months", "since <= '2025-02-28'"),
    where("known_since this month", "since between '2026-01-01' and '2026-01-31'"),
    where("known_since more than 3 days from now", "since > '2026-02-03'"),
    where("known_since in last 1 quarters", "since between '2025-10-31' and '2026-01-31'"),
    where("channel changed in last 30 days",
          "(id % 10 = 0 and moved between '2026-01-01' and '2026-01-31')"
          " or since between '2026-01-01' and '2026-01-31'"),
    where("channel changed on 2025-12-24",
          "(id % 10 = 0 and moved = '2025-12-24') or since = '2025-12-24'"),
    where("not mail changed last month",
          "mail is null or since not between '2025-12-01' and '2025-12-31'"),
    # keys, samples, parts
    where('key ends with "77"', "id % 100 = 77"),
    where("key matches /^(12)+$/", "regexp_matches(id::varchar, '^(12)+$')"),
    where("id in (5, 63999, 64001)", "id in (5, 63999)"),
    drawn('sample 10% seed "spring-test"', "a::hugeint * 10 < 18446744073709551616"),
    drawn('sample 0.5% seed "other"', "b::hugeint * 200 < 18446744073709551616"),
    drawn('sample 50% seed "spring-test" and not sample 50% seed "other"',
          "a < 9223372036854775808 and b >= 9223372036854775808"),
    drawn('bucket 3 of 10 seed "spring-test"', "a::hugeint * 10 // 18446744073709551616 = 2"),
    drawn('bucket 7 of 7 seed "other"', "b::hugeint * 7 // 18446744073709551616 = 6"),
    # composition
    where('in segment "far-north" and mail is set',
          "lat >= 0 and km(0, 0) > 5000 and mail is not null"),
    where('none of (in segment "north", channel = "web")',
          "(lat is null or lat < 0) and not (lower(channel) = 'web' and id % 10 <> 0)"),
    where("not nobody and home is missing", "lat is null"),
    where("all of (everyone, at least 2 of (home is set, mail is set, known_since ever))",
          "lat is not null or mail is not null"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=case_ids(CASES))
def test_rule_equals_sql(places, case):
    places.check(case)

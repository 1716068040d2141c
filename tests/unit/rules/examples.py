"""Rules of the language's reference, whole or completed from a fragment: all must parse."""

EXAMPLES = tuple(
    line.strip()
    for line in r"""
    city != "Berlin"
    not (city = "Berlin")
    city != "Berlin" and city is set
    did not open in last 30 days
    did not purchase at least 2 times
    country = exactly "x"
    country in (exactly "a", "b")
    country starts with exactly "x"
    tags has exactly "x"
    name matches exactly /x/
    name like "a*b?c"
    name like "\*\?"
    d in last 5 days
    d more than 5 days ago
    d in next 5 days
    d between 3 and 5 days ago
    d between 3 and 5 days from now
    d more than 5 days from now
    d in last 5 hours
    d more than 5 hours ago
    d in next 5 hours
    d more than 5 hours from now
    d between 3 and 5 hours ago
    d between 3 and 5 hours from now
    d this day
    d in this week
    d last month
    d in last quarter
    d next year
    d in next day
    d on 2026-03-31
    d before 2026-03-31
    d after 2026-03-31
    d between 2026-03-31 and 2026-04-30
    d ever
    d before 2026-03-31T09:00:00Z
    d after 2026-03-31T09:00+02:00
    d between 2026-03-31T09:00:00.5Z and 2026-03-31T09:00:00.123456-11:30
    country is set
    country is missing
    country = "DE"
    country not in ("DE", "AT")
    country contains "x"
    country not contains "x"
    country contains any of ("x", "y")
    country not contains any of ("x", "y")
    country ends with "x"
    country matches /a\/b/
    tags has "x"
    tags has any of ("x", "y")
    tags has all of ("x", "y")
    tags has none of ("x", "y")
    tags has at least 2 of ("x", "y")
    interests has value starting with "CR."
    tags size >= 3
    tags size between 3 and 5
    email domain in ("gmail.com")
    email domain = "gmail.com" and email domain not contains "x" and email domain matches /x/
    vip is true
    vip is false
    age = 3 and age != 3 and age < 3 and age <= 3 and age > 3 and age >= -3
    age between 3 and 5
    age in (3, 4.5, 1_000_000)
    age in top 10%
    age in bottom 5%
    age in top 100
    birthday anniversary in next 7 days
    d month in (3, april)
    d day of month in (1, 15)
    d weekday in (monday, 7)
    d hour between 22 and 5
    renewal >= signup_date + 11 months
    renewal >= signup_date - 3 days
    renewal >= signup_date -3 days
    renewal >= signup_date
    renewal < 2026-01-01
    home within 50 km of (52.52, 13.40)
    home within 50 m of (52.52, -13.40)
    home within 50 mi of (52.52, 13.40)
    home in box (-1, 2, 3.5, 4)
    home is missing
    plan changed in last 7 days
    key starts with "a"
    known_since in last 3 days
    known for at least 30 days
    id in (1, 2, 3)
    id in ("a", "b")
    did open in last 30 days
    did not click in last 90 days
    did open at least 3 times in last 30 days
    did open at most 3 times
    did open exactly 3 times
    did open more than 3 times
    did open fewer than 3 times
    did open between 3 and 5 times
    did open on at least 5 days in last 30 days
    did open on between 3 and 5 days
    did any of (open, click) at least 3 times in last 30 days
    first any of (open, click) more than 3 days ago
    did click at least 2 times where (campaign = "spring" and link contains "/sale") in last 14 days
    did click where campaign = "spring" and link contains "/sale" in last 14 days
    sum(purchase.amount) >= 200 where (category = "shoes") in last 365 days
    avg(purchase.amount) > 3
    min(purchase.amount) between 3 and 5
    max(purchase.amount) != 3
    count distinct(purchase.product) >= 3
    favourite(purchase.category) = "shoes" in last 365 days
    favorite(purchase.category) not in ("shoes", exactly "Hats") where (amount > 3)
    last open more than 90 days ago
    first purchase where (category = "shoes") between 2026-01-01 and 2026-03-31
    last purchase is (category = "shoes" and amount > 100)
    rate(open / sent) >= 0.4 in last 90 days
    stars >= 3 in last 365 days
    did open where campaign in last 5 campaigns sent
    did open where campaign in any of last 5 campaigns sent
    did open where campaign in all of last 5 campaigns sent
    did open where campaign in at least 2 of last 5 campaigns sent
    did open where campaign in none of last 5 campaigns sent and device = "phone" in last 9 days
    did purchase at least 3 times within 30 days after signup_date
    did purchase within 30 days before signup_date
    did open then click within 2 days in last 30 days
    did add_to_cart then not purchase within 1 day
    did open then click then purchase all within 7 days
    did open where a = "x" then click where (b = "y") within 5 minutes without bounce same link ever
    did not open then click without bounce where (a = "x") all within 2 weeks same link this year
    did open in at least 3 of last 4 weeks
    did open in at most 3 of last 4 days
    did purchase at least 2 times in exactly 3 of last 4 months
    inactive for 180 days
    all of (everyone, nobody)
    any of (everyone, nobody)
    none of (everyone, nobody)
    at least 2 of (everyone, nobody, vip is true)
    sum of (10 for did open in last 7 days, 5 for country = "DE", -20 for tags has "churned") >= 12
    in segment "vip"
    entered segment "vip" in last 7 days
    left segment "vip" ever
    sample 10% seed "spring-test"
    sample 0.5% seed $seed
    bucket 3 of 10 seed "x"
    everyone
    nobody
    country in $countries
    age between $low and $high and d on $day and did open at least $n times in last $days days
    country = exactly $name and in segment $segment and tags has at least $k of $tags
    home within $r km of ($lat, $lon) and d month in ($m, 3) and renewal > x + $n days
    a = 1 or b = 2 and not c = 3
    DID Not open IN Last 30 DAYS AND Country_ = "x" # comment
""".replace("Country_", "country_")
    .strip()
    .splitlines()
)

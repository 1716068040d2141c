"""Questions on the command line: rules, parameters, times, answers as JSON, errors of rules."""

import pytest

from tests.cli.process import headcount


def test_a_rule_may_come_from_standard_input_or_a_file(shop):
    file = shop.file("rule.txt", '# those of Germany\ncountry = "DE"\n')
    assert shop.count(f"@{file}") == 2
    at = ("--address", shop.address, "--json")
    assert headcount("count", "shop", "-", *at, input='country = "FR"\n').json["count"] == 1


def test_a_rule_that_is_no_utf8_is_wrong_usage(shop):
    done = shop.run("count", "shop", f"@{shop.file('rule.txt', bytes([255, 10]))}")
    assert done.code == 2
    assert "UTF-8" in done.err


@pytest.mark.parametrize(
    ("rule", "params", "count"),
    [
        ("age >= $least", ["least=40"], 2),
        ("spend = $spend", ["spend=12.50"], 1),
        ("country = $country", ["country=DE"], 2),
        ('country = $country', ['country="DE"'], 2),
        ("country in $countries", ['countries=("DE", "fr")'], 3),
        ("age in $ages", ["ages=(30, 50)"], 2),
        ("signup after $day", ["day=2026-01-31"], 1),
        ("seen before $moment", ["moment=2026-03-01T09:30:00Z"], 2),
        ("age = $age and country = $country", ["age=30", "country=de"], 1),
    ],
)  # fmt: skip
def test_param_binds_a_literal_where_it_reads_as_one_else_a_string(shop, rule, params, count):
    assert shop.count(rule, *[f"--param={param}" for param in params]) == count


def test_param_reads_a_list_from_a_file_with_one_value_a_line(shop):
    file = shop.file("countries.txt", "DE\nFR\n")
    assert shop.count("country in $c", f"--param=c=@{file}") == 3


def test_a_parameter_of_the_wrong_type_or_unbound_is_refused(shop):
    assert shop.run("count", "shop", "age = $age", "--param=age=x").code == 3
    unbound = shop.run("count", "shop", "age = $age")
    assert unbound.code == 3
    assert "$age" in unbound.err


@pytest.mark.parametrize(
    ("as_of", "taken"),
    [
        ("2026-03-02", "2026-03-01T23:00:00Z"),
        ("2026-07-02", "2026-07-01T22:00:00Z"),
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:00:00+02:00", "2026-03-02T07:00:00Z"),
        ("2026-03-02T09:00", "2026-03-02T08:00:00Z"),
    ],
)
def test_as_of_takes_a_time_or_a_date_which_is_its_midnight_in_the_zone(shop, as_of, taken):
    assert shop.json("count", "shop", "everyone", f"--as-of={as_of}")["as_of"] == taken


def test_as_of_moves_the_clock(shop):
    rule = "did purchase in last 0 days"
    assert shop.count(rule, "--as-of=2026-03-02T12:00:00Z") == 1
    assert shop.count(rule, "--as-of=2026-03-03T12:00:00Z") == 0
    assert shop.count("did purchase", "--as-of=2026-03-01") == 0


def test_count_prints_the_object_that_programs_rely_on(shop):
    answer = shop.json("count", "shop", 'country = "DE"')
    assert set(answer) == {
        "audience", "count", "reachable", "audience_size", "revision", "as_of", "engine_ms"
    }  # fmt: skip
    assert answer["audience"] == "shop"
    assert (answer["count"], answer["reachable"], answer["audience_size"]) == (2, 1, 4)
    assert answer["revision"] >= 3
    assert answer["as_of"].endswith("Z")
    assert answer["engine_ms"] > 0


def test_reachable_equals_count_where_the_schema_names_no_rule_for_it(shop):
    schema = shop.file("plain.toml", '[audience]\nkey = "string"\n[attributes]\na = "integer"\n')
    shop.done("audience", "create", "plain", "--schema", schema)
    shop.done("import", "plain", shop.file("plain.csv", "key,a\nx,1\ny,2\n"))
    answer = shop.json("count", "plain", "a > 0")
    assert answer["reachable"] == answer["count"] == 2


def test_breakdown_adds_values(shop):
    answer = shop.json("breakdown", "shop", "everyone", "--by=country")
    counts = {one["value"].casefold(): one["count"] for one in answer["values"]}
    assert counts == {"de": 2, "fr": 1, "na": 1}
    assert {"audience", "count", "reachable", "audience_size", "revision", "as_of"} <= set(answer)


def test_a_segment_is_created_shown_updated_and_deleted(shop):
    made = shop.json("segment", "create", "shop", "rich", "spend >= 50")
    assert (made["name"], made["rule"]) == ("rich", "spend >= 50")
    assert shop.count('in segment "rich"') == 1
    assert shop.json("segment", "show", "shop", "rich")["rule"] == "spend >= 50"
    shop.done("segment", "update", "shop", "rich", "spend >= 0")
    assert shop.count('in segment "rich"') == 3
    assert [one["name"] for one in shop.json("segment", "list", "shop")] == ["rich"]
    shop.done("segment", "delete", "shop", "rich")
    assert shop.run("segment", "show", "shop", "rich").code == 3


def test_a_segment_that_would_use_itself_or_is_used_is_refused(shop):
    shop.done("segment", "create", "shop", "one", "age > 30")
    shop.done("segment", "create", "shop", "two", 'in segment "one"')
    cycle = shop.run("segment", "update", "shop", "one", 'not in segment "two"')
    assert cycle.code == 3
    assert '"one" → "two" → "one"' in cycle.err
    used = shop.run("segment", "delete", "shop", "one")
    assert used.code == 3
    assert '"two"' in used.err
    assert shop.json("segment", "show", "shop", "one")["rule"] == "age > 30"
    assert shop.run("segment", "create", "shop", "one", "everyone").code == 3


def test_match_names_what_fails(shop):
    answer = shop.json("match", "shop", "ann", "--rule", 'country = "DE" and age > 30')
    (result,) = answer["results"]
    assert not result["matches"]
    assert "age > 30" in str(result["failing"])
    assert shop.run("match", "shop", "nobody").code == 3


def test_members_are_sorted_and_export_has_them_all(shop):
    assert shop.json("members", "shop", "everyone")["keys"] == ["ann", "bob", "cem", "dot"]
    assert shop.json("members", "shop", "everyone", "--limit=2")["keys"] == ["ann", "bob"]
    assert sorted(shop.done("export", "shop", "everyone").out.split()) == [
        "ann", "bob", "cem", "dot"
    ]  # fmt: skip
    sample = ("members", "shop", "everyone", "--sample=2", "--seed=a")
    assert shop.json(*sample)["keys"] == shop.json(*sample)["keys"]


def test_export_of_a_bitmap_needs_keys_that_are_uint32(shop):
    done = shop.run("export", "shop", "everyone", "--format=roaring")
    assert (done.code, done.out) == (3, "")
    assert "uint32" in done.err


def test_subscribers_are_shown_and_erased(shop, load):
    name = shop.fresh()
    load(name, "key,country,age\nann,DE,30\nbob,FR,40\n")
    shown = shop.done("subscribers", "get", name, "ann", "bob", "--json").lines
    assert [(one["key"], one["values"]["age"]) for one in shown] == [("ann", 30), ("bob", 40)]
    assert shop.json("subscribers", "delete", name, "ann", "nobody")["deleted"] == 1
    assert shop.run("subscribers", "get", name, "ann").code == 3
    assert shop.json("count", name, "everyone")["audience_size"] == 1


def test_status_has_what_programs_rely_on(shop):
    status = shop.json("status")
    assert status["state"] == "serving"
    assert status["resident_bytes"] > 1 << 20
    found = {one["name"]: one for one in status["audiences"]}["shop"]
    assert found["audience_size"] == 4
    assert found["revision"] == shop.json("count", "shop", "everyone")["revision"]


def test_a_snapshot_is_created_listed_and_brought_back(shop, load):
    name = shop.fresh()
    load(name, "key,age\nann,30\n")
    shop.done("snapshot", "create", "before")
    load(name, "key,age\nbob,40\n")
    assert "before" in [one["name"] for one in shop.json("snapshot", "list")]
    assert shop.json("count", name, "everyone")["count"] == 2
    shop.done("snapshot", "restore", "before")
    assert shop.json("count", name, "everyone")["count"] == 1
    missing = shop.run("snapshot", "restore", "nowhere")
    assert missing.code == 3
    assert "before" in missing.err


DEEP = "not " * 100 + "everyone"
FAULTS = [
    ('contry = "DE"', 'did you mean "country"', "^"),
    ("did purchas", 'did you mean "purchase"', "^"),
    ('did purchase where (categry = "x")', 'did you mean "category"', "^"),
    ('in segment "vip"', 'unknown segment "vip"', "^"),
    ('age = "x"', "no number", "^"),
    ('country > 3', 'no test ">"', "^"),
    ("signup after 2026-02-30", "2026-02-30 doesn't exist", "^"),
    ('country = "DE" and', "line 1, column 19", "^"),
    ('country = "DE" or\n  ag > 3', 'unknown attribute "ag"', "2 | "),
    ("", "the rule is empty", "everyone"),
    (DEEP, "limit of 64", "^"),
    ("age in (" + ", ".join(["1"] * 100_001) + ")", "limit is 100000", "line 1"),
    ("home within 1 km of (91, 0)", "latitude", "^"),
    ("email matches /(/", "(", "^"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said", "pointed"), FAULTS, ids=[one[1] for one in FAULTS])
def test_a_rules_fault_is_shown_at_its_place_with_the_fix(shop, rule, said, pointed):
    file = shop.file("fault.txt", rule)
    done = shop.run("count", "shop", f"@{file}" if rule else rule)
    assert (done.code, done.out) == (3, "")
    assert said in done.err
    assert pointed in done.err
    assert max(map(len, done.err.splitlines())) < 1000


def test_a_fault_of_within_is_shown_in_its_own_text(shop):
    done = shop.run("count", "shop", "everyone", "--within", 'age > 3 and contry = "DE"')
    assert done.code == 3
    assert '  age > 3 and contry = "DE"\n              ^' in done.err


def test_the_library_mirrors_the_services(shop):
    from headcount_client import Client

    with Client(shop.address) as client:
        assert client.count("shop", 'country = "DE"').total == 2
        counts = client.batch_count("shop", ["age > 30", "nobody"]).results
        assert [one.total for one in counts] == [2, 0]
        breakdown = client.breakdown("shop", "everyone", by="vip")
        assert {one.value: one.count for one in breakdown.breakdowns[0].values} == {
            "true": 2, "false": 2
        }  # fmt: skip

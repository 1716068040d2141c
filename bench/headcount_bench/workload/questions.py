"""The standard questions, each as rule text and as the parameters that it was made from.

All are asked at the manifest's ``as_of``. ``s01`` to ``s14`` are the standard counts, ``x1`` to
``x3`` what only some engines can be asked. Windows are those of the rule language: ``in last N
days`` is the day of ``as_of`` and the N days before it, by calendar days in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from headcount_bench.workload.dataset import DAYS
from headcount_bench.workload.events import campaigns_on
from headcount_bench.workload.vocabulary import CAMPAIGNS, CITIES, CITIES_PER_COUNTRY


class Kind(Enum):
    """What the answer is."""

    COUNT = "count"
    BREAKDOWN = "breakdown"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        id: s01 to s14, x1 to x3.
        title: what it asks, for people.
        kind: a count; a count for each value of ``by``; or a matrix of the pairs of ``rules``.
        rules: one rule; of an overlap several.
        by: attribute of a breakdown.
        parameters: values and numbers of days in the rules, for those who ask other engines.
    """

    id: str
    title: str
    kind: Kind
    rules: tuple[str, ...]
    by: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def rule(self) -> str:
        """The rule of a count or breakdown."""
        assert self.kind is not Kind.OVERLAP
        return self.rules[0]


COUNTRY = "DE"
FIVE_COUNTRIES = ("DE", "AT", "CH", "FR", "NL")
ANY_INTERESTS = ("running", "cycling", "hiking")
NO_INTERESTS = ("gaming", "poker")
CATEGORY = "shoes"
FORTY_CITIES = tuple(
    CITIES[country * CITIES_PER_COUNTRY + city] for country in range(10) for city in (0, 3, 12, 40)
)
CAMPAIGN = CAMPAIGNS[int(campaigns_on(DAYS - 7)[0])]  # sent nine to seven days before the last
TWO_CAMPAIGNS = CAMPAIGNS[400], CAMPAIGNS[440]
EMAIL_PART = "novak"


def _listed(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(f'"{value}"' for value in values) + ")"


def _question(name: str, title: str, rule: str, *, by: str = "", **parameters: object) -> Question:
    kind = Kind.BREAKDOWN if by else Kind.COUNT
    return Question(name, title, kind, (rule,), by, parameters)


_FIVE = f'country in {_listed(FIVE_COUNTRIES)} and gender = "female" and age between 25 and 44'
_INTERESTED = (
    f"interests has any of {_listed(ANY_INTERESTS)}"
    f' and interests has none of {_listed(NO_INTERESTS)} and status = "active"'
)
_SPENDER = 'lifetime_spend > 100.00 and plan = "pro"'
_OPENED = "did open in last 30 days"
_COOLING = 'did open in last 30 days and did not click in last 90 days and status = "active"'
_OFTEN = "did open at least 3 times in last 30 days"
_BUYER = (
    f'did purchase where (category = "{CATEGORY}") in last 180 days'
    " and sum(purchase.amount) >= 200.00 in last 365 days"
)
_NESTED = (
    f'(country in {_listed(FIVE_COUNTRIES)} and (plan = "pro" or lifetime_spend >= 500.00))'
    ' or (status = "active" and interests has "running" and not (age < 30 or gender = "male"))'
)
_INACTIVE = "inactive for 180 days"
_CITY = f"city in {_listed(FORTY_CITIES)}"

STANDARD: tuple[Question, ...] = (
    _question("s01", "one value", f'country = "{COUNTRY}"', country=COUNTRY),
    _question(
        "s02", "five countries, gender, age range", _FIVE,
        countries=FIVE_COUNTRIES, gender="female", ages=(25, 44),
    ),
    _question(
        "s03", "any of 3 interests, none of 2, active", _INTERESTED,
        any_of=ANY_INTERESTS, none_of=NO_INTERESTS, status="active",
    ),
    _question("s04", "spend and plan", _SPENDER, spend_above="100.00", plan="pro"),
    _question("s05", "opened in 30 days", _OPENED, days=30),
    _question(
        "s06", "opened in 30, not clicked in 90, active", _COOLING,
        opened_days=30, clicked_days=90, status="active",
    ),
    _question("s07", "opened at least 3 times in 30", _OFTEN, times=3, days=30),
    _question(
        "s08", "bought a category in 180, 200.00 in 365", _BUYER,
        category=CATEGORY, bought_days=180, amount="200.00", sum_days=365,
    ),
    _question(
        "s09", "two levels of nesting", _NESTED,
        countries=FIVE_COUNTRIES, plan="pro", spend_from="500.00", status="active",
        interest="running", age_below=30, gender="male",
    ),
    _question("s10", "inactive for 180 days", _INACTIVE, days=180),
    _question("s11", "any of 40 cities", _CITY, cities=FORTY_CITIES),
    _question(
        "s12", "s03 broken down by country", _INTERESTED, by="country",
        any_of=ANY_INTERESTS, none_of=NO_INTERESTS, status="active",
    ),
    Question(
        "s13", "10 segments pairwise", Kind.OVERLAP,
        (
            f'country = "{COUNTRY}"', _FIVE, _INTERESTED, _SPENDER, _OPENED, _COOLING, _OFTEN,
            _NESTED, _INACTIVE, _CITY,
        ),
        parameters={
            "questions": ("s01", "s02", "s03", "s04", "s05", "s06", "s07", "s09", "s10", "s11")
        },
    ),
    _question(
        "s14", "clicked a campaign, did not buy, 2 to 9 days ago",
        f'did click where (campaign = "{CAMPAIGN}") between 2 and 9 days ago'
        " and did not purchase between 2 and 9 days ago",
        campaign=CAMPAIGN, days=(2, 9),
    ),
)  # fmt: skip
EXTRA: tuple[Question, ...] = (
    _question(
        "x1", "where on two dimensions",
        f'did purchase where (category = "{CATEGORY}" and campaign in {_listed(TWO_CAMPAIGNS)})'
        " in last 180 days",
        category=CATEGORY, campaigns=TWO_CAMPAIGNS, days=180,
    ),
    _question(
        "x2", "open, then click within 2 days",
        "did open then click within 2 days in last 30 days",
        within_hours=48, days=30,
    ),
    _question("x3", "e-mail contains", f'email contains "{EMAIL_PART}"', part=EMAIL_PART),
)  # fmt: skip
QUESTIONS: tuple[Question, ...] = STANDARD + EXTRA


def find(name: str) -> Question:
    """The question of an id, such as s07; KeyError where there is none."""
    return {question.id: question for question in QUESTIONS}[name]

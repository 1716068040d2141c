"""Rules that must be refused, with their place between guillemets, and what is told of them."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """A rule's text with its place at fault marked, the fault's field and reason, some words."""

    marked: str
    field: str
    reason: str
    words: str

    @property
    def text(self) -> str:
        return self.marked.replace("«", "").replace("»", "")

    @property
    def start(self) -> int:
        return self.marked.index("«")

    @property
    def end(self) -> int:
        return self.marked.index("»") - 1


REFUSALS = tuple(
    Refusal(*line)
    for line in (
        ("email matches «/(/»", "attribute.test.matches.pattern", "INVALID_REGEX",
         "doesn't compile"),
        ("email matches «/a{1001}/»", "attribute.test.matches.pattern", "INVALID_REGEX",
         "repetition size"),
        (f"email matches exactly «/{'a' * 5000}/»", "attribute.test.matches.pattern",
         "PATTERN_TOO_LARGE", "the limit is 4096"),
        ("home within «0» km of (1, 2)", "attribute.test.near.radius.number", "OUT_OF_RANGE",
         "above 0 and at most 20015.1 km, half the globe"),
        ("home within «-1» mi of (1, 2)", "attribute.test.near.radius.number", "OUT_OF_RANGE",
         "above 0"),
        ("home within «20016» km of (1, 2)", "attribute.test.near.radius.number", "OUT_OF_RANGE",
         "half the globe"),
        ("home within 5 km of («91», 2)", "attribute.test.near.latitude.number", "OUT_OF_RANGE",
         "from -90 to 90"),
        ("home within 5 km of (1, «-180.1»)", "attribute.test.near.longitude.number",
         "OUT_OF_RANGE", "from -180 to 180"),
        ("home in box («-91», 0, 0, 0)", "attribute.test.in_box.south.number", "OUT_OF_RANGE",
         "from -90 to 90"),
        ("age in top «101»%", "attribute.test.rank.amount.number", "OUT_OF_RANGE",
         "from 0 to 100"),
        ("age in bottom «-1»%", "attribute.test.rank.amount.number", "OUT_OF_RANGE",
         "from 0 to 100"),
        ('sample «100.1»% seed "x"', "sample.percent.number", "OUT_OF_RANGE", "from 0 to 100"),
        ("signup month in («13»)", "attribute.test.month_in.parts[0].number", "OUT_OF_RANGE",
         "from 1 to 12"),
        ("signup month in (1, «0»)", "attribute.test.month_in.parts[1].number", "OUT_OF_RANGE",
         "from 1 to 12"),
        ("signup weekday in («8»)", "attribute.test.weekday_in.parts[0].number", "OUT_OF_RANGE",
         "from 1 to 7"),
        ("signup day of month in («32»)", "attribute.test.day_of_month_in.parts[0].number",
         "OUT_OF_RANGE", "from 1 to 31"),
        ("seen hour between 3 and «24»", "attribute.test.hour_between.high.number",
         "OUT_OF_RANGE", "from 0 to 23"),
        ("sum(purchase.«category») > 3", "aggregate.property", "WRONG_TYPE", "needs a measure"),
        ('bucket «11» of 10 seed "x"', "bucket.bucket.number", "OUT_OF_RANGE", "from 1 to 10"),
        ('bucket «0» of 10 seed "x"', "bucket.bucket.number", "OUT_OF_RANGE", "from 1 to 10"),
        ("age > «$x»", "attribute.test.compare.value.parameter", "UNBOUND_PARAMETER",
         "bind it in the request"),
        ("age in «$x»", "attribute.test.in_list.values.parameter", "UNBOUND_PARAMETER",
         "bind it in the request"),
        ('in segment «"nope"»', "in_segment.segment.text", "UNKNOWN_SEGMENT", '"nope"'),
        ("«contry» = \"DE\"", "attribute.name", "UNKNOWN_ATTRIBUTE", 'did you mean "country"?'),
        ("did «opn»", "did.events[0]", "UNKNOWN_EVENT", 'did you mean "open"?'),
        ('did open where («campain» = "x")', "did.where.attribute.name", "UNKNOWN_PROPERTY",
         'did you mean "campaign"?'),
        ('«age contains "x"»', "attribute.test.contains", "UNSUPPORTED_TEST", "it has =, !="),
        ("signup «in last 3 hours»", "attribute.test.in_window.window.in_last.duration.unit",
         "UNSUPPORTED_UNIT", "days, weeks"),
    )
)  # fmt: skip
UNPARSED = tuple(
    Refusal(*line)
    for line in (
        ("did open then «not» open then open", "rule_text", "INVALID_SEQUENCE", "the last step"),
        ("did open then«»", "rule_text", "SYNTAX", "a name"),
        ("signup > «2026-02-30»", "rule_text", "INVALID_DATE", "doesn't exist"),
        ("did open at least «-1» times", "rule_text", "INVALID_NUMBER", "no whole number"),
        ("age >=«»", "rule_text", "SYNTAX", "a number"),
        ("age between 3 «to» 5", "rule_text", "SYNTAX", "`and`"),
    )
)  # fmt: skip

"""Tests on the values of attributes, dimensions and measures, drawn for a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from headcount_server.core.rules import tree
from headcount_server.core.rules.tree import Operator, Quantifier, State
from headcount_server.core.schema import AttributeType

from .families import Family
from .picking import Pick
from .settings import AMOUNTS, INTEGERS, KEYS, KEYWORDS, PIECES, PLACES, TEXTS, WORDS
from .windows import bounded_window, duration, point, recent_window, window

Make = Callable[[], tree.Test]
_LIKES = ("*", "?", "s*", "*SS?", "a\\*b\\?c", "*@*.com", "?*é", "str*E", "", "a*b?c", "*\\*", "ß*")
_PATTERNS = ("^a", "E$", "s+", "stra.?s", "É|fr", "[0-9]", "gmail\\.com$", "^$", "a.b", "ß", "/")
_DOMAINS = ("gmail.com", "GMail.com", "example.org", "straße.de", "STRASSE.DE", "")
_RADII = ("0.5", "1", "7.5", "100", "650", "9000", "19999")
_NORTH = ("0", "-90", "-20", "48.1", "52.52", "89.95", "90")
_EAST = ("0", "-180", "-179.9", "-10", "13.4", "170", "179.9", "180")


def attribute_names(pick: Pick) -> tuple[str, ...]:
    """Attributes that have a test in the families of ``pick``."""
    return tuple(
        name
        for name in (*(a.name for a in pick.setting.schema.attributes), "key", "known_since")
        if _makers(pick, name)
    )


def attribute_test(pick: Pick, name: str) -> tree.Test:
    """A test that an attribute's type has."""
    return pick.of(*_makers(pick, name))


def keyword_test(pick: Pick, pool: Sequence[str], domains: bool = False) -> tree.Test:
    """A test on a keyword or text that may be one of ``pool``; on a text's domain where told."""
    makers: list[Make] = [
        lambda: tree.Compare(pick.one((Operator.EQUAL, Operator.NOT_EQUAL)), pick.text(pool)),
        lambda: tree.In(pick.texts(pool), pick.rarely(2)),
        lambda: tree.Contains(pick.text(PIECES), pick.rarely(2)),
        lambda: tree.ContainsAny(pick.texts(PIECES), pick.rarely(2)),
        lambda: tree.StartsWith(pick.text((*PIECES, *pool))),
        lambda: tree.EndsWith(pick.text((*PIECES, *pool))),
    ]
    if pick.has(Family.IS_SET):
        makers.append(lambda: _is_set(pick))
    if pick.has(Family.PATTERN):
        makers.append(lambda: tree.Like(pick.text(_LIKES)))
        makers.append(lambda: tree.Matches(pick.one(_PATTERNS), pick.rarely(2)))
    if pick.has(Family.DOMAIN) and domains:
        makers.append(lambda: tree.Domain(_domain_test(pick)))
    return pick.of(*makers)


def number_test(pick: Pick, *pool: Decimal | int | str) -> tree.NumberTest:
    """A comparison, or a range that now and then has its ends exchanged."""
    if pick.index(3):
        return tree.Compare(pick.one(tuple(Operator)), pick.number(*pool))
    ends = sorted((Decimal(pick.one(pool)), Decimal(pick.one(pool))), reverse=pick.rarely(8))
    return tree.Between(tree.Number(ends[0]), tree.Number(ends[1]))


def named_number_test(pick: Pick, *pool: Decimal | int | str) -> tree.Test:
    """Every test on a number attribute or measure."""
    if pick.rarely(4):
        return tree.In(tree.ValueList(pick.some(lambda: pick.number(*pool))), pick.rarely(2))
    test = number_test(pick, *pool)
    return test if isinstance(test, tree.Compare) else tree.InWindow(test)


def _makers(pick: Pick, name: str) -> list[Make]:
    if name == "key":
        keys = tuple(str(key) for key in KEYS[pick.setting.schema.key])
        return [lambda: keyword_test(pick, keys, domains=True)] if pick.has(Family.KEY) else []
    if name == "known_since":
        return _moments(pick, name, True) if pick.has(Family.KNOWN_SINCE) else []
    declared = pick.setting.schema.attribute(name)
    assert declared is not None
    makers = _by_type(pick, name, declared.type)
    if pick.has(Family.IS_SET):
        makers.append(lambda: _is_set(pick))
    if pick.has(Family.CHANGED):
        makers.append(lambda: tree.Changed(recent_window(pick)))
    return makers


def _by_type(pick: Pick, name: str, kind: AttributeType) -> list[Make]:
    match kind:
        case AttributeType.KEYWORD | AttributeType.TEXT:
            texts = kind is AttributeType.TEXT
            pool = TEXTS if texts else (*WORDS, "gold", "GOLD")
            return [lambda: keyword_test(pick, pool, texts)] * (2 * pick.has(Family.KEYWORD))
        case AttributeType.KEYWORDS:
            return _keywords(pick)
        case AttributeType.BOOLEAN:
            is_ = lambda: tree.Is(pick.one(tuple(State)))  # noqa: E731
            return [is_] * pick.has(Family.BOOLEAN)
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            return _numbers(pick, kind)
        case AttributeType.DATE | AttributeType.TIMESTAMP:
            return _moments(pick, name, kind is AttributeType.TIMESTAMP)
        case AttributeType.LOCATION:
            return _places(pick)


def _is_set(pick: Pick) -> tree.Test:
    return tree.Is(pick.one((State.SET, State.MISSING)))


def _domain_test(pick: Pick) -> tree.Test:
    return keyword_test(pick, _DOMAINS)


def _keywords(pick: Pick) -> list[Make]:
    pool = (*KEYWORDS, "no such", "STRASSE")
    three = (Quantifier.ANY, Quantifier.ALL, Quantifier.NONE)
    makers: list[Make] = []
    if pick.has(Family.KEYWORDS):
        makers.append(lambda: tree.Has(pick.text(pool)))
        makers.append(lambda: tree.HasOf(pick.one(three), pick.texts(pool)))
    if pick.has(Family.KEYWORDS_MORE):
        makers.append(
            lambda: tree.HasOf(Quantifier.AT_LEAST, pick.texts(pool), pick.number(1, 0, 2, 3))
        )
        makers.append(lambda: tree.HasPrefix(pick.text(("CR.", "cr.", "n", "", "STRASS"))))
        makers.append(lambda: tree.Size(number_test(pick, 1, 0, 2, 3)))
    return makers


def _numbers(pick: Pick, kind: AttributeType) -> list[Make]:
    stored = AMOUNTS if kind is AttributeType.DECIMAL else INTEGERS
    finer = ("0.005", "-0.005", "17.5", "10.001", "-92233720368547758.085")
    beyond = ("9223372036854775808", "-9223372036854775809", "1e30", "-1e30")
    makers: list[Make] = []
    if pick.has(Family.NUMBER):
        makers += [lambda: named_number_test(pick, *stored, *finer, *beyond)] * 2
    if pick.has(Family.RANK):
        shares = ("10", "0", "33.4", "50", "100")
        makers.append(lambda: tree.Rank(pick.number(*shares), True, pick.rarely(2)))
        makers.append(lambda: tree.Rank(pick.number(2, 0, 1, 5, 100), False, pick.rarely(2)))
    return makers


def _moments(pick: Pick, name: str, instants: bool) -> list[Make]:
    makers: list[Make] = []
    if pick.has(Family.MOMENT):
        makers.append(lambda: tree.Compare(pick.one(tuple(Operator)), point(pick, instants)))
        makers += [lambda: tree.InWindow(window(pick, instants))] * 3
    if pick.has(Family.COMPARE_ATTRIBUTE):
        makers.append(lambda: _compare_attribute(pick, name))
    if pick.has(Family.CALENDAR_PARTS):
        makers += [lambda: tree.Anniversary(bounded_window(pick))] * 2
        makers.append(lambda: tree.MonthIn(_parts(pick, 12)))
        makers.append(lambda: tree.DayOfMonthIn(_parts(pick, 31)))
        makers.append(lambda: tree.WeekdayIn(_parts(pick, 7)))
        if instants:
            makers.append(
                lambda: tree.HourBetween(pick.number(*range(24)), pick.number(*range(24)))
            )
    return makers


def _parts(pick: Pick, highest: int) -> tuple[tree.Value, ...]:
    return pick.some(lambda: pick.number(*range(1, highest + 1)))


def _compare_attribute(pick: Pick, name: str) -> tree.CompareAttribute:
    moments = ("signup_date", "birthday", "last_login", "known_since")
    operator = pick.one(tuple(Operator))
    other = pick.one([other for other in moments if other != name])
    if pick.rarely(2):
        return tree.CompareAttribute(operator, other)
    return tree.CompareAttribute(operator, other, pick.one(tuple(tree.Sign)), duration(pick))


def _places(pick: Pick) -> list[Make]:
    if not pick.has(Family.LOCATION):
        return []

    def near() -> tree.Near:
        latitude, longitude = (tree.Number(Decimal(str(degrees))) for degrees in pick.one(PLACES))
        unit = pick.one((tree.LengthUnit.KM, *tree.LengthUnit))
        radii = _RADII[:-1] if unit is tree.LengthUnit.MI else _RADII  # the last is too far
        return tree.Near(pick.number(*radii), unit, latitude, longitude)

    def box() -> tree.InBox:
        south, north = pick.number(*_NORTH), pick.number(*_NORTH)
        return tree.InBox(south, pick.number(*_EAST), north, pick.number(*_EAST))

    return [near, near, box]

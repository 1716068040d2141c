"""The values that generated files hold, most frequent first, and how frequent they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNTRIES = (
    "US", "DE", "GB", "FR", "IT", "ES", "PL", "NL", "BR", "CA",
    "AT", "CH", "SE", "BE", "AU", "PT", "DK", "NO", "FI", "IE",
    "CZ", "HU", "RO", "GR", "MX", "AR", "CL", "CO", "JP", "KR",
    "IN", "ID", "TH", "VN", "PH", "MY", "SG", "NZ", "ZA", "EG",
    "MA", "KE", "NG", "TR", "IL", "AE", "SK", "SI", "HR", "BG",
)  # fmt: skip
COUNTRY_SKEW = 1.05  # exponents of Zipf's law
CITIES_PER_COUNTRY = 100
CITY_SKEW = 0.9
GENDERS = ("female", "male", "other")
GENDER_SHARES = (0.50, 0.42, 0.02)  # the rest has none
PLANS = ("free", "basic", "plus", "pro")
PLAN_SHARES = (0.70, 0.18, 0.08, 0.04)
STATUSES = ("active", "unsubscribed", "bounced", "complained")
STATUS_SHARES = (0.88, 0.08, 0.03, 0.01)
LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "pl", "nl", "sv", "da",
    "no", "fi", "cs", "hu", "ro", "el", "ja", "ko", "tr", "ar",
)  # fmt: skip
_LANGUAGE_OF = {
    "DE": "de", "FR": "fr", "IT": "it", "ES": "es", "PL": "pl", "NL": "nl", "BR": "pt",
    "AT": "de", "CH": "de", "SE": "sv", "BE": "nl", "PT": "pt", "DK": "da", "NO": "no",
    "FI": "fi", "CZ": "cs", "HU": "hu", "RO": "ro", "GR": "el", "MX": "es", "AR": "es",
    "CL": "es", "CO": "es", "JP": "ja", "KR": "ko", "TR": "tr", "EG": "ar", "MA": "ar",
    "AE": "ar", "SK": "cs",
}  # fmt: skip
_TOPICS = (
    "running", "cooking", "travel", "music", "fashion", "gaming", "hiking", "cycling",
    "photography", "gardening", "yoga", "football", "books", "movies", "beauty", "pets",
    "wine", "design", "finance", "skiing", "camping", "fishing", "poker", "sailing", "chess",
)  # fmt: skip
_FACETS = ("", "-gear", "-events", "-news", "-courses", "-deals", "-clubs", "-trips")
INTERESTS = tuple(topic + facet for facet in _FACETS for topic in _TOPICS)
INTEREST_SKEW = 0.8
INTEREST_COUNT_SHARES = (0.15, 0.14, 0.15, 0.15, 0.13, 0.11, 0.08, 0.05, 0.04)  # of 0 to 8
_LARGE_DOMAINS = (
    "gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "icloud.com", "gmx.de", "web.de",
    "orange.fr", "libero.it", "wp.pl", "aol.com", "proton.me",
)  # fmt: skip
DOMAINS = _LARGE_DOMAINS + tuple(
    f"mail{number:04d}.example" for number in range(len(_LARGE_DOMAINS), 2_000)
)
DOMAIN_SKEW = 1.1
FIRST_NAMES = (
    "anna", "ben", "clara", "david", "emma", "felix", "greta", "hugo",
    "ida", "jonas", "karla", "leo", "mia", "noah", "olga", "paul",
    "quinn", "rosa", "sam", "tina", "uwe", "vera", "will", "xenia",
    "yara", "zoe", "alma", "bruno", "cem", "dora", "eli", "finn",
)  # fmt: skip
LAST_NAMES = (
    "adler", "berg", "cole", "duval", "ernst", "fuchs", "green", "hansen",
    "ito", "jung", "klein", "lopez", "moreau", "novak", "olsen", "petit",
    "quiroga", "rossi", "smith", "tanaka", "unger", "vidal", "wagner", "xavier",
    "young", "zeman", "arnold", "bianchi", "costa", "dubois", "egger", "fischer",
)  # fmt: skip
CATEGORIES = (
    "shoes", "jackets", "dresses", "bags", "jeans", "shirts", "toys", "books",
    "phones", "laptops", "cameras", "audio", "kitchen", "lamps", "sofas", "beds",
    "garden", "tools", "bikes", "tents", "skis", "boots", "watches", "rings",
    "perfume", "makeup", "vitamins", "snacks", "coffee", "tea", "wine", "cheese",
    "pets", "baby", "games", "puzzles", "paper", "paint", "fabric", "tickets",
)  # fmt: skip
CATEGORY_SKEW = 0.7
_THEMES = ("spring", "sale", "news", "welcome", "autumn", "outlet", "members", "winter")
CAMPAIGN_COUNT = 500
CAMPAIGNS = tuple(
    f"{_THEMES[number % len(_THEMES)]}-{number:03d}" for number in range(CAMPAIGN_COUNT)
)
EVENTS = ("sent", "open", "click", "purchase")

_STARTS = (
    "Al", "Bar", "Cor", "Dan", "Er", "Fal", "Gor", "Hal", "Is", "Jar",
    "Kel", "Lin", "Mar", "Nor", "Or", "Pel", "Ros", "Sal", "Tor", "Ul",
    "Var", "Wes", "Yor", "Zel", "Ash",
)  # fmt: skip
_MIDDLES = (
    "a", "en", "is", "o", "une", "ing", "er", "al", "em", "il",
    "on", "ar", "et", "u", "ov", "es", "in", "or", "el", "an",
)  # fmt: skip
_ENDS = ("burg", "ton", "ville", "dorf", "stad", "field", "port", "ford", "haven", "mont")


def _cities() -> tuple[str, ...]:
    """Of each country 100 names in a row; those of other countries are others."""
    names = [start + middle + end for middle in _MIDDLES for end in _ENDS for start in _STARTS]
    return tuple(names)


CITIES = _cities()


def main_languages() -> NDArray[np.int64]:
    """For each country the code of its main language."""
    return np.array([LANGUAGES.index(_LANGUAGE_OF.get(country, "en")) for country in COUNTRIES])


def zipf(count: int, skew: float) -> NDArray[np.float64]:
    """Cumulative shares of ``count`` values, the nth as frequent as n to the power of -skew."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -skew
    return np.cumsum(weights) / weights.sum()


def pick(cumulative: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Codes for uniform numbers in [0, 1); past the last share the number of values."""
    return np.searchsorted(cumulative, chance, side="right")

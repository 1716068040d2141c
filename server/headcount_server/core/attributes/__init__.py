"""Attribute indexes: for each attribute, every subscriber's value and the sets that tests ask for.

``make_index`` gives the index of an attribute by its type; ``AttributeIndex`` says what all share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headcount_server.core.attributes.base import AttributeIndex
from headcount_server.core.attributes.boolean import BooleanIndex
from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.location import LocationIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.attributes.text import TextIndex
from headcount_server.core.schema import AttributeSchema, AttributeType

__all__ = [
    "AttributeIndex", "BooleanIndex", "KeywordIndex", "KeywordsIndex", "LocationIndex",
    "NumberIndex", "TextIndex", "load_index", "make_index",
]  # fmt: skip

_CLASSES: dict[AttributeType, type[AttributeIndex]] = {
    AttributeType.KEYWORD: KeywordIndex,
    AttributeType.KEYWORDS: KeywordsIndex,
    AttributeType.TEXT: TextIndex,
    AttributeType.BOOLEAN: BooleanIndex,
    AttributeType.INTEGER: NumberIndex,
    AttributeType.DECIMAL: NumberIndex,
    AttributeType.DATE: NumberIndex,
    AttributeType.TIMESTAMP: NumberIndex,
    AttributeType.LOCATION: LocationIndex,
}


def make_index(schema: AttributeSchema) -> AttributeIndex:
    """An empty index for an attribute."""
    return _CLASSES[schema.type](schema)


def load_index(schema: AttributeSchema, parts: Mapping[str, Any]) -> AttributeIndex:
    """The index that ``dump`` wrote.

    Raises:
        DataLoss: the parts aren't what the index of such an attribute dumps.
    """
    return _CLASSES[schema.type].load(schema, parts)

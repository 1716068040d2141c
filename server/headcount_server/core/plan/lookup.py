"""Evaluates a leaf of a bound rule: one look-up in one index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes import scan
from headcount_server.core.attributes.boolean import BooleanIndex
from headcount_server.core.attributes.keyword import KeywordIndex
from headcount_server.core.attributes.keywords import KeywordsIndex
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.attributes.pieces import Pieces
from headcount_server.core.attributes.text import TextIndex
from headcount_server.core.events.answers import evaluate as aggregated
from headcount_server.core.events.evaluate import as_a_sum
from headcount_server.core.events.evaluate import evaluate as did_at_least
from headcount_server.core.plan.aggregate_nodes import Aggregated
from headcount_server.core.plan.attribute_nodes import AttributeLeaf, Drawn, PairHolds
from headcount_server.core.plan.behaviour_nodes import Behaviour
from headcount_server.core.plan.event_nodes import DidAtLeast
from headcount_server.core.plan.lookup_attributes import look_up_attribute
from headcount_server.core.plan.lookup_behaviour import (
    behaviour_costs_by_the_row,
    look_up_behaviour,
)
from headcount_server.core.plan.nodes import (
    All,
    IsSet,
    IsTrue,
    KeyIn,
    Leaf,
    Node,
    Nothing,
    NumberIn,
    NumberRange,
    SegmentMembers,
    TextMatch,
)
from headcount_server.core.schema import KeyType
from headcount_server.core.texts import OneOf, TextTest
from headcount_server.core.view import AudienceView

_FEW = 4  # with fewer than a quarter of the keys in question they are read one by one
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")  # the decimal text of a 64-bit integer


def look_up(audience: AudienceView, leaf: Leaf, within: BitMap | None = None) -> BitMap:
    """The rows of a leaf; not to be modified.

    Args:
        audience: whose indexes are asked.
        leaf: what is asked.
        within: the answer is only wanted among these rows. A look-up that costs by the row uses it;
            others may answer rows outside it too.
    """
    if isinstance(leaf, TextMatch):
        return _match_text(audience, leaf, within)
    if isinstance(leaf, Behaviour):
        return look_up_behaviour(audience, leaf, within)
    if isinstance(leaf, Aggregated):
        return aggregated(leaf, audience.events, within)
    if isinstance(leaf, DidAtLeast):
        return did_at_least(leaf, audience.events, within)
    if isinstance(leaf, IsSet):
        built_in = leaf.attribute in ("key", "known_since")
        return audience.everyone if built_in else audience.attributes[leaf.attribute].exists
    if isinstance(leaf, IsTrue):
        index = audience.attributes[leaf.attribute]
        assert isinstance(index, BooleanIndex)
        return index.rows(leaf.value)
    if isinstance(leaf, NumberRange | NumberIn):
        index = audience.index(leaf.attribute)
        assert isinstance(index, NumberIndex)
        if isinstance(leaf, NumberRange):
            return index.range(leaf.low, leaf.high)
        return index.values_in(leaf.values)
    if isinstance(leaf, AttributeLeaf):
        return look_up_attribute(audience, leaf, within)
    if isinstance(leaf, KeyIn):
        return _find(audience, leaf.keys)
    if isinstance(leaf, SegmentMembers):
        frozen = audience.segments[leaf.segment].frozen
        assert frozen is not None
        return frozen
    if isinstance(leaf, All):
        return audience.everyone
    assert isinstance(leaf, Nothing)
    return bitmaps.EMPTY


def is_a_sum(audience: AudienceView, node: Node) -> bool:
    """Whether ``pieces_of`` knows a look-up as a sum of bitmaps."""
    if isinstance(node, TextMatch) and node.attribute != "key":
        return isinstance(audience.attributes[node.attribute], KeywordIndex)
    if isinstance(node, DidAtLeast):
        return not costs_by_the_row(audience, node)
    return isinstance(node, NumberRange)


def pieces_of(audience: AudienceView, node: Node) -> Pieces:
    """The rows of a look-up that ``is_a_sum``."""
    if isinstance(node, TextMatch):
        index = audience.attributes[node.attribute]
        assert isinstance(index, KeywordIndex)
        return index.pieces(node.test)
    if isinstance(node, DidAtLeast):
        return as_a_sum(node, audience.events)
    assert isinstance(node, NumberRange)
    index = audience.index(node.attribute)
    assert isinstance(index, NumberIndex)
    return index.range_pieces(node.low, node.high)


def costs_by_the_row(audience: AudienceView, node: Node) -> bool:
    """Whether a look-up is cheaper among few rows, so that it is best asked last."""
    if isinstance(node, TextMatch):
        return node.attribute == "key" or isinstance(audience.attributes[node.attribute], TextIndex)
    if isinstance(node, Behaviour):
        return behaviour_costs_by_the_row(node)
    if isinstance(node, Aggregated):
        return True
    if isinstance(node, DidAtLeast):
        return any(source.where is not None for source in node.sources)
    return isinstance(node, Drawn | PairHolds)


def _match_text(audience: AudienceView, leaf: TextMatch, within: BitMap | None) -> BitMap:
    if leaf.attribute == "key":
        return _match_keys(audience, leaf.test, within)
    index = audience.attributes[leaf.attribute]
    if isinstance(index, TextIndex):
        return index.select(leaf.test, within)
    assert isinstance(index, KeywordIndex | KeywordsIndex)
    return index.select(leaf.test)


def _match_keys(audience: AudienceView, test: TextTest, within: BitMap | None) -> BitMap:
    """Keys whose text passes; one that can be named is looked up, others are scanned."""
    if audience.keys.key_type is not KeyType.STRING and isinstance(test, OneOf):
        spelt = (text for text in test.folded | test.exact if _INTEGER.fullmatch(text))
        return _find(audience, sorted(map(int, spelt)))
    if isinstance(test, OneOf) and not test.folded:
        return _find(audience, sorted(test.exact))
    found = [np.empty(0, np.uint32)]
    pages: Iterable[tuple[NDArray[np.uint32], list[bytes]]] = audience.keys.texts()
    if within is not None and len(within) * _FEW < len(audience.everyone):
        few = bitmaps.to_array(within & audience.everyone)
        pages = [(few, audience.keys.texts_of(few))]
    for rows, texts in pages:
        if len(rows):
            found.append(_search(rows, texts, test))
    return bitmaps.from_rows(np.concatenate(found))


def _search(rows: NDArray[np.uint32], texts: list[bytes], test: TextTest) -> NDArray[np.uint32]:
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    page = scan.make_page(np.frombuffer(b"".join(texts), np.uint8), lengths)
    return rows[scan.search(page, test, lambda places: [texts[i] for i in places.tolist()])]


def _find(audience: AudienceView, keys: Sequence[str] | Sequence[int]) -> BitMap:
    found = audience.keys.find(keys)
    return bitmaps.from_rows(found[found >= 0])

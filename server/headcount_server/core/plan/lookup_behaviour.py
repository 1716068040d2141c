"""Evaluates the leaves of ``behaviour_nodes``: one look at the events of whoever is in question."""

from __future__ import annotations

from typing import assert_never

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.number import NumberIndex
from headcount_server.core.events import campaigns, habits, relative, sequences
from headcount_server.core.plan.behaviour_nodes import (
    Behaviour,
    DidRelative,
    Habit,
    LastCampaigns,
    Moved,
    Sequence,
)
from headcount_server.core.schema import AttributeType
from headcount_server.core.view import AudienceView


def look_up_behaviour(
    audience: AudienceView, leaf: Behaviour, within: BitMap | None = None
) -> BitMap:
    """The rows of a leaf; not to be modified. ``within`` as of ``look_up``."""
    match leaf:
        case DidRelative():
            return _relative(audience, leaf, within)
        case Habit():
            return habits.evaluate(leaf, audience.events, within)
        case LastCampaigns():
            return campaigns.evaluate(leaf, audience.events, within)
        case Sequence():
            return sequences.evaluate(leaf, audience.events, within)
        case Moved():
            return audience.histories[leaf.segment].moved(leaf.move, leaf.span, within)
        case _:
            assert_never(leaf)


def behaviour_costs_by_the_row(leaf: Behaviour) -> bool:
    """Whether a look-up is cheaper among few rows, so that it is best asked last."""
    if isinstance(leaf, Habit):
        return any(source.where is not None for source in leaf.sources)
    return not isinstance(leaf, Moved)


def _relative(audience: AudienceView, leaf: DidRelative, within: BitMap | None) -> BitMap:
    index = audience.index(leaf.attribute)
    assert isinstance(index, NumberIndex)
    members = index.exists if within is None else index.exists & within
    values = index.values_of(members)
    if index.schema.type is AttributeType.TIMESTAMP:
        values = audience.calendar.days_of(values)
    return relative.evaluate(leaf, audience.events, bitmaps.to_array(members), values)

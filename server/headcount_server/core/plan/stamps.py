"""The versions of the indexes that a part of a rule reads: while they stay, so do its rows."""

from __future__ import annotations

from headcount_server.core.plan.attribute_nodes import (
    Inside,
    Near,
    PairHolds,
    PartIn,
    Ranked,
    Sized,
)
from headcount_server.core.plan.lookup_cache import Stamp
from headcount_server.core.plan.nodes import (
    And,
    AtLeast,
    DidAtLeast,
    IsSet,
    IsTrue,
    Node,
    Not,
    NumberIn,
    NumberRange,
    Or,
    Scored,
    TextMatch,
)
from headcount_server.core.view import AudienceView

_PARTS_MAX = 64  # of what is kept; the stamp of more would cost as much as evaluation


def stamp_of(audience: AudienceView, node: Node) -> Stamp | None:
    """The versions of the indexes that a part of a rule reads; None where it isn't kept."""
    if not isinstance(node, _KEPT):
        return None
    versions: list[int] = []
    pending: list[Node] = [node]
    visited = 0
    while pending:
        part = pending.pop()
        visited += 1
        if visited > _PARTS_MAX:
            return None
        if isinstance(part, Not):
            versions.append(audience.known_since.version)  # changes with everyone
            pending.append(part.node)
        elif isinstance(part, And | Or | AtLeast | Scored):
            versions.append(audience.known_since.version)
            pending.extend(part.nodes)
        elif isinstance(part, DidAtLeast):
            versions.extend(audience.events[source.event].version for source in part.sources)
        elif isinstance(part, _OF_ATTRIBUTES) and part.attribute != "key":
            versions.append(audience.index(part.attribute).version)
            if isinstance(part, PairHolds):
                versions.append(audience.index(part.other).version)
        else:
            return None
    return tuple(versions)


_OF_ATTRIBUTES = (
    NumberRange, NumberIn, TextMatch, IsSet, IsTrue, Near, Inside, Ranked, PairHolds, PartIn, Sized
)  # fmt: skip
_KEPT = (
    NumberRange, NumberIn, TextMatch, Near, Inside, Ranked, PairHolds, And, Or, AtLeast, Scored
)  # fmt: skip

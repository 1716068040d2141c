"""What questions see of an audience.

``Audience`` is one. Rules, evaluation and live counts know this much of it and nothing of writing,
so that they depend on the indexes and never on who changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pyroaring import BitMap

from headcount_server.core.attributes import AttributeIndex
from headcount_server.core.calendar import Calendar
from headcount_server.core.changes import Changes
from headcount_server.core.events.cache import BucketCache
from headcount_server.core.events.store import EventStore
from headcount_server.core.keys import KeyDirectory
from headcount_server.core.plan.event_nodes import Span
from headcount_server.core.plan.lookup_cache import LookupCache
from headcount_server.core.plan.words import WordForms
from headcount_server.core.rules.tree import Move, Rule
from headcount_server.core.schema import Schema
from headcount_server.core.segments import Segment
from headcount_server.limits import Limits


class Moves(Protocol):
    """Who entered and left a segment, and when."""

    def moved(self, move: Move, span: Span, within: BitMap | None = None) -> BitMap:
        """Who entered or left in a span; as a look-up among candidates, where they are given."""
        ...

    def next_after(self, us: int) -> int | None:
        """The time of the first move after an instant; None where there is none."""
        ...

    def kept_from(self, us: int) -> int | None:
        """The first day of which all moves are kept at an instant; None: nothing was dropped."""
        ...


class AudienceView(Protocol):
    """An audience at one revision; nothing of it is modified. See ``Audience``."""

    name: str
    create_time_us: int
    schema: Schema
    limits: Limits
    revision: int
    clock_us: int
    calendar: Calendar
    reachable: Rule | None
    keys: KeyDirectory
    known_since: AttributeIndex
    attributes: dict[str, AttributeIndex]
    changes: Changes
    events: dict[str, EventStore]
    kept_from: dict[str, int]
    segments: dict[str, Segment]
    buckets: BucketCache
    lookups: LookupCache
    words: WordForms

    @property
    def everyone(self) -> BitMap:
        """Rows of the existing subscribers."""
        ...

    @property
    def subscriber_count(self) -> int:
        """Number of existing subscribers."""
        ...

    @property
    def histories(self) -> Mapping[str, Moves]:
        """Moves of the segments whose history is kept, by name."""
        ...

    def index(self, attribute: str) -> AttributeIndex:
        """The index of an attribute, ``known_since`` included."""
        ...

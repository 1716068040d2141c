"""Evaluates bound rules within some rows of an audience, as ``evaluate`` does within everyone.

Rules of one round share it: an equal leaf is looked up once, among all rows in question, so that a
thousand rules cost little more than their different conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.live.asked_days import AskedOfEvents
from headcount_server.core.live.changes import Changes
from headcount_server.core.live.few import Few
from headcount_server.core.live.places import Places, Table
from headcount_server.core.live.reads import leaves
from headcount_server.core.live.touched import Touched
from headcount_server.core.plan.nodes import And, AtLeast, InSegment, Node, Not, Or, Scored
from headcount_server.core.plan.scores import scored
from headcount_server.core.view import AudienceView


class Restricted:
    """Evaluates rules within some rows of one revision of an audience.

    Inside, a set is an integer whose bit *i* stands for the *i*-th of the rows, so that combining
    conditions costs next to nothing. Only for as long as the audience doesn't change. Rules may be
    bound at different instants if each of them, and of the segments that it uses, denotes the same
    as at the present one: a segment is then evaluated once for all of them.

    Args:
        audience: whom the rules are about.
        rows: the rows in question; those that don't exist are left out of every answer.
        asked: what was asked of the events before; None: nothing is known.
        touched: what was touched since the members of rules were found, for ``moved``.
        table: says where rows stand, these among them; None: one is made.

    Attributes:
        rows: as given; not to be modified.
        base: the rows in question that exist; not to be modified.
    """

    def __init__(
        self,
        audience: AudienceView,
        rows: BitMap,
        asked: AskedOfEvents | None = None,
        touched: Touched | None = None,
        table: Table | None = None,
    ) -> None:
        self.rows = rows
        self.base = rows & audience.everyone
        self._gone = rows - self.base
        self._places = Places(self.base, table)
        self._few = Few(audience, self._places, asked)
        self._changes = Changes(touched or Touched(), self._places, self._few)
        self._known: dict[Node, int] = {}

    def capture(self) -> Iterator[None]:
        """Reads what is expected to be asked, in steps; the audience is not to change meanwhile."""
        yield from self._few.capture()

    def freeze(self) -> None:
        """The audience may change from now on: what wasn't read is ``Late``, the rest as it was."""
        self._few.freeze()

    def among(self, node: Node, segments: Mapping[str, Node]) -> BitMap:
        """Those of the rows that a bound rule denotes; not to be modified.

        Args:
            node: the bound rule.
            segments: what the segments in it are bound to, each after those that it uses.
        """
        return self._places.rows_of(self._asked(node, segments))

    def moved(
        self, node: Node, segments: Mapping[str, Node], members: BitMap
    ) -> tuple[BitMap, BitMap]:
        """Those of the rows that a bound rule denotes beyond ``members``, and the other way round.

        Neither is to be modified. Whether somebody was a member is looked up for those only for
        whom a condition may have changed: in a large set that costs more than the rule itself.

        Args:
            node: the bound rule.
            segments: as of ``among``.
            members: of the rule, when nothing was touched yet; who is none any more left.
        """
        places = self._places
        left = members & self._gone if self._gone else bitmaps.EMPTY
        suspects = self._suspects(node, segments)
        if not suspects:
            return bitmaps.EMPTY, left
        found = self._asked(node, segments)
        came, went = suspects & found, suspects & ~found
        entered = places.rows_of(came) - members if came else bitmaps.EMPTY
        if went:
            left = left | (places.rows_of(went) & members)
        return entered, left

    def _suspects(self, node: Node, segments: Mapping[str, Node]) -> int:
        """Who may have come or gone: all who did, new subscribers, and others."""
        suspects, steady = 0, list[Node]()
        for part in node.nodes if isinstance(node, And) else (node,):
            changed = self._changes.of(part, segments)
            suspects |= changed
            if not changed:
                steady.append(part)
        for part in steady if suspects else ():
            suspects &= self._asked(part, segments)
        return suspects | self._changes.new

    def _asked(self, node: Node, segments: Mapping[str, Node]) -> int:
        if segments:
            for leaf in leaves(node, segments):
                if isinstance(leaf, InSegment) and leaf not in self._known:
                    self._segments(segments)
                    break
        return self._set(node)

    def _segments(self, segments: Mapping[str, Node]) -> None:
        """Evaluates segments in the order of their use: no recursion through them."""
        for name, bound in segments.items():
            leaf = InSegment(name)
            if leaf not in self._known:
                self._known[leaf] = self._set(bound)

    def _set(self, node: Node) -> int:
        if isinstance(node, And | Or | Not):
            return self._made(node)  # of rules that differ they do too, mostly
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._made(node)
        return known

    def _made(self, node: Node) -> int:
        if isinstance(node, Not):
            return self._places.all & ~self._set(node.node)
        if isinstance(node, And):
            return self._intersection(node)
        if isinstance(node, Or):
            result = 0
            for part in node.nodes:
                result |= self._set(part)
            return result
        if isinstance(node, AtLeast):
            if node.count <= 0:
                return self._places.all
            parts = [self._places.rows_of(self._set(part)) for part in node.nodes]
            return self._places.set_of_rows(bitmaps.at_least(node.count, parts))
        if isinstance(node, Scored):
            parts = [self._places.rows_of(self._set(part)) for part in node.nodes]
            return self._places.set_of_rows(
                scored(node.weights, parts, self.base, node.low, node.high)
            )
        assert not isinstance(node, InSegment), "segments are evaluated before what uses them"
        return self._few.look_up(node)

    def _intersection(self, node: And) -> int:
        """It ends where nobody is left."""
        result = self._places.all
        for part in node.nodes:
            if not result:
                break
            if isinstance(part, Not):
                result &= ~self._set(part.node)
            else:
                result &= self._set(part)
        return result

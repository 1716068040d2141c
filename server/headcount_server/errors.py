"""The tree of domain errors: what can go wrong, as data.

Each class has a stable ``reason`` (upper snake case, sent as ``ErrorInfo.reason``) and typed
fields. ``rpc/status.py`` holds the only table from these classes to gRPC codes. A message says what
was wrong, where, and what would be right.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of an input.

    Attributes:
        field: path into the request, for example ``rule.and.rules[1].attribute.name``,
            ``rows[17].values["age"]``, or ``rule_text``.
        description: what was wrong and what would be right.
        reason: stable code of the fault, upper snake case.
        line, column: place in a rule's text, from 1; 0 where there is none.
        start, end: the same in code points from 0; -1 where there is none.
        found: what stood there.
        expected: what could stand there.
        suggestion: the nearest known name, or "".
        row: index of a row in a batch; -1 where there is none.
    """

    field: str
    description: str
    reason: str = "INVALID"
    line: int = 0
    column: int = 0
    start: int = -1
    end: int = -1
    found: str = ""
    expected: tuple[str, ...] = ()
    suggestion: str = ""
    row: int = -1


class HeadcountError(Exception):
    """Root of the domain errors."""

    reason = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidInput(HeadcountError):
    """A bad request, rule or value; carries one violation or more and changes nothing."""

    reason = "INVALID_INPUT"

    def __init__(
        self, message: str, violations: tuple[Violation, ...] = (), **metadata: str
    ) -> None:
        super().__init__(message, **metadata)
        self.violations = violations


class InvalidRule(InvalidInput):
    """A rule that can't be parsed or bound."""

    reason = "INVALID_RULE"


class LimitExceeded(InvalidInput):
    """A rule or request past one of the limits; ``metadata['limit']`` names it."""

    reason = "LIMIT_EXCEEDED"


class InvalidBatch(InvalidInput):
    """Rows of a write that can't be applied; each violation has ``row``; nothing was applied.

    ``metadata['bad_rows']`` is how many there are in all; violations may list fewer.
    """

    reason = "INVALID_BATCH"


class InvalidSchema(InvalidInput):
    """A schema that doesn't hold together."""

    reason = "INVALID_SCHEMA"


class NotFound(HeadcountError):
    """An audience, segment, subscriber or snapshot that isn't there."""

    reason = "NOT_FOUND"


class AlreadyExists(HeadcountError):
    """A name that is taken."""

    reason = "ALREADY_EXISTS"


class InUse(HeadcountError):
    """Something that others depend on, for example a segment used by segments."""

    reason = "IN_USE"


class NoHistory(HeadcountError):
    """A question for the past of a segment whose history isn't kept."""

    reason = "NO_HISTORY"


class ReadOnly(HeadcountError):
    """Writes are refused for now; reads go on."""

    reason = "READ_ONLY"


class WrongKeyType(HeadcountError):
    """Something that an audience with other keys could do, for example export ids as a bitmap."""

    reason = "WRONG_KEY_TYPE"


class StaleEtag(HeadcountError):
    """Somebody else changed the resource in between."""

    reason = "STALE_ETAG"


class RevisionOutOfRange(HeadcountError):
    """A revision that isn't reached yet, or a sequence number with a gap."""

    reason = "REVISION_OUT_OF_RANGE"


class Overloaded(HeadcountError):
    """A queue is full or a budget spent; try again later."""

    reason = "OVERLOADED"


class Unavailable(HeadcountError):
    """Recovering or shutting down."""

    reason = "UNAVAILABLE"


class DataLoss(HeadcountError):
    """A stored file failed its checksum or can't be decoded; names the file and offset."""

    reason = "DATA_LOSS"


class Unimplemented(HeadcountError):
    """Part of the contract that this version doesn't answer yet; the message names it."""

    reason = "UNIMPLEMENTED"

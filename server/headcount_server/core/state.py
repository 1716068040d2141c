"""The state machine: all audiences, and the one way in which they change.

``validate`` raises a domain error for a command that can't be applied and changes nothing;
``apply`` never fails for a command that was validated against the same state. The same commands in
the same order give the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import numpy as np

from headcount_server.core import retention
from headcount_server.core.audience import Audience
from headcount_server.core.audience_dump import (
    FrozenAudience,
    Run,
    dump_audience,
    load_audience,
    one_by_one,
)
from headcount_server.core.commands import (
    Applied,
    Command,
    CreateAudience,
    CreateSegment,
    DeleteAudience,
    DeleteSegment,
    DeleteSubscribers,
    FoldEvents,
    FreezeSegment,
    RecordEvents,
    RestoreSnapshot,
    UpdateAudience,
    UpdateSegment,
    UpsertSubscribers,
    Write,
)
from headcount_server.core.erasures import Erasures, Since
from headcount_server.core.live import histories
from headcount_server.core.query.ask import Ask, binder
from headcount_server.core.rules.names import nearest
from headcount_server.core.rules.parser import parse
from headcount_server.core.rules.tree import Rule
from headcount_server.core.schema import (
    EventSchema,
    Schema,
    validate_audience_name,
    validate_schema,
)
from headcount_server.core.segments import (
    Segment,
    find,
    moves_asked,
    segments_used,
    users_of,
    validate_acyclic,
    validate_name,
)
from headcount_server.core.steps import Steps, finish
from headcount_server.errors import (
    AlreadyExists,
    HeadcountError,
    InUse,
    InvalidBatch,
    InvalidSchema,
    LimitExceeded,
    NotFound,
    Violation,
)
from headcount_server.limits import DEFAULT_LIMITS, Limits


class State:
    """All audiences of a server.

    Attributes:
        audiences: name -> audience.
        revision: number of commands applied to any audience, deleted ones included: the position
            in the log.
        erasures: who was erased, for what a restored snapshot still has.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.audiences: dict[str, Audience] = {}
        self.revision = 0
        self.erasures = Erasures()

    def audience(self, name: str) -> Audience:
        """The audience of that name.

        Raises:
            NotFound: there is none; names the nearest.
        """
        audience = self.audiences.get(name)
        if audience is None:
            close = nearest(name, self.audiences)
            hint = f'; did you mean "{close}"?' if close else ""
            raise NotFound(f'no audience "{name}"{hint}', resource="audience", name=name)
        return audience

    def repeated(self, command: Command) -> Applied | None:
        """What a numbered batch that was applied before is answered with; None for anything new."""
        producer = getattr(command, "producer", None)
        audience = self.audiences.get(command.audience)
        if producer is None or audience is None:
            return None
        assert isinstance(command, Write)
        revision = audience.producers.repeated(producer)
        return None if revision is None else Applied(revision, len(command.keys))

    def validate(self, command: Command) -> None:
        """Raises a domain error if the command can't be applied. Changes nothing."""
        finish(self.validating(command))

    def validating(self, command: Command) -> Steps[None]:
        """As ``validate``, in steps of about a millisecond; nothing may be applied meanwhile."""
        if isinstance(command, CreateAudience):
            self._validate_create(command)
            return
        audience = self.audience(command.audience)
        if isinstance(command, Write) and command.producer is not None:
            audience.producers.validate(command.producer, audience.name)
        if isinstance(command, UpdateAudience):
            _validate_extension(audience, command, self.limits)
        elif isinstance(command, UpsertSubscribers):
            yield from _validating_keys(audience, command)
        elif isinstance(command, RecordEvents):
            yield from _validating_events(audience, command)
        elif isinstance(command, DeleteSubscribers):
            yield from _validating_keys(audience, command)
        elif isinstance(command, CreateSegment | FreezeSegment):
            _validate_new_segment(audience, command, self.limits)
        elif isinstance(command, UpdateSegment):
            _validate_changed_segment(audience, command)
        elif isinstance(command, FoldEvents):
            _validate_fold(audience, command)
        elif isinstance(command, DeleteSegment):
            _validate_unused(audience, command.segment)

    def apply(self, command: Command) -> Applied:
        """Applies a validated command."""
        return finish(self.preparing(command))()

    def preparing(self, command: Command) -> Steps[Callable[[], Applied]]:
        """Makes what a validated command comes to, aside; what this gives applies it.

        In steps of about a millisecond: whoever reads between two of them sees the state before
        the command. Nothing else may be applied before the command is, and it has to be.
        """
        made: Callable[[], int] | None = None
        audience = self.audiences.get(command.audience)
        if audience is not None and isinstance(command, UpsertSubscribers):
            made = yield from audience.upserting(command)
        elif audience is not None and isinstance(command, RecordEvents):
            made = yield from audience.recording(command)
        elif audience is not None and isinstance(command, FoldEvents):
            made = yield from audience.folding(command)
        return lambda: self._apply(command, made)

    def _apply(self, command: Command, made: Callable[[], int] | None) -> Applied:
        self.revision += 1
        if isinstance(command, CreateAudience):
            audience = Audience(command.audience, command.schema, command.time_us, self.limits)
            audience.reachable = parsed_reachable(command.schema, self.limits)
            self.audiences[command.audience] = audience
            audience.revision = 1
            return Applied(1)
        audience = self.audiences[command.audience]
        audience.revision += 1
        if isinstance(command, DeleteAudience):
            del self.audiences[command.audience]
            return Applied(audience.revision)
        applied = histories.followed(
            audience, command.time_us, self.limits,
            lambda: _apply_to(audience, command, made, self.limits),
        )  # fmt: skip
        if isinstance(command, DeleteSubscribers):
            self.erasures.note(audience.name, command.keys, self.revision, command.time_us)
        if isinstance(command, Write) and command.producer is not None:
            audience.producers.note(command.producer, applied.revision)
        return applied

    def brought_back(self, restored: State, command: RestoreSnapshot) -> State:
        """The state of a snapshot as the one that follows this one; ``restored`` is used up.

        Revisions never fall, and whoever was erased since the snapshot is erased there too.
        """
        restored.revision = self.revision + 1
        own, restored.erasures = restored.erasures, self.erasures
        if command.position is None:
            restored.erasures.joined(own, restored.revision)
        since = Since(command.position, command.create_time_us)
        for audience in restored.audiences.values():
            before = self.audiences.get(audience.name)
            audience.revision = max(audience.revision, before.revision if before else 0) + 1
            gone = self.erasures.rows(audience.name, audience.keys, since)
            change = partial(audience.erase, gone)
            histories.followed(audience, command.time_us, self.limits, change)
        return restored

    def freeze_audience(self, name: str) -> FrozenAudience:
        """One audience as it is now, to be dumped while writes go on. O(pages + bitmaps)."""
        return FrozenAudience(self.audience(name))

    def dump_audience(self, name: str) -> dict[str, Any]:
        """One audience as plain data, a part for each structure (see ``audience_dump``)."""
        return dump_audience(self.audience(name))

    def load_audience(self, parts: Mapping[str, Any], run: Run = one_by_one) -> Audience:
        """Takes an audience that ``dump_audience`` gave; one of the same name is replaced.

        Args:
            parts: each is asked for once, from within the jobs given to ``run`` or by itself.
            run: does jobs that have nothing in common, at the same time or not; see ``Run``.

        Raises:
            DataLoss: a part is missing or isn't what was dumped; nothing changed.
        """
        audience = load_audience(parts, self.limits, run)
        self.audiences[audience.name] = audience
        return audience

    def _validate_create(self, command: CreateAudience) -> None:
        validate_audience_name(command.audience)
        if command.audience in self.audiences:
            raise AlreadyExists(
                f'audience "{command.audience}" exists already',
                resource="audience", name=command.audience,
            )  # fmt: skip
        if len(self.audiences) >= self.limits.audiences_max:
            _past("audiences_max", self.limits.audiences_max, "audiences", "audience.name")
        validate_schema(command.schema, self.limits)
        empty = Audience(command.audience, command.schema, command.time_us, self.limits)
        _validate_reachable(empty, command.schema, command.time_us, self.limits)


def parsed_reachable(schema: Schema, limits: Limits) -> Rule | None:
    """The tree of the schema's reachable rule, or None for everyone."""
    return parse(schema.reachable, limits) if schema.reachable else None


def _apply_to(
    audience: Audience, command: Command, made: Callable[[], int] | None, limits: Limits
) -> Applied:
    revision = audience.revision
    if isinstance(command, UpsertSubscribers | RecordEvents):
        assert made is not None
        return Applied(revision, len(command.keys), made())
    if isinstance(command, DeleteSubscribers):
        return Applied(revision, len(command.keys), deleted_count=audience.delete(command))
    if isinstance(command, UpdateAudience):
        audience.extend(command.schema)
        audience.reachable = parsed_reachable(command.schema, limits)
        audience.schema_version += 1
        audience.note_redefined(None)
    elif isinstance(command, FoldEvents):
        assert made is not None
        made()
    elif isinstance(command, CreateSegment):
        audience.segments[command.segment] = Segment(
            command.segment, command.rule, None, command.history_days,
            command.time_us, command.time_us, 1,
        )  # fmt: skip
    elif isinstance(command, UpdateSegment):
        old = audience.segments[command.segment]
        audience.segments[command.segment] = replace(
            old, rule=command.rule, history_days=command.history_days,
            update_time_us=command.time_us, version=old.version + 1,
        )  # fmt: skip
    elif isinstance(command, DeleteSegment):
        del audience.segments[command.segment]
    elif isinstance(command, FreezeSegment):
        frozen = Ask(audience, command.as_of_us, limits=limits).members(command.rule)
        audience.segments[command.segment] = Segment(
            command.segment, None, frozen, 0, command.time_us, command.time_us, 1
        )
    if isinstance(command, CreateSegment | UpdateSegment | DeleteSegment | FreezeSegment):
        audience.note_redefined(command.segment)
        histories.keep(audience, command.segment)
    return Applied(revision)


def _validate_extension(audience: Audience, command: UpdateAudience, limits: Limits) -> None:
    schema = command.schema
    old = audience.schema
    for name in ("key", "time_zone", "partitions"):
        if getattr(old, name) != getattr(schema, name):
            _refuse_schema(name, "can't be changed after creation")
    for kind, present, wanted in (
        ("attributes", old.attributes, schema.attributes),
        ("events", _settled(old.events), _settled(schema.events)),
    ):
        if wanted[: len(present)] != present:
            _refuse_schema(kind, "what is declared can't be changed or removed, only added to")
    validate_schema(schema, limits)
    _validate_reachable(audience, schema, command.time_us, limits)


def _settled(events: tuple[EventSchema, ...]) -> tuple[EventSchema, ...]:
    """What never changes about event types."""
    return tuple(replace(event, retention_days=0) for event in events)


def _validate_fold(audience: Audience, command: FoldEvents) -> None:
    event = audience.schema.event(command.event)
    if event is None or not event.retention_days:
        _refuse_schema("events", f'"{command.event}" is no event type that is kept for a time')
    due = retention.due_day(audience, event, command.time_us)
    if due is None or command.before_day > due:
        raise InUse(f'the events "{command.event}" before that day are still to be kept')


def _validate_reachable(audience: Audience, schema: Schema, now_us: int, limits: Limits) -> None:
    try:
        rule = parsed_reachable(schema, limits)
        if rule is not None:
            kept = retention.kept_from(audience, schema, now_us)
            bound = binder(audience, now_us, limits, schema=schema, clock_us=now_us, kept_from=kept)
            bound.bind(rule)
    except HeadcountError as error:
        _refuse_schema("reachable", f"the rule {schema.reachable!r} can't be used: {error.message}")


def _validating_keys(
    audience: Audience, command: UpsertSubscribers | DeleteSubscribers
) -> Steps[None]:
    _validate_batch_size(audience, len(command.keys))
    faults = yield from audience.keys.validating(command.keys)
    if faults:
        _refuse_rows([(index, message, "INVALID_KEY") for index, message in faults], audience)


def _validating_events(audience: Audience, command: RecordEvents) -> Steps[None]:
    _validate_batch_size(audience, len(command.keys))
    faults = yield from audience.keys.validating(command.keys)
    found = [(index, message, "INVALID_KEY") for index, message in faults]
    if not found and not command.create_missing:
        rows = yield from audience.finding(command.keys)
        for index in np.flatnonzero(rows < 0).tolist():
            key = command.keys[index]
            shown = f'"{key}"' if isinstance(key, str) else str(key)
            found.append((
                index, f"unknown key {shown}; create the subscriber first, or set create_missing",
                "UNKNOWN_KEY",
            ))  # fmt: skip
    if found:
        _refuse_rows(found, audience)


def _validate_batch_size(audience: Audience, count: int) -> None:
    if count > audience.limits.batch_rows_max:
        _past("batch_rows_max", audience.limits.batch_rows_max, "rows in one batch", "rows")


def _validate_new_segment(
    audience: Audience, command: CreateSegment | FreezeSegment, limits: Limits
) -> None:
    validate_name(command.segment)
    if command.segment in audience.segments:
        raise AlreadyExists(
            f'segment "{command.segment}" exists already',
            resource="segment", name=command.segment,
        )  # fmt: skip
    if len(audience.segments) >= limits.segments_max:
        _past("segments_max", limits.segments_max, "segments of one audience", "segment.name")
    if isinstance(command, CreateSegment):
        validate_acyclic(command.segment, command.rule, audience.segments)
    as_of = command.as_of_us if isinstance(command, FreezeSegment) else command.time_us
    _validate_history(audience, command)
    binder(audience, as_of, limits, clock_us=command.time_us).bind(command.rule)


def _validate_history(
    audience: Audience, command: CreateSegment | UpdateSegment | FreezeSegment
) -> None:
    """Bounds the number of histories; one whose moves are asked for can't be switched off."""
    name, limit = command.segment, audience.limits.histories_max
    days = 0 if isinstance(command, FreezeSegment) else command.history_days
    if not days and name in audience.histories:
        rules = {f'segment "{n}"': s.rule for n, s in sorted(audience.segments.items())}
        rules["the audience's reachable rule"] = audience.reachable
        users = [user for user, rule in rules.items() if rule and name in moves_asked(rule)]
        if users:
            raise InUse(
                f'the history of segment "{name}" is asked for by {_listed(users)}', segment=name
            )
    if days and name not in audience.histories and len(audience.histories) >= limit:
        what = "segments of one audience whose history is kept"
        _past("histories_max", limit, what, "segment.history_days")


def _validate_changed_segment(audience: Audience, command: UpdateSegment) -> None:
    segment = find(command.segment, audience.segments)
    if segment.frozen is not None:
        raise InUse(
            f'segment "{command.segment}" is a static list; delete it and create another',
            segment=command.segment,
        )
    validate_acyclic(command.segment, command.rule, audience.segments)
    _validate_history(audience, command)
    bound = binder(audience, command.time_us, audience.limits, clock_us=command.time_us)
    bound.bind(command.rule)


def _validate_unused(audience: Audience, name: str) -> None:
    find(name, audience.segments)
    users = [f'segment "{user}"' for user in users_of(name, audience.segments)]
    if audience.reachable is not None and name in segments_used(audience.reachable):
        users.append("the audience's reachable rule")
    if users:
        raise InUse(f'segment "{name}" is used by {_listed(users)}', segment=name)


def _listed(users: list[str]) -> str:
    return ", ".join(users[:10]) + (" and others" if len(users) > 10 else "")


def _refuse_rows(faults: list[tuple[int, str, str]], audience: Audience) -> None:
    shown = faults[: audience.limits.batch_errors_max]
    index, message, _ = faults[0]
    raise InvalidBatch(
        f"nothing was applied: {len(faults)} bad row(s); row {index}: {message}",
        tuple(Violation("key", message, reason, row=index) for index, message, reason in shown),
        bad_rows=str(len(faults)),
    )


def _refuse_schema(place: str, description: str) -> NoReturn:
    raise InvalidSchema(
        f"{place}: {description}", (Violation(place, description, "INVALID_SCHEMA"),)
    )


def _past(limit: str, value: int, what: str, place: str) -> None:
    description = f"more than {value:,} {what}; the limit {limit} is {value}"
    raise LimitExceeded(
        description, (Violation(place, description, "LIMIT_EXCEEDED"),), limit=limit
    )

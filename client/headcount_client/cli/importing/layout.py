"""What the columns of files are imported as. All is checked before anything is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headcount_client import results
from headcount_client.cli.importing.chunks import FileFault
from headcount_client.names import did_you_mean, listed, nearest

MIXED = "mixed"  # a property that is a dimension of one event type and a measure of another


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns an audience's files may have, and what they hold.

    Attributes:
        audience: name of the audience.
        key: type of its keys: uint32, int64 or string.
        is_utc: whether times without an offset are in UTC.
        kinds: target to type: an attribute's type, ``key``, ``event``, or MIXED.
        required: targets that every file must have.
        events: whether rows are events.
        event: type of all events, or "" where a column says it.
        key_from_line: whether the line's number is the key.
        create_missing: whether events of unknown keys create subscribers.
        event_names: the event types that are declared.
    """

    audience: str
    key: str
    is_utc: bool
    kinds: Mapping[str, str]
    required: tuple[str, ...]
    events: bool
    event: str = ""
    key_from_line: bool = False
    create_missing: bool = False
    event_names: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> frozenset[str]:
        """The targets of a type."""
        return frozenset(target for target, found in self.kinds.items() if found == kind)


@dataclass(frozen=True, slots=True)
class Choices:
    """What was said about columns on the command line.

    Attributes:
        mapped: column to target.
        ignored: columns to leave out.
    """

    mapped: Mapping[str, str] = field(default_factory=dict[str, str])
    ignored: frozenset[str] = frozenset()


def layout_of(
    audience: results.Audience,
    *,
    events: bool,
    event: str = "",
    key_from_line: bool = False,
    create_missing: bool = False,
) -> Layout:
    """The layout of an audience's subscriber or event files.

    Raises:
        FileFault: there is no such event type.
    """
    kinds = {"key": "key"}
    if events:
        names = [one.name for one in audience.events]
        if event and event not in names:
            hint = did_you_mean(event, names) or f"; it has {listed(names) or 'none'}"
            raise FileFault(f'{audience.name} has no event type "{event}"{hint}')
        kinds |= {"time": "timestamp", "event": "event"} | _properties(audience.events)
        required = ("key", "time") if event else ("key", "time", "event")
    else:
        kinds |= {"known_since": "timestamp", "changed_at": "timestamp"}
        kinds |= {one.name: one.type for one in audience.attributes}
        required = ("key",)
    return Layout(
        audience.name,
        audience.key,
        audience.time_zone in ("", "UTC", "Etc/UTC"),
        kinds,
        required[1:] if key_from_line else required,
        events,
        event,
        key_from_line,
        create_missing,
        tuple(one.name for one in audience.events),
    )


def targets_of(layout: Layout, columns: Sequence[str], choices: Choices) -> dict[str, str]:
    """Column to target of one file, of the columns that are imported.

    Raises:
        FileFault: a column that is neither declared nor mapped, two for one target, or one missing.
    """
    found = {
        column: choices.mapped.get(column, column)
        for column in columns
        if column not in choices.ignored
    }
    for column, target in found.items():
        if column in choices.mapped:
            _check_known(layout, column, target, choices)
    for target in layout.required:
        if target not in found.values():
            _refuse_missing(layout, target, list(found))
    by_target: dict[str, str] = {}
    for column, target in found.items():
        _check_known(layout, column, target, choices)
        if target in by_target:
            raise FileFault(
                f'columns "{by_target[target]}" and "{column}" would both be "{target}"; leave one'
                " out with --ignore"
            )
        by_target[target] = column
    return found


def check_choices(choices: Choices, columns: Iterable[str]) -> None:
    """Refuse what was said about columns that no file has.

    Raises:
        FileFault: naming the column and the nearest one.
    """
    known = list(dict.fromkeys(columns))
    for option, names in (("--map", choices.mapped), ("--ignore", choices.ignored)):
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f"; the columns are {listed(known)}"
                raise FileFault(f'{option} {name}: no file has a column "{name}"{hint}')


def _check_known(layout: Layout, column: str, target: str, choices: Choices) -> None:
    whose = f"{layout.audience}'s " + ("event types" if layout.events else "attributes")
    if target == "key" and layout.key_from_line:
        raise FileFault(
            f'column "{column}" is the key, but --key-from-line takes the line\'s number; give one'
        )
    if target == "event" and layout.event:
        raise FileFault(
            f'column "{column}" says the event type, and so does --event; leave the column out'
            f" with --ignore {column}"
        )
    if target in layout.kinds:
        return
    if column in choices.mapped:
        hint = did_you_mean(target, layout.kinds) or f"; known are {listed(layout.kinds)}"
        raise FileFault(f'--map {column}={target}: "{target}" is none of {whose}{hint}')
    near = nearest(column, layout.kinds) or next(iter(layout.kinds))
    hint = did_you_mean(column, layout.kinds)
    raise FileFault(
        f'column "{column}" is none of {whose}{hint}; map it with --map {column}={near}, or leave'
        f" it out with --ignore {column}"
    )


def _refuse_missing(layout: Layout, target: str, columns: Sequence[str]) -> None:
    free = [column for column in columns if column not in layout.kinds]
    likely = {"key": ("id", "key", "mail"), "time": ("time", "date", "ts"), "event": ("type", "ev")}
    found = [c for c in free or columns if any(word in c.casefold() for word in likely[target])]
    column = nearest(target, free) or (found or ["COLUMN"])[0]
    advice = f"say which column it is with --map {column}={target}"
    if target == "key":
        advice += ", or take the lines' numbers with --key-from-line"
    if target == "event":
        advice += ", or name the type of all rows with --event NAME"
    raise FileFault(f'there is no column "{target}"; {advice}')


def _properties(events: Iterable[results.EventSchema]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for event in events:
        named = [(name, "keyword") for name in event.dimensions]
        named += [(measure.name, "decimal") for measure in event.measures]
        for name, kind in named:
            kinds[name] = kind if kinds.get(name, kind) == kind else MIXED
    return kinds

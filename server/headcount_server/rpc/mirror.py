"""Converters between dataclasses and the messages that mirror them field for field.

A message's field converts by its kind: strings, booleans, enums (by number; the names agree),
nested messages and lists of them. What a dataclass gives no default is required. A union is a
message whose ``oneof kind`` has a field for each class, named as the class in snake_case.

Reading never guesses: what can't be read raises ``UnreadableError``, which gathers its path on
its way up.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from headcount_server.limits import Limits

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_MAY_BE_EMPTY = frozenset({"pattern"})


class UnreadableError(Exception):
    """A message that can't be read; its path grows on the way up."""

    def __init__(self, description: str, reason: str, field: str = "", limit: str = "") -> None:
        super().__init__(description)
        self.description = description
        self.reason = reason
        self.limit = limit
        self._segments = [field] if field else []

    def within(self, segment: str) -> UnreadableError:
        """This fault, below a further field."""
        self._segments.append(segment)
        return self

    def path(self, root: str) -> str:
        """The whole path, from the outermost field to the innermost."""
        return ".".join([root, *reversed(self._segments)])


class Reading:
    """The bounds of one rule being read, and how much of them is used."""

    __slots__ = ("_depth", "_nodes", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._depth = 0
        self._nodes = 0

    def enter(self) -> None:
        """Count a node and go one level down."""
        self._nodes += 1
        self._depth += 1
        if self._depth > self.limits.rule_depth_max:
            description = f"the rule is deeper than the limit of {self.limits.rule_depth_max} nodes"
            raise UnreadableError(description, "LIMIT_EXCEEDED", limit="rule_depth_max")
        if self._nodes > self.limits.rule_nodes_max:
            description = f"the rule has more nodes than the limit of {self.limits.rule_nodes_max}"
            raise UnreadableError(description, "LIMIT_EXCEEDED", limit="rule_nodes_max")

    def leave(self) -> None:
        """Go one level up."""
        self._depth -= 1


Read = Callable[[Any, Reading], Any]
Write = Callable[[Any, Any], None]


def unset(message: Any) -> str:
    """What to say of a union of which nothing is set that this server knows."""
    names = [field.name for field in message.DESCRIPTOR.oneofs_by_name["kind"].fields]
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"nothing that is known is set; one of {shown} must be"


def not_said(number: int, field: str, descriptor: EnumDescriptor) -> UnreadableError:
    """The fault of an enum that is zero or unknown."""
    names = ", ".join(value.name for value in descriptor.values[1:])
    what = "is not said" if number == 0 else f"is {number}, which means nothing"
    return UnreadableError(f"{field} {what}; one of {names} is needed", "INVALID_ENUM", field)


def read_variant(message: Any, kind: str, read: Read, reading: Reading) -> Any:
    """The content of one field of a message."""
    try:
        return read(getattr(message, kind), reading)
    except UnreadableError as fault:
        raise fault.within(kind) from None


def required(message: Any, field: str, read: Read, reading: Reading) -> Any:
    """The content of a field that must be there."""
    if not message.HasField(field):
        raise UnreadableError(f"{field} is missing", "MISSING", field)
    return read_variant(message, field, read, reading)


def read_many(message: Any, field: str, read: Read, reading: Reading) -> tuple[Any, ...]:
    """The contents of a repeated field."""
    found: list[Any] = []
    try:
        for element in getattr(message, field):
            found.append(read(element, reading))
    except UnreadableError as fault:
        raise fault.within(f"{field}[{len(found)}]") from None
    return tuple(found)


@dataclasses.dataclass(slots=True)
class _Converter:
    """How one message converts; filled after it is first referred to, since messages nest."""

    read: Read
    write: Write


class Union:
    """Converters of a message with ``oneof kind``, by field and by class."""

    def __init__(self) -> None:
        self.readers: dict[str, Read] = {}
        self.writers: dict[type, tuple[str, Write]] = {}

    def read(self, message: Any, reading: Reading) -> Any:
        """What the message holds."""
        kind = message.WhichOneof("kind")
        if kind is None:
            raise UnreadableError(unset(message), "UNSET")
        return read_variant(message, kind, self.readers[kind], reading)

    def write(self, value: Any, message: Any) -> None:
        """Fill the message."""
        kind, write = self.writers[type(value)]
        part = getattr(message, kind)
        part.SetInParent()
        write(value, part)


class Mirror:
    """The converters of a family of messages and dataclasses."""

    def __init__(self, enums: Mapping[str, type[Enum]]) -> None:
        self._enums = enums
        self._converters: dict[str, _Converter] = {}
        self._absent: dict[str, Any] = {}

    def special(self, message: Any, read: Read, write: Write) -> None:
        """Convert a message by functions of its own."""
        converter = self._converter(message.DESCRIPTOR)
        converter.read, converter.write = read, write

    def absent(self, message: Any, value: Any) -> None:
        """What a message stands for where it is required but absent."""
        self._absent[message.DESCRIPTOR.full_name] = value

    def structure(self, kind: type, message: Any) -> None:
        """Convert a message by the fields of a dataclass."""
        self.special(message, *self._structure(kind, message.DESCRIPTOR))

    def union(
        self, message: Any, kinds: Sequence[type], names: Mapping[type, str] | None = None
    ) -> Union:
        """Converters of a union whose variants are ``kinds``; ``names`` are the irregular ones."""
        union = Union()
        fields = message.DESCRIPTOR.fields_by_name
        for kind in kinds:
            name = (names or {}).get(kind) or _CAPITAL.sub("_", kind.__name__).lower()
            read, write = self._structure(kind, fields[name].message_type)
            union.readers[name] = read
            union.writers[kind] = (name, write)
        return union

    def _converter(self, descriptor: Descriptor) -> _Converter:
        converter = self._converters.get(descriptor.full_name)
        if converter is None:
            converter = self._converters[descriptor.full_name] = _Converter(_unready, _unready)
        return converter

    def _structure(self, kind: type, descriptor: Descriptor) -> tuple[Read, Write]:
        fields = [field for field in dataclasses.fields(kind) if field.name != "span"]
        assert {f.name for f in fields} == {f.name for f in descriptor.fields}, kind
        pairs = [self._field(field, descriptor.fields_by_name[field.name]) for field in fields]
        readers = [read for read, _ in pairs]
        writers = [write for _, write in pairs]

        def read(message: Any, reading: Reading) -> Any:
            return kind(*[read_field(message, reading) for read_field in readers])

        def write(value: Any, message: Any) -> None:
            for write_field in writers:
                write_field(value, message)

        return read, write

    def _field(self, field: dataclasses.Field[Any], shape: FieldDescriptor) -> tuple[Read, Write]:
        needed = field.default is dataclasses.MISSING
        if shape.is_repeated:
            return self._repeated(field.name, shape)
        if shape.message_type is not None:
            return self._message(field.name, shape.message_type, needed)
        if shape.enum_type is not None:
            return self._enum(field, shape.enum_type)
        return _scalar(field.name, needed and shape.type == FieldDescriptor.TYPE_STRING)

    def _message(self, name: str, descriptor: Descriptor, needed: bool) -> tuple[Read, Write]:
        converter = self._converter(descriptor)
        absent = self._absent.get(descriptor.full_name) if needed else None

        def read(message: Any, reading: Reading) -> Any:
            if not message.HasField(name):
                if needed and absent is None:
                    raise UnreadableError(f"{name} is missing", "MISSING", name)
                return absent
            return read_variant(message, name, converter.read, reading)

        def write(value: Any, message: Any) -> None:
            part = getattr(value, name)
            if part is not None:
                target = getattr(message, name)
                target.SetInParent()
                converter.write(part, target)

        return read, write

    def _repeated(self, name: str, shape: FieldDescriptor) -> tuple[Read, Write]:
        converter = self._converter(shape.message_type) if shape.message_type is not None else None

        def read(message: Any, reading: Reading) -> Any:
            if not getattr(message, name):
                raise UnreadableError(f"{name} needs one or more", "MISSING", name)
            if converter is not None:
                return read_many(message, name, converter.read, reading)
            texts = tuple(getattr(message, name))
            if "" in texts:
                raise UnreadableError(
                    "a name must not be empty", "MISSING", f"{name}[{texts.index('')}]"
                )
            return texts

        def write(value: Any, message: Any) -> None:
            target = getattr(message, name)
            for part in getattr(value, name):
                if converter is None:
                    target.append(part)
                else:
                    converter.write(part, target.add())

        return read, write

    def _enum(
        self, field: dataclasses.Field[Any], descriptor: EnumDescriptor
    ) -> tuple[Read, Write]:
        members = _members(self._enums[descriptor.name], descriptor)
        name = field.name
        if field.default is not dataclasses.MISSING:
            members[0] = field.default

        def read(message: Any, _: Reading) -> Any:
            number = getattr(message, name)
            member = members.get(number)
            if member is None:
                raise not_said(number, name, descriptor)
            return member

        def write(value: Any, message: Any) -> None:
            setattr(message, name, getattr(value, name).value)

        return read, write


def _members(kind: type[Enum], descriptor: EnumDescriptor) -> dict[int, Any]:
    """The enum's members by number; the names of both agree."""
    prefix = _CAPITAL.sub("_", descriptor.name).upper() + "_"
    names = {value.number: value.name.removeprefix(prefix) for value in descriptor.values[1:]}
    assert names == {member.value: member.name for member in kind}, kind
    return {member.value: member for member in kind}


def _scalar(name: str, needed: bool) -> tuple[Read, Write]:
    get = attrgetter(name)
    may_be_empty = not needed or name in _MAY_BE_EMPTY

    def read(message: Any, _: Reading) -> Any:
        value = get(message)
        if not (value or may_be_empty):
            raise UnreadableError(f"{name} is missing", "MISSING", name)
        return value

    def write(value: Any, message: Any) -> None:
        setattr(message, name, get(value))

    return read, write


def _unready(*_: Any) -> Any:
    raise AssertionError("a message without a converter")

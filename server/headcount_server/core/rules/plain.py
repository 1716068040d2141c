"""Rule trees, and any tree of dataclasses, as plain data: dicts, lists, strings, whole numbers.

A ``Form`` reads a type's annotations once and converts both ways by them, so that decoding checks
every part against its declared type. The plain form is what snapshots and the log hold; FORMAT.md
of the codec specifies it:

- A dataclass is a dict of its fields. A field that has its default is left out (so defaults never
  change); one that is no part of the value (``compare=False``, such as a span) is never written.
- Where several classes are possible, ``kind`` names the class.
- A tuple is a list, an enum member its name, a ``Decimal`` its digits, dates and times ISO 8601.

Invariant: ``form.decode(form.encode(value)) == value``, and equal values give equal plain data
(``Decimal`` keeps its trailing zeros).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Generic, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from headcount_server.core.rules.tree import Name, Rule
from headcount_server.core.schema import Schema
from headcount_server.errors import DataLoss

T = TypeVar("T")
KIND = "kind"


@dataclass(frozen=True, slots=True)
class Converter:
    """Both directions for one type; ``decode`` raises DataLoss for what ``encode`` never gives."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class Form(Generic[T]):
    """The plain form of one type.

    Args:
        annotation: a dataclass, a union of dataclasses, or what their fields are declared as.
        leaves: converters for annotations that are taken as they are, such as arrays.
    """

    def __init__(self, annotation: Any, leaves: Mapping[Any, Converter] | None = None) -> None:
        self._known: dict[Any, Converter] = {**_LEAVES, **(leaves or {})}
        self._root = self._converter(annotation)

    def encode(self, value: T) -> Any:
        """Plain data. O(nodes)."""
        return self._root.encode(value)

    def decode(self, plain: Any) -> T:
        """The value of plain data.

        Raises:
            DataLoss: it isn't what ``encode`` gives; the message says where.
        """
        try:
            return self._root.decode(plain)
        except RecursionError as error:
            raise DataLoss("stored data are nested too deeply") from error

    def _converter(self, annotation: Any) -> Converter:
        found = self._known.get(annotation)
        if found is None:
            found = self._known[annotation] = self._build(annotation)
        return found

    def _build(self, annotation: Any) -> Converter:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin in (Union, UnionType):
            return self._union(args)
        if origin is tuple:
            return self._tuple(args)
        if origin is dict:
            return self._dict(self._converter(args[1]))
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return _enum(annotation)
        if is_dataclass(annotation):
            return _Record(annotation, self._converter).converter
        raise TypeError(f"{annotation} has no plain form")

    def _union(self, args: tuple[Any, ...]) -> Converter:
        members = [a for a in args if a is not NoneType]
        chosen = self._converter(members[0]) if len(members) == 1 else self._tagged(members)
        if len(members) == len(args):
            return chosen
        return Converter(
            lambda value: None if value is None else chosen.encode(value),
            lambda plain: None if plain is None else chosen.decode(plain),
        )

    def _tagged(self, members: list[Any]) -> Converter:
        by_name = {member.__name__: (member, self._converter(member)) for member in members}

        def encode(value: Any) -> Any:
            name = type(value).__name__
            member, converter = by_name[name]
            assert type(value) is member
            return {KIND: name, **converter.encode(value)}

        def decode(plain: Any) -> Any:
            if type(plain) is not dict or plain.get(KIND) not in by_name:
                _refuse(f"{_shown(plain)} is none of {', '.join(by_name)}")
            _, converter = by_name[plain[KIND]]
            return converter.decode({k: v for k, v in plain.items() if k != KIND})

        return Converter(encode, decode)

    def _tuple(self, args: tuple[Any, ...]) -> Converter:
        if len(args) == 2 and args[1] is Ellipsis:
            each = self._converter(args[0])
            return Converter(
                lambda value: [each.encode(part) for part in value],
                lambda plain: tuple(each.decode(part) for part in _of(list, plain)),
            )
        parts = [self._converter(arg) for arg in args]

        def decode(plain: Any) -> Any:
            if len(_of(list, plain)) != len(parts):
                _refuse(f"{len(plain)} values where {len(parts)} belong")
            return tuple(part.decode(p) for part, p in zip(parts, plain, strict=True))

        return Converter(
            lambda value: [part.encode(v) for part, v in zip(parts, value, strict=True)], decode
        )

    def _dict(self, each: Converter) -> Converter:
        return Converter(
            lambda value: {key: each.encode(part) for key, part in value.items()},
            lambda plain: {
                _of(str, key): each.decode(part) for key, part in _of(dict, plain).items()
            },
        )


class _Record:
    """The converter of one dataclass; its fields are looked at when it is first used."""

    def __init__(self, kind: Any, converter_of: Callable[[Any], Converter]) -> None:
        self._kind = kind
        self._converter_of = converter_of
        self._found: dict[str, tuple[Field[Any], Converter]] = {}
        self.converter = Converter(self._encode, self._decode)

    def _fields(self) -> dict[str, tuple[Field[Any], Converter]]:
        if not self._found:
            hints = get_type_hints(self._kind)
            self._found = {
                f.name: (f, self._converter_of(hints[f.name]))
                for f in fields(self._kind)
                if f.compare
            }
        return self._found

    def _encode(self, value: Any) -> dict[str, Any]:
        assert type(value) is self._kind, f"{value!r} is no {self._kind.__name__}"
        return {
            name: converter.encode(part)
            for name, (field, converter) in self._fields().items()
            if not _is_default(field, part := getattr(value, name))
        }

    def _decode(self, plain: Any) -> Any:
        found = self._fields()
        given: dict[str, Any] = {}
        for name, part in _of(dict, plain).items():
            if name not in found:
                _refuse(f"{self._kind.__name__} has no field {_shown(name)}")
            try:
                given[name] = found[name][1].decode(part)
            except DataLoss as error:
                raise DataLoss(f"{self._kind.__name__}.{name}: {error.message}") from error
        for name, (field, _) in found.items():
            if name not in given and _default(field) is MISSING:
                _refuse(f"{self._kind.__name__} lacks {name!r}")
        return self._kind(**given)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _is_default(field: Field[Any], value: Any) -> bool:
    default = _default(field)
    return value is default or (type(value) is type(default) and bool(value == default))


def _enum(kind: type[Enum]) -> Converter:
    members = dict(kind.__members__)

    def decode(plain: Any) -> Any:
        if type(plain) is not str or plain not in members:
            _refuse(f"{_shown(plain)} is no {kind.__name__}")
        return members[plain]

    return Converter(lambda value: value.name, decode)


def _of(kind: type, plain: Any) -> Any:
    if type(plain) is not kind:
        _refuse(f"{_shown(plain)} is no {kind.__name__}")
    return plain


def _plain(kind: type) -> Converter:
    def same(value: Any) -> Any:
        return _of(kind, value)

    def encode(value: Any) -> Any:
        return same(str(value) if isinstance(value, Name) else value)

    return Converter(encode, same)


def _decimal(plain: Any) -> Decimal:
    try:
        number = Decimal(_of(str, plain))
    except InvalidOperation as error:
        raise DataLoss(f"{_shown(plain)} is no decimal") from error
    if not number.is_finite():
        _refuse(f"{_shown(plain)} is no finite decimal")
    return number


def _date(plain: Any) -> date:
    try:
        return date.fromisoformat(_of(str, plain))
    except ValueError as error:
        raise DataLoss(f"{_shown(plain)} is no date") from error


def _instant(plain: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_of(str, plain))
    except ValueError as error:
        raise DataLoss(f"{_shown(plain)} is no instant") from error
    if moment.utcoffset() != timedelta(0):
        _refuse(f"{_shown(plain)} is no instant in UTC")
    return moment.astimezone(UTC)


def _shown(plain: Any) -> str:
    text = repr(plain)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _refuse(message: str) -> NoReturn:
    raise DataLoss(message)


_LEAVES: dict[Any, Converter] = {
    str: _plain(str),
    int: _plain(int),
    bool: _plain(bool),
    Decimal: Converter(str, _decimal),
    date: Converter(lambda value: value.isoformat(), _date),
    datetime: Converter(lambda value: value.astimezone(UTC).isoformat(), _instant),
}

RULE: Form[Rule] = Form(Rule)
SCHEMA: Form[Schema] = Form(Schema)

"""Columns of a columnar batch, from the wire to canonical columns of values.

A ``RawColumn`` is a column as it was sent, as lists and arrays; it knows no type yet. ``build``
makes it the column of one attribute or property. ``take`` picks rows, since a column of events
may be of different types for different event types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from headcount.v1 import ingest_service_pb2
from numpy.typing import NDArray

from headcount_server.core import values
from headcount_server.core.schema import AttributeSchema, AttributeType
from headcount_server.core.values import Built, LocalTime, Problem, ValueColumn
from headcount_server.limits import DECIMAL_SCALE_MAX, Limits
from headcount_server.rpc.bad_rows import refuse

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

_STRINGS = (AttributeType.KEYWORD, AttributeType.TEXT)
TAKES: dict[str, tuple[AttributeType, ...]] = {
    "texts": tuple(AttributeType),
    "coded_texts": tuple(AttributeType),
    "integers": values.NUMBERS,
    "decimals": (AttributeType.DECIMAL, AttributeType.INTEGER),
    "booleans": (AttributeType.BOOLEAN,),
    "text_lists": (AttributeType.KEYWORDS,),
    "locations": (AttributeType.LOCATION,),
}


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column as it was sent.

    Attributes:
        name: of the attribute or property.
        place: path of the column in the request.
        kind: which of ``Column.values`` it is.
        data: texts and text_lists a list; integers, booleans an array; coded_texts, decimals and
            locations an array of codes, unscaled values, or shape (n, 2).
        present: which rows have a value; None: all.
        dictionary: of coded_texts.
        scale: of decimals.
    """

    name: str
    place: str
    kind: str
    data: Any
    present: Mask | None
    dictionary: Sequence[str] = ()
    scale: int = 0

    def __len__(self) -> int:
        return len(self.data)

    def take(self, rows: Places) -> RawColumn:
        """The column of some rows only."""
        data = self.data
        taken = data[rows] if isinstance(data, np.ndarray) else [data[row] for row in rows.tolist()]
        present = None if self.present is None else self.present[rows]
        return replace(self, data=taken, present=present)

    def has_value(self) -> Mask:
        """Which rows have a value; an empty text is none."""
        if self.kind == "coded_texts":
            filled = np.fromiter(map(bool, self.dictionary), np.bool_, len(self.dictionary))
            found = filled[self.data]
        elif isinstance(self.data, list):
            found = np.fromiter(map(bool, self.data), np.bool_, len(self.data))
        else:
            found = np.ones(len(self.data), np.bool_)
        return found if self.present is None else found & self.present

    def build(self, attribute: AttributeSchema, calendar: LocalTime, limits: Limits) -> Built:
        """The values as those of an attribute, and the problems of single values.

        Raises:
            InvalidInput: the attribute can't take this kind of column.
        """
        if attribute.type not in TAKES[self.kind]:
            what = f'"{attribute.name}" is a {attribute.type.value} and can\'t take {self.kind}'
            refuse(f"{self.place}.{self.kind}", what, "WRONG_TYPE")
        match self.kind:
            case "texts":
                return self._build_texts(attribute, calendar, limits)
            case "coded_texts":
                return self._build_coded(attribute, calendar, limits)
            case "integers":
                return values.from_integers(attribute, self.data, self.present)
            case "decimals":
                return values.from_decimals(attribute, self.data, self.scale, self.present)
            case "booleans":
                return values.from_booleans(attribute, self.data, self.present)
            case "text_lists":
                return values.from_string_lists(attribute, self.data, self.present, limits)
            case _:
                latitudes, longitudes = self.data[:, 0], self.data[:, 1]
                return values.from_locations(attribute, latitudes, longitudes, self.present)

    def _build_texts(
        self, attribute: AttributeSchema, calendar: LocalTime, limits: Limits
    ) -> Built:
        if attribute.type in _STRINGS:
            return values.from_strings(attribute, self.data, self.present, limits)
        texts = self.data
        if self.present is not None:
            texts = [t if p else "" for t, p in zip(texts, self.present.tolist(), strict=True)]
        return values.from_texts(attribute, texts, calendar, limits)

    def _build_coded(
        self, attribute: AttributeSchema, calendar: LocalTime, limits: Limits
    ) -> Built:
        """Each text of the dictionary is read once."""
        codes: Places = self.data
        read, problems = values.from_texts(attribute, self.dictionary, calendar, limits)
        present = read.present[codes]
        if self.present is not None:
            present &= self.present
        found: list[Problem] = []
        for problem in problems:
            asked = codes == problem.index
            if self.present is not None:
                asked &= self.present
            found += [Problem(row, problem.message) for row in np.flatnonzero(asked).tolist()]
        return ValueColumn(read.type, _spread(read.data, codes), present), sorted(
            found, key=lambda problem: problem.index
        )


def raw_column(message: ingest_service_pb2.Column, place: str, rows: int) -> RawColumn:
    """The column, checked to have ``rows`` rows.

    Raises:
        InvalidInput: it has no values, another length, or a code that the dictionary hasn't.
    """
    kind = message.WhichOneof("values")
    if kind is None:
        refuse(place, f"the column has no values; one of {', '.join(TAKES)} must be set", "UNSET")
    column = _READERS[kind](message, place)
    if len(column) != rows:
        refuse(f"{place}.{kind}", f"{len(column)} values for {rows} keys", "LENGTHS_DIFFER")
    if message.present:
        present = np.array(message.present, np.bool_)
        if len(present) != rows:
            refuse(f"{place}.present", f"{len(present)} entries for {rows} keys", "LENGTHS_DIFFER")
        return replace(column, present=present)
    return column


def _texts(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    return RawColumn(message.name, place, "texts", message.texts.values[:], None)


def _coded_texts(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    coded = message.coded_texts
    codes = np.array(coded.codes, np.int64)
    dictionary = coded.dictionary[:]
    if len(codes) and int(codes.max()) >= len(dictionary):
        row = int(np.argmax(codes >= len(dictionary)))
        what = f"code {int(codes[row])}, but the dictionary has {len(dictionary)} texts"
        refuse(f"{place}.coded_texts.codes[{row}]", what, "OUT_OF_RANGE")
    return RawColumn(message.name, place, "coded_texts", codes, None, dictionary)


def _integers(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    data = np.array(message.integers.values, np.int64)
    return RawColumn(message.name, place, "integers", data, None)


def _decimals(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    scale = message.decimals.scale
    if not 0 <= scale <= DECIMAL_SCALE_MAX:
        what = f"scale {scale}; 0 to {DECIMAL_SCALE_MAX} decimal places are possible"
        refuse(f"{place}.decimals.scale", what, "OUT_OF_RANGE")
    data = np.array(message.decimals.unscaled, np.int64)
    return RawColumn(message.name, place, "decimals", data, None, scale=scale)


def _booleans(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    data = np.array(message.booleans.values, np.bool_)
    return RawColumn(message.name, place, "booleans", data, None)


def _text_lists(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    data = [texts.values[:] for texts in message.text_lists.values]
    return RawColumn(message.name, place, "text_lists", data, None)


def _locations(message: ingest_service_pb2.Column, place: str) -> RawColumn:
    latitudes = np.array(message.locations.latitudes, np.float64)
    longitudes = np.array(message.locations.longitudes, np.float64)
    if len(latitudes) != len(longitudes):
        what = f"{len(latitudes)} latitudes and {len(longitudes)} longitudes"
        refuse(f"{place}.locations", what, "LENGTHS_DIFFER")
    return RawColumn(
        message.name, place, "locations", np.column_stack([latitudes, longitudes]), None
    )


_READERS = {
    "texts": _texts,
    "coded_texts": _coded_texts,
    "integers": _integers,
    "decimals": _decimals,
    "booleans": _booleans,
    "text_lists": _text_lists,
    "locations": _locations,
}


def _spread(data: Any, codes: Places) -> Any:
    if isinstance(data, np.ndarray):
        return data[codes]
    objects = np.empty(len(data), object)
    for i, value in enumerate(data):
        objects[i] = value
    return objects[codes].tolist()

"""The index of a location attribute: latitude and longitude of each row."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

import numpy as np
from pyroaring import BitMap

from headcount_server.core import bitmaps
from headcount_server.core.attributes.base import AttributeIndex, Rows, ascending
from headcount_server.core.columns import Column
from headcount_server.core.schema import AttributeSchema
from headcount_server.core.values import ValueColumn
from headcount_server.errors import DataLoss

_NOWHERE = float("nan")


class LocationIndex(AttributeIndex):
    """Where everyone is.

    Attributes:
        latitudes: degrees by row, NaN where missing; not to be modified.
        longitudes: the same.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        super().__init__(schema)
        self.latitudes = Column(np.float64, _NOWHERE)
        self.longitudes = Column(np.float64, _NOWHERE)

    def get(self, row: int) -> tuple[float, float] | None:
        """The canonical value of one row, or None."""
        latitude = self.latitudes.get(row)
        return None if isnan(latitude) else (latitude, self.longitudes.get(row))

    def take(self, rows: Rows) -> list[tuple[float, float] | None]:
        """The canonical value of each row, or None; rows in any order, repeated or not."""
        pairs = zip(
            self.latitudes.take(rows).tolist(), self.longitudes.take(rows).tolist(), strict=True
        )
        return [None if isnan(pair[0]) else pair for pair in pairs]

    def nbytes(self) -> dict[str, int]:
        """Bytes of memory by structure."""
        columns = self.latitudes.nbytes + self.longitudes.nbytes
        return {"columns": columns, "exists": bitmaps.nbytes(self.exists)}

    def dump(self) -> dict[str, Any]:
        """Plain data; the same contents give the same data."""
        return {"latitudes": self.latitudes.dump(), "longitudes": self.longitudes.dump()}

    def _write(self, rows: Rows, values: ValueColumn) -> BitMap:
        order = ascending(rows)
        data, present = values.data, values.present
        if order is not None:
            rows, data, present = rows[order], data[order], present[order]
        latitude = np.where(present, data[:, 0], _NOWHERE)
        longitude = np.where(present, data[:, 1], _NOWHERE)
        old = self.latitudes.take(rows)
        had = ~np.isnan(old)
        differs = (old != latitude) | (self.longitudes.take(rows) != longitude)
        differs &= had | present
        self.latitudes.put(rows[differs], latitude[differs])
        self.longitudes.put(rows[differs], longitude[differs])
        self._exist(rows[present & ~had], rows[had & ~present])
        return bitmaps.from_sorted(rows[differs])

    def _erase(self, rows: BitMap) -> bool:
        gone = bitmaps.to_array(rows)
        self.latitudes.put(gone, _NOWHERE)
        self.longitudes.put(gone, _NOWHERE)
        self.exists = self.exists - rows
        return False

    def _load(self, parts: Mapping[str, Any]) -> None:
        self.latitudes = Column.load(parts["latitudes"])
        self.longitudes = Column.load(parts["longitudes"])
        known: list[BitMap] = []
        for column, limit in ((self.latitudes, 90), (self.longitudes, 180)):
            if column.dtype != np.float64 or not np.isnan(column.fill):
                raise DataLoss(f"attribute {self.schema.name!r}: a column of the wrong type")
            stored = list(column.stored())
            if not all(bool((np.abs(values) <= limit).all()) for _, values in stored):
                raise DataLoss(f"attribute {self.schema.name!r}: a place that doesn't exist")
            known.append(bitmaps.union(bitmaps.from_sorted(rows) for rows, _ in stored))
        if known[0] != known[1]:
            raise DataLoss(f"attribute {self.schema.name!r}: latitudes without longitudes")
        self.exists = known[0]

    def _freeze_parts(self) -> None:
        self.latitudes = self.latitudes.freeze()
        self.longitudes = self.longitudes.freeze()

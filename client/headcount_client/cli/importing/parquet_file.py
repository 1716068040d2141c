"""Parquet files. Rows count from 1."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from headcount_client.cli.importing.chunks import Chunk, FileFault, consecutive


class ParquetSource:
    """A Parquet file; its columns keep their types."""

    def __init__(self, path: Path) -> None:
        """Read the footer.

        Raises:
            FileFault: it is no Parquet file.
        """
        self.name = str(path)
        try:
            self._file = parquet.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise FileFault(f"it is no Parquet file that can be read: {error}") from None
        self.total = self._file.metadata.num_rows
        self.columns: Sequence[str] = self._file.schema_arrow.names

    def chunks(self, targets: Mapping[str, str], rows: int) -> Iterator[Chunk]:
        """The rows, in chunks of at most ``rows``."""
        first = 1
        wanted = [column for column in self.columns if column in targets]
        try:
            for batch in self._file.iter_batches(batch_size=rows, columns=wanted):
                count = batch.num_rows
                if not count:
                    continue
                columns = {targets[column]: batch.column(column) for column in wanted}
                lines = consecutive(first, count)
                first += count

                def content(index: int, batch: pa.RecordBatch = batch) -> str:
                    row = batch.slice(index, 1).to_pylist()[0]
                    return json.dumps(row, default=str, ensure_ascii=False)

                yield Chunk(lines, columns, first - 1, content=content)
        except (pa.ArrowInvalid, OSError) as error:
            raise FileFault(f"it can't be read further: {error}") from None

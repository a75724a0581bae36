"""Figures as Parquet: the columns of the CSV with their types, null where there is no value.

What holds for the whole answer also stands in the metadata of the file, under the names of the JSON. A row group is
written as soon as it is full, so an answer of any length needs the memory of one.
"""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from regional_hub.figure_answer import Answer
from regional_hub.formats.columns import COLUMNS, about, columns_of, filters, rows
from regional_hub.formats.json_file import to_json

ROWS_A_GROUP: Final = 20_000
"""Some 4 MB before it is packed."""


class _Collected(io.RawIOBase):
    """A file that can only be written on, and from which the pieces are taken as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def write_parquet(answer: Answer) -> Iterator[bytes]:
    """The same bytes from the same version of the library, which signs each file. Raises nothing of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), int: pa.int64()}
    notes = {name: str(value) for name, value in about(answer).items() if value is not None}
    notes["filters"] = to_json(filters(answer))
    schema = pa.schema([(name, types[COLUMNS.get(name, str)]) for name in columns_of(answer)], metadata=notes)
    out, found = _Collected(), rows(answer)
    with pq.ParquetWriter(out, schema, compression="zstd", version="2.6") as writer:
        while batch := list(islice(found, ROWS_A_GROUP)):
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=ROWS_A_GROUP)
            yield out.take()
    yield out.take()

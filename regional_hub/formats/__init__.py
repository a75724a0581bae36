"""The machine formats in which an analyst gets figures: from an answer to the pieces of a file.

The bytes of a file depend on its answer alone (docs/adr/0025): codes and the policy's titles, no translated words, no
time of the request, nothing random. A figure that is suppressed or not collected has no value in any of them.

    for chunk in FORMATS["csv"].write(answer): ...       while the session of the answer is open

XLSX reads all figures at once and raises TooManyRowsError before its first piece; the others take them as they come.
Libraries that take long to load are loaded by the format that needs them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from regional_hub.figure_answer import Answer
from regional_hub.formats.csv_file import write_csv
from regional_hub.formats.json_file import write_json
from regional_hub.formats.parquet_file import write_parquet
from regional_hub.formats.sdmx_csv import write_sdmx_csv
from regional_hub.formats.sdmx_json import write_sdmx_json
from regional_hub.formats.xlsx_file import MOST_ROWS, TooManyRowsError, write_xlsx
from shared_schema.service.exports import CSV_TYPE, XLSX_TYPE

__all__ = ("FORMATS", "Format", "TooManyRowsError")


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name in an address, what it is called in HTTP, and how it is written."""

    name: str
    media_type: str
    ending: str
    """Of a file name, without the dot."""
    write: Callable[[Answer], Iterator[bytes]]
    most_rows: int | None = None
    """Of one file; None where there is no end."""


FORMATS: Final[Mapping[str, Format]] = {
    each.name: each
    for each in (
        Format("json", "application/json", "json", write_json),
        Format("csv", CSV_TYPE, "csv", write_csv),
        Format("xlsx", XLSX_TYPE, "xlsx", write_xlsx, MOST_ROWS),
        Format("parquet", "application/vnd.apache.parquet", "parquet", write_parquet),
        Format("sdmx-csv", "application/vnd.sdmx.data+csv;version=2.1.0", "csv", write_sdmx_csv),
        Format("sdmx-json", "application/vnd.sdmx.data+json;version=2.1.0", "json", write_sdmx_json),
    )
}

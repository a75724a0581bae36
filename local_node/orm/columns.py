"""What every table of the node is made of."""

from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

from shared_schema.statement import format_time, parse_time


class UtcTime(TypeDecorator[datetime]):
    """An aware moment as `2026-11-22T09:00:00Z`; fractions of a second are dropped."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else format_time(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else parse_time(value)


class Base(DeclarativeBase):
    """The node's metadata; `type_annotation_map` gives every Python type one column type."""

    type_annotation_map = {datetime: UtcTime, str: Text, bytes: LargeBinary}  # noqa: RUF012 - SQLAlchemy reads it so

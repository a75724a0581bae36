"""Logs carry identifiers, sizes, digests and codes; never contents, keys or tokens."""

import logging
import sys
from typing import Any

import structlog

ALLOWED_FIELDS = frozenset(
    {
        "event", "level", "timestamp", "hub", "node", "member", "origin", "seq", "kind", "digest", "index", "size",
        "count", "code", "status", "port", "url", "verb", "seconds", "state", "error_type", "pages", "table", "period",
        "channel", "message_id",
    }
)  # fmt: skip
"""Any other field is dropped: a log line cannot carry a text that nobody thought of."""


def _only_known_fields(_logger: Any, _name: str, fields: Any) -> Any:
    return {name: value for name, value in fields.items() if name in ALLOWED_FIELDS}


def _on_standard_error(*_arguments: Any) -> structlog.PrintLogger:
    """Where standard error leads now: somebody may have put another stream in its place, and closed it, since."""
    return structlog.PrintLogger(sys.stderr)


def configure_logging(*, verbose: bool = False) -> None:
    """One JSON line per event on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_known_fields,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=_on_standard_error,
        cache_logger_on_first_use=False,
    )


def get_logger() -> Any:
    """A structlog logger: `get_logger().info("page-stored", hub=..., count=...)`."""
    return structlog.get_logger()

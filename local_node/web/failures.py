"""How the node's own errors are answered: the statuses of their codes, and which of them came too late."""

from typing import Final

from shared_schema.service.pages import statuses
from shared_schema.service.pages.statuses import Failure

STATUS_OF_CODE: Final = {
    "request-unknown": 404,
    "draft-unknown": 404,
    "batch-unknown": 404,
    "records-changed": 409,
    "draft-stale": 409,
    "draft-state": 409,
    "draft-too-large": 413,
    "clash-stale": 409,
    "same-person": 403,
    "role": 403,
    "activity-unknown": 404,
    "stale-activity": 409,
    "stale-form": 409,
    "sheet-too-large": 413,
    "agency-changed": 409,
    "agency-known": 409,
}
"""Codes of the node's own errors; all others are 422."""
STALE: Final = frozenset({"draft-stale", "clash-stale", "stale-activity", "stale-form", "agency-changed"})
"""Codes of those that came too late, and can try again with what is stored now."""
BUTTONS: Final = frozenset({"/outbox/exchange"})
"""Forms that are a button."""


def status_of(error: Failure) -> int:
    """The HTTP status of an error."""
    return statuses.status_of(error, STATUS_OF_CODE)

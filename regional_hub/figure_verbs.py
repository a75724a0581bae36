"""Keeping the figures in step with the log."""

from typing import Any

from regional_hub import figure_index
from regional_hub.app import Hub


def index(hub: Hub, _params: dict[str, Any]) -> dict[str, Any]:
    """Take the sums that have come to the log since into what analysts ask; return how many."""
    stored = 0
    while True:
        with hub.database.read() as session:
            if not figure_index.is_behind(session):
                return {"sums": stored}
        with hub.database.write() as session:
            stored += figure_index.catch_up(session, hub.name, hub.settings.level)

"""Where the files of a hub lie, for those who only want to know whether they are there."""

from typing import Final

SETTINGS_FILE: Final = "hub.toml"
WEBHOOK_SECRET_FILE = "webhook.secret"  # noqa: S105 - the name of a file

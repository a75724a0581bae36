"""Where the files of a node lie, for those who only want to know whether they are there."""

from pathlib import Path
from typing import Final

SETTINGS_FILE: Final = "node.toml"


def has_settings(data: Path) -> bool:
    """Whether a node was made in this directory."""
    return (data / SETTINGS_FILE).exists()

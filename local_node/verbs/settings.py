"""The settings that may be changed while the node runs: what they are, and changing them with an audit event.

The file `node.toml` stays the one place where they stand. The rest of them say where the node is and whom it trusts;
they need the console and a restart.
"""

import hashlib
import os
import threading
from typing import Any, Final

from local_node import audit
from local_node.app import Node
from local_node.paths import SETTINGS_FILE
from local_node.people import get_person
from local_node.settings import ENVIRONMENT_PREFIX, change_settings, load_settings
from local_node.verbs.parameters import Params, Result
from shared_schema.service.control import VerbError

CHANGEABLE: Final = (
    "display_name",
    "time_zone",
    "agencies_expected",
    "protection",
    "threshold",
    "privacy_profile",
    "retention_months",
    "outside_open",
)
SHOWN: Final = (
    "name",
    "area_code",
    "area_version",
    "city_size",
    "urbanisation",
    "host",
    "port",
    "public_url",
    "sync_interval_seconds",
    "allow_private_hubs",
    "freshness_hours",
    "witnesses",
    "witnesses_needed",
    "witnesses_strict",
    "cosign_heads",
)
"""Those that need the console."""
_ONE_AT_A_TIME: Final = threading.Lock()
"""Between looking whether the file is as it was seen and writing it, nobody else writes it."""


def show_settings(node: Node, _params: Params) -> Result:
    """Every setting as it counts now; `fixed` are those that an environment variable sets."""
    values = node.settings.model_dump(mode="json")
    return {
        "changeable": {name: values[name] for name in CHANGEABLE},
        "console": {name: values[name] for name in SHOWN},
        "fixed": sorted(_fixed()),
        "revision": _revision(node),
    }


def change(node: Node, params: Params) -> Result:
    """Change settings for a person; `seen` is the revision that was shown. They count from now on.

    Raises VerbError and changes nothing: somebody else was faster, one that needs the console or that the environment
    sets, a value that cannot be.
    """
    with _ONE_AT_A_TIME:
        return _change(node, params)


def _change(node: Node, params: Params) -> Result:
    by, wanted = str(params["by"]), dict(params["changes"])
    if params.get("seen", _revision(node)) != _revision(node):
        raise VerbError("changed", "expected the settings as they are now; look at them again")
    if strange := set(wanted) - set(CHANGEABLE):
        raise VerbError(
            "bad-parameter", f"expected settings that may be changed here, got {', '.join(sorted(strange))}"
        )
    now_set = node.settings.model_dump(mode="json")
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if now_set[name] != value}
    if fixed := _fixed() & set(changes):
        raise VerbError("fixed", f"expected settings that no environment variable sets, got {', '.join(sorted(fixed))}")
    checked = load_settings(node.data_dir, **changes)
    if changes:
        with node.database.write() as session:  # first: an event without its change shows, the other way round does not
            get_person(session, by)
            for name in changes:
                audit.append(session, by, "settings.changed", name, node.clock())
        change_settings(node.data_dir, changes)
        node.settings = node.settings.model_copy(update={name: getattr(checked, name) for name in changes})
    return show_settings(node, {}) | {"changed": sorted(changes)}


def _fixed() -> set[str]:
    known = {name.upper() for name in os.environ}
    return {name for name in CHANGEABLE if f"{ENVIRONMENT_PREFIX}{name}".upper() in known}


def _revision(node: Node) -> str:
    """What the file says, as a digest: two windows that change it at once do not overwrite each other."""
    return hashlib.sha256((node.data_dir / SETTINGS_FILE).read_bytes()).hexdigest()

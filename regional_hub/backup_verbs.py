"""The verb that makes a backup; it runs in the serving process when there is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from regional_hub import audit, backup
from regional_hub.app import Hub
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.service.backup import make_backup
from shared_schema.service.control import VerbError

BACKUP_MADE: Final = "backup-made"


def make(hub: Hub, params: Params) -> Result:
    """Make a backup in a folder, and delete older ones beyond `keep`."""
    target, keep, with_keys = Path(params["target"]), params.get("keep"), bool(params.get("keys", True))
    if not target.is_absolute() or (keep is not None and type(keep) is not int):
        raise VerbError("bad-parameter", "expected an absolute path, and how many backups to keep as a whole number")
    now = hub.clock()
    plan = backup.make_plan(hub.database, hub.data_dir, hub.verifier)
    folder = make_backup(plan, target, now=now, keep=keep, with_keys=with_keys)
    with hub.database.write() as session:
        audit.record(session, actor_of(params), BACKUP_MADE, folder.name[:200], now)
    return {"backup": str(folder), "keys": with_keys}


VERBS: dict[str, Callable[[Hub, Params], Result]] = {"backup": make}

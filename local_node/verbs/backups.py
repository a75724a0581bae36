"""The verb that makes a backup; it runs in the serving process when there is one."""

from pathlib import Path

from local_node import audit, backup
from local_node.app import Node
from local_node.verbs.parameters import PROGRAM, Params, Result
from shared_schema.service.backup import make_backup
from shared_schema.service.control import VerbError

BACKUP_MADE = "backup.made"


def make(node: Node, params: Params) -> Result:
    """Make a backup in a folder, and delete older ones beyond `keep`."""
    target, keep, with_keys = Path(params["target"]), params.get("keep"), bool(params.get("keys", True))
    if not target.is_absolute() or (keep is not None and type(keep) is not int):
        raise VerbError("bad-parameter", "expected an absolute path, and how many backups to keep as a whole number")
    now = node.clock()
    plan = backup.make_plan(node.name, node.data_dir)
    folder = make_backup(plan, target, now=now, keep=keep, with_keys=with_keys)
    with node.database.write() as session:
        audit.append(session, PROGRAM, BACKUP_MADE, folder.name, now)
    return {"backup": str(folder), "keys": with_keys}

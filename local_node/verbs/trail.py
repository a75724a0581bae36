"""The audit log as a file."""

import os
from pathlib import Path

from local_node import audit_search
from local_node.app import Node
from local_node.verbs.parameters import Params, Result
from shared_schema.service.control import VerbError


def export_audit(node: Node, params: Params) -> Result:
    """Write the whole audit log to a new file that its owner alone can read; an existing file is kept."""
    path = Path(params["file"])
    lines = audit_search.export_lines(node.database, node.name)
    written = 0
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (OSError, ValueError):
        raise VerbError("no-file", f"expected a new file that can be written at {path}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                file.write(line)
                written += 1
    except OSError as error:  # a full disk: half a log would not verify, and nobody should keep it
        path.unlink(missing_ok=True)
        raise VerbError("no-file", f"expected space for the audit log at {path}: {error.strerror}") from None
    return {"file": str(path), "events": written - 1}  # the first line is no event

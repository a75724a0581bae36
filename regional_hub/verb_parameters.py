"""What verbs are given and give back, and who acts."""

import re
from typing import Any, Final

from shared_schema.service.control import VerbError

Params = dict[str, Any]
Result = dict[str, Any]
OPERATOR: Final = "operator"
"""Who acts in the audit log when no person is named: the console of the machine."""
_PERSON: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


def actor_of(params: Params) -> str:
    """Who acts, for the audit log: the person that a page names with `by`, else the console of the machine.

    Raises VerbError for anything that is no id: the trail holds no free text.
    """
    actor = params.get("by", OPERATOR)
    if not isinstance(actor, str) or not _PERSON.fullmatch(actor):
        raise VerbError("bad-parameter", "expected the id of a person as by")
    return actor

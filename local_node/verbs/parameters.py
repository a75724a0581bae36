"""What verbs are given: JSON values, and the paths of files to read."""

from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from shared_schema.service.control import VerbError

Params = dict[str, Any]
Result = dict[str, Any]
PROGRAM = "local-node"
"""Who acts in the audit log when no person is named."""
Choice = TypeVar("Choice", bound=StrEnum)


def choose(kinds: type[Choice], text: str) -> Choice:
    """The member of an enum with this value. Raises VerbError that names them all."""
    try:
        return kinds(text)
    except ValueError:
        raise VerbError("bad-parameter", f"expected one of {', '.join(kinds)}") from None


def actor_of(params: Params) -> str:
    """Who acts, for the audit log: the person that a page or an option names, else the program."""
    return str(params.get("by") or PROGRAM)


def read_file(path: str, limit: int) -> bytes:
    """The bytes of a file. Raises VerbError when it cannot be read or is larger than `limit`."""
    try:
        if not Path(path).is_file():  # to open a pipe would wait for its other end, in the serving process
            raise VerbError("no-file", f"expected an ordinary file at {path}")
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError):
        raise VerbError("no-file", f"expected a file that can be read at {path}") from None
    if len(data) > limit:
        raise VerbError("too-large", f"expected a file of at most {limit // 1024} KiB at {path}")
    return data

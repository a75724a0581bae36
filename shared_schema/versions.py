"""The versions of an item: which one takes the place of which.

An item takes the place of an older one only if the same origin signed both: nobody rewrites what another city said.
Items that a hub relays without the city's name take nobody's place. All of them carry the hub's signature, so nothing
here shows that two are of the same city, and one city could push aside what another one wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared_schema.statement import Kind


@dataclass(frozen=True, slots=True)
class Version:
    """One version, as the index knows it."""

    digest: str
    origin: str
    seq: int
    kind: Kind
    relayed: bool
    replaces: str | None


def can_replace(newer: Version, older: Version) -> bool:
    """Whether `newer` takes the place of `older`. The node's search index asks the same of its database."""
    return (
        newer.replaces == older.digest
        and newer.origin == older.origin
        and newer.kind is older.kind
        and newer.seq > older.seq
        and not newer.relayed
        and not older.relayed
    )


def family_of(versions: Sequence[Version], digest: str) -> tuple[Version, ...]:
    """All versions of the item that `digest` is one of, the newest first; empty when it is not among them."""
    known = {version.digest: version for version in versions}
    members = {digest} if digest in known else set()
    grown = True
    while grown:
        found = {
            each.digest
            for newer in versions
            if (older := known.get(newer.replaces or "")) and can_replace(newer, older)
            for each in (newer, older)
            if {newer.digest, older.digest} & members
        }
        grown = not found <= members
        members |= found
    return tuple(sorted((known[member] for member in members), key=lambda version: version.seq, reverse=True))

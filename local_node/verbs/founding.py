"""Make a node: its key, its database with its people, its settings. The command line and the pages do the same here.

In this order, because a crash can come between any two: a key that is left is taken up again, the people stand in the
database all together or not at all, and `node.toml` comes last, for it says that there is a node.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from local_node.app import Node, utc_now
from local_node.door import accounts
from local_node.paths import SETTINGS_FILE
from local_node.people import add_person, check_id, list_people
from local_node.settings import check_settings, write_settings
from local_node.verbs.parameters import PROGRAM
from shared_schema.errors import ProgramError
from shared_schema.keys import SigningKey
from shared_schema.service.accounts.account import check_name
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import KEY_FILE, KEY_SEED_BYTES, load_key, write_key


@dataclass(frozen=True, slots=True)
class Founder:
    """Somebody who works with the node from the start; without a name there is no account yet."""

    id: str
    role: str
    name: str = ""
    password_hash: str | None = None
    administrates: bool = False
    language: str | None = None


def found(
    data_dir: Path,
    values: dict[str, str | int],
    people: Sequence[Founder],
    clock: Callable[[], datetime] = utc_now,
) -> SigningKey:
    """Make a node in a directory whose lock the caller holds, and return its key.

    Raises VerbError and overwrites nothing: there is a node already, a setting or an id that cannot be, a database with
    other people in it.
    """
    if (data_dir / SETTINGS_FILE).exists():
        raise VerbError("exists", f"expected a data directory without {SETTINGS_FILE}; a node is never overwritten")
    settings = check_settings(dict(values))
    _check_people(people)
    if not (data_dir / KEY_FILE).exists():  # 1. a key, or the one that an interrupted start has left
        write_key(data_dir, SigningKey.from_seed(secrets.token_bytes(KEY_SEED_BYTES)))
    key = load_key(data_dir)
    node = Node(data_dir, settings, key, clock)  # 2. its database with its people
    try:
        _add_people(node, people)
    finally:
        node.close()
    write_settings(data_dir, values)  # 3. last, because this file says that there is a node
    return key


def _check_people(people: Sequence[Founder]) -> None:
    if len({person.id for person in people}) != len(people):
        raise VerbError("same-person", "expected different people: nobody releases anything alone")
    try:
        for person in people:
            check_id(person.id)
            if person.name:
                check_name(person.name)
    except ProgramError as error:
        raise VerbError(error.code, error.message) from None


def _add_people(node: Node, people: Sequence[Founder]) -> None:
    with node.database.write() as session:
        known = {person.id: person.role.value for person in list_people(session)}
        if known:
            if known != {person.id: person.role for person in people}:
                raise VerbError(
                    "exists",
                    f"expected an empty database, or the same people as in an earlier attempt: {', '.join(known)}; "
                    "a database is never overwritten, move it away to begin anew",
                )
            return
        now = node.clock()
        for person in people:
            add_person(session, person.id, person.role, by=PROGRAM, now=now)
            if person.name:
                _add_account(session, person, now)


def _add_account(session: Session, person: Founder, now: datetime) -> None:
    accounts.make_account(
        session,
        person.id,
        person.name,
        by=PROGRAM,
        now=now,
        administrates=person.administrates,
        language=person.language,
    )
    if person.password_hash is not None:
        accounts.keep_hash(session, person.id, person.password_hash, by=PROGRAM, now=now)

"""Signing in with two factors: the password opens one page, and only the code opens a session.

Who needs a second factor is the administrator's choice. Somebody who needs one and has none yet gets in, and sees
nothing but the page where it is set up.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from local_node import audit, second_factor
from local_node.errors import NodeError
from local_node.orm import PendingSignInRow, SignInRulesRow
from shared_schema.service.tokens import hash_token, new_token

PENDING: Final = timedelta(minutes=5)
"""Long enough to find the telephone."""
_ONLY_ROW: Final = 1
_DECIDERS: Final = frozenset({"administrator", "reviewer"})
"""Whose account opens most: who gives accounts, and who lets things out."""


class SignInStepError(NodeError):
    """This step of signing in is not open."""

    code = "sign-in-step"


class RequiredFor(StrEnum):
    """Who needs a second factor at this node."""

    NOBODY = "nobody"
    DECIDERS = "deciders"
    EVERYBODY = "everybody"


def is_required(rule: RequiredFor, roles: Collection[str]) -> bool:
    """Whether somebody with these roles needs a second factor."""
    return rule is RequiredFor.EVERYBODY or (rule is RequiredFor.DECIDERS and not _DECIDERS.isdisjoint(roles))


def required_for(session: Session) -> RequiredFor:
    """The rule in force; nobody needs one until the administrator says so."""
    row = session.get(SignInRulesRow, _ONLY_ROW)
    return RequiredFor.NOBODY if row is None else RequiredFor(row.second_factor_for)


def change_required_for(session: Session, new: RequiredFor, *, by: str, now: datetime) -> None:
    """Put another rule in force; the same one again changes nothing."""
    if required_for(session) is new:
        return
    session.merge(SignInRulesRow(id=_ONLY_ROW, second_factor_for=new.value))
    audit.append(session, by, "second-factor.rule-changed", new.value, now)


def owes_set_up(session: Session, person_id: str, roles: Collection[str]) -> bool:
    """Whether this person has to set up a second factor before anything else."""
    return is_required(required_for(session), roles) and not second_factor.standing(session, person_id).is_on


def begin_second_step(session: Session, person_id: str, now: datetime) -> str:
    """Remember that somebody gave the right password; return what their browser shows with the code."""
    session.execute(delete(PendingSignInRow).where(PendingSignInRow.ends_at <= now))
    token = new_token()
    session.add(PendingSignInRow(token_hash=hash_token(token), person_id=person_id, ends_at=now + PENDING))
    session.flush()
    return token


def find_second_step(session: Session, token: str, now: datetime) -> str | None:
    """Who owes the code; None when nobody does, or does no more."""
    row = session.get(PendingSignInRow, hash_token(token))
    return None if row is None or row.ends_at <= now else row.person_id


def end_second_step(session: Session, token: str) -> None:
    """Take the step away. Raises SignInStepError when another request has ended it."""
    ended = session.execute(delete(PendingSignInRow).where(PendingSignInRow.token_hash == hash_token(token)))
    if ended.rowcount != 1:  # type: ignore[attr-defined]
        raise SignInStepError("expected a sign-in that waits for its code; begin again", code="sign-in-again")

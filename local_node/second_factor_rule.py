"""Who needs a second factor at this node is the administrator's choice.

Somebody who needs one and has none yet gets in, and sees nothing but the page where it is set up.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from local_node import audit
from local_node.door import second_factor
from local_node.orm import SignInRulesRow

_ONLY_ROW: Final = 1
_DECIDERS: Final = frozenset({"administrator", "reviewer"})
"""Whose account opens most: who gives accounts, and who lets things out."""


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


def is_required_now(session: Session, roles: Collection[str]) -> bool:
    """Whether somebody with these roles needs a second factor, by the rule in force."""
    return is_required(required_for(session), roles)


def change_required_for(session: Session, new: RequiredFor, *, by: str, now: datetime) -> None:
    """Put another rule in force; the same one again changes nothing."""
    if required_for(session) is new:
        return
    session.merge(SignInRulesRow(id=_ONLY_ROW, second_factor_for=new.value))
    audit.append(session, by, "second-factor.rule-changed", new.value, now)


def owes_set_up(session: Session, person_id: str, roles: Collection[str]) -> bool:
    """Whether this person has to set up a second factor before anything else."""
    return is_required_now(session, roles) and not second_factor.standing(session, person_id).is_on

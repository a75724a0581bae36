"""How long a node keeps what: the kinds, their limits, and who decided. What is kept for good is named too.

set_rule(session, Kind.RECORDS, "bias_incidents", 36, by="ben", now=now)
months_for(session, Kind.MESSAGES)                                          12
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import RetentionRuleRow
from local_node.people import get_person
from shared_schema import canonical
from shared_schema.spending import WINDOW_MONTHS


class RetentionError(NodeError):
    """Something cannot be kept, or erased, for so long."""

    code = "retention"


class Kind(StrEnum):
    """What has a rule of its own. Contents of others follow the settings; ledger and audit log are never erased."""

    RECORDS = "records"
    MESSAGES = "messages"
    DRAFTS = "drafts"


LEAST_MONTHS: Final[Mapping[Kind, int]] = MappingProxyType(
    {Kind.RECORDS: WINDOW_MONTHS, Kind.MESSAGES: 1, Kind.DRAFTS: 3}
)
"""A person is counted once in twelve months, so raw records are needed for that long."""
DEFAULT_MONTHS: Final[Mapping[Kind, int | None]] = MappingProxyType(
    {Kind.RECORDS: None, Kind.MESSAGES: 12, Kind.DRAFTS: None}
)
MOST_MONTHS: Final = 1_200


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it stands; `set_by` is None where it is the default."""

    kind: Kind
    subject: str
    months: int | None
    set_by: str | None = None
    set_at: datetime | None = None


def list_rules(session: Session) -> dict[tuple[Kind, str], Rule]:
    """Every rule that a person has set."""
    rows = session.scalars(select(RetentionRuleRow).order_by(RetentionRuleRow.kind, RetentionRuleRow.subject))
    return {
        (Kind(row.kind), row.subject): Rule(Kind(row.kind), row.subject, row.months, row.set_by, row.set_at)
        for row in rows
    }


def seen(session: Session) -> str:
    """The digest of the rules as a page shows them; a form carries it back."""
    shown = {f"{kind.value}/{subject}": rule.months for (kind, subject), rule in list_rules(session).items()}
    return hashlib.sha256(canonical.encode(shown)).hexdigest()


def months_for(session: Session, kind: Kind, subject: str = "") -> int | None:
    """After how many months; None when it is kept."""
    row = session.get(RetentionRuleRow, (kind.value, subject))
    return DEFAULT_MONTHS[kind] if row is None else row.months


def set_rule(session: Session, kind: Kind, subject: str, months: int | None, *, by: str, now: datetime) -> None:
    """Set a rule, or take it back with None. The same rule again changes nothing.

    Raises RetentionError (a length that is too short or too long), PersonError.
    """
    get_person(session, by)
    least = LEAST_MONTHS[kind]
    if months is not None and not least <= months <= MOST_MONTHS:
        raise RetentionError(f"expected {least} to {MOST_MONTHS} months, or nothing", code="retention-months")
    row = session.get(RetentionRuleRow, (kind.value, subject))
    if (None if row is None else row.months) == months:
        return
    if months is None:
        session.execute(
            delete(RetentionRuleRow).where(RetentionRuleRow.kind == kind.value, RetentionRuleRow.subject == subject)
        )
    else:
        session.merge(RetentionRuleRow(kind=kind.value, subject=subject, months=months, set_at=now, set_by=by))
    name = f"{kind.value}/{subject}" if subject else kind.value
    audit.append(session, by, "retention.set", f"{name}/{'keep' if months is None else months}", now)

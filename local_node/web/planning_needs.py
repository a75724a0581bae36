"""What returns and the calendar know of something to do, for the page Today."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from local_node import clash_store
from local_node.duty_store import count_waiting
from local_node.entered_for import OBJECTED, list_entered_for
from local_node.return_entry import TO_CONFIRM
from local_node.web.access import Right, Visitor
from local_node.web.calendar import agency_of
from local_node.web.reporting import known_returns, read_rules, sees_all_agencies
from local_node.web.today import Need, Pressing
from shared_schema.service.translations import N_

CONFIRMATIONS = N_("Somebody has entered figures for you once. Please confirm them or object.")
MANY_CONFIRMATIONS = N_("Somebody has entered figures for you %(num)s times. Please confirm them or object.")


def about_returns(session: Session, visitor: Visitor, now: datetime) -> Sequence[Need]:
    """Returns that are due or missing: for an agency its own, for the coordinator those of all."""
    sees_all = sees_all_agencies(visitor)
    if not visitor.may(Right.ENTER_RETURNS) or (visitor.agency is None and not sees_all):
        return ()
    only = None if sees_all else visitor.agency
    waiting = count_waiting(known_returns(session, read_rules(session), now.date(), agency=only))
    due = None if waiting.next_due is None else waiting.next_due.due_on
    needs = []
    if waiting.missing:
        pressing = Pressing.WAITING if sees_all else Pressing.LATE
        many = N_("%(num)s returns are missing.")
        needs.append(Need(N_("1 return is missing."), "/returns", pressing, many=many, count=waiting.missing, due=due))
    if waiting.due and not sees_all:
        many = N_("%(num)s returns are due.")
        day = due if not waiting.missing else None
        needs.append(Need(N_("1 return is due."), "/returns", Pressing.DUE, many=many, count=waiting.due, due=day))
    return needs


def about_entries(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """Figures that somebody else has entered: for the agency to confirm; for the coordinator those objected to."""
    if not visitor.may(Right.ENTER_RETURNS):
        return ()
    needs = []
    if visitor.agency is not None and (count := len(list_entered_for(session, visitor.agency, states=(TO_CONFIRM,)))):
        needs.append(Need(CONFIRMATIONS, "/returns", Pressing.DUE, many=MANY_CONFIRMATIONS, count=count))
    if sees_all_agencies(visitor) and (count := len(list_entered_for(session, states=(OBJECTED,)))):
        many = N_("Agencies have objected to figures that were entered for them, %(num)s times.")
        once = N_("An agency has objected to figures that were entered for it.")
        needs.append(Need(once, "/returns", Pressing.DUE, many=many, count=count))
    return needs


def about_clashes(session: Session, visitor: Visitor, _now: datetime) -> Sequence[Need]:
    """Activities that come close to each other, and nobody has talked yet."""
    if not visitor.may(Right.ENTER_ACTIVITIES):
        return ()
    only = None if visitor.may(Right.SEE_AGENCIES) else agency_of(visitor) or ""
    count = clash_store.count_clashes(session, only)
    if not count:
        return ()
    many = N_("%(num)s times activities of two agencies come close to each other. Please talk first.")
    once = N_("1 activity comes close to one of another agency. Please talk first.")
    return (Need(once, "/calendar/clashes", Pressing.DUE, many=many, count=count),)

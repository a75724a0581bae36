"""Sealed totals as verbs: what a hub does by itself, and what an operator asks for or sees."""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from regional_hub import alarms, audit, log, sealed_plan, sealed_store
from regional_hub.app import Hub
from regional_hub.errors import HubError
from regional_hub.sealed_plan import LateOf, Wanted
from regional_hub.sealed_rows import plan_of, subject_of
from regional_hub.sealed_shares import read_digests, read_late
from regional_hub.sealed_store import Stored
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.errors import BatchError, ContractError
from shared_schema.governance import MAX_OPEN_DAYS
from shared_schema.names import parse_time
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.states import BatchState
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubRefused, HubUnreachable
from shared_schema.service.logging import get_logger

ITSELF: Final = "program"
OVERDUE_AFTER: Final = timedelta(days=1)
MAX_STEPS: Final = 8
"""Of one batch in one round: from the proposal to the end there are seven."""


def work(hub: Hub, params: Params) -> Result:
    """Open what is due, and take every batch as far as it goes now. What one of them meets never stops the others.

    With `open_nothing` it only goes on with what is open.
    """
    with hub.database.read() as session:
        if log.STOPPED in session.info or log.get_head(session).held is not None:
            return {"opened": [], "steps": []}
        due = [] if params.get("open_nothing") else sealed_plan.list_due(session, hub.refresh_trust(), hub.clock())
    opened = [wanted.subject for wanted in due if _try_open(hub, wanted)]
    with hub.database.read() as session:
        led, helped = (sealed_store.list_batches(session, role) for role in ("leader", "helper"))
    steps = [step for batch_id in led for step in _lead(hub, batch_id)]
    steps += [step for batch_id in helped for step in _help(hub, batch_id)]
    return {"opened": opened, "steps": steps}


def _try_open(hub: Hub, wanted: Wanted) -> bool:
    about = f"sealed total {wanted.subject}"
    try:
        _open(hub, wanted, None, None)
    except ContractError as error:
        _alarm(hub, about, error.code, f"no batch was opened: {error.message}")
        return False
    return True


def _open(hub: Hub, wanted: Wanted, late: LateOf | None, days: int | None) -> int:
    trust = hub.refresh_trust()
    with hub.database.read() as session:
        plan = sealed_plan.plan_batch(session, trust, wanted, hub.settings.operator, hub.clock(), late=late, days=days)
    with hub.leading() as leading:
        return leading.propose(plan, wanted.sealed.helper)


def _lead(hub: Hub, batch_id: int) -> Generator[str]:
    """As far as a led batch goes now."""
    with hub.database.read() as session:
        stored = sealed_store.read_leader(session, batch_id)
    subject = subject_of(stored.batch.proposal.plan)
    about = f"sealed total {subject}"
    _erase_overdue(hub, stored, subject)
    is_overdue = _is_overdue(stored.batch, hub.clock())
    for _ in range(MAX_STEPS):
        try:
            with hub.leading() as leading:
                state = leading.go_on(batch_id)
        except HubUnreachable as error:
            return _wait(hub, about, f"waits for {stored.other}: {error.message}", is_overdue=is_overdue)
        except HubRefused as error:
            # What the other hub has not read yet is no refusal to tell of; that it does not agree to a plan is.
            is_early = error.code == ProblemCode.BATCH_STATE.value and not is_overdue
            said = f"{stored.other} refuses ({error.code}): {error.message}"
            return _wait(hub, about, said, is_overdue=not is_early)
        except BatchError as error:  # a share came in this moment, or another process was faster
            return _wait(hub, about, error.message, is_overdue=is_overdue)
        except ContractError as error:
            return _alarm(hub, about, error.code, error.message)
        if state is None:
            return None
        _note(hub, state, subject)
        yield f"{subject}: {state}"
    return None


def _is_overdue(batch: LeaderBatch, now: datetime) -> bool:
    """Whether the other hub has had a day for what this one waits for."""
    plan = batch.proposal.plan
    since = plan.opens if batch.state is BatchState.PROPOSED else plan.closes
    return now > parse_time(since) + OVERDUE_AFTER


def _help(hub: Hub, batch_id: int) -> Generator[str]:
    """As far as a batch goes that this hub helps with."""
    with hub.database.read() as session:
        stored = sealed_store.read_helper(session, batch_id)
    subject = subject_of(plan_of(stored.batch))
    _erase_overdue(hub, stored, subject)
    for _ in range(MAX_STEPS):
        try:
            state = hub.helping.go_on(batch_id)
        except ContractError as error:
            _alarm(hub, f"sealed total {subject}", error.code, error.message)
            return
        if state is None:
            return
        _note(hub, state, subject)
        yield f"{subject}: {state}"


def _erase_overdue(hub: Hub, stored: Stored[LeaderBatch] | Stored[HelperBatch], subject: str) -> None:
    """What cities have sent does not wait for ever for a hub that does not answer."""
    if not sealed_store.is_kept_too_long(stored, hub.clock()):
        return
    with hub.database.write() as session:
        sealed_store.erase_secrets(session, stored.id)
        audit.record(session, ITSELF, "sealed-keys-erased", subject, hub.clock())


def _wait(hub: Hub, about: str, message: str, *, is_overdue: bool) -> None:
    if is_overdue:
        _alarm(hub, about, ProblemCode.BATCH_STATE, message)
    else:
        get_logger().info("sealed-total-waits", table=about)


def _alarm(hub: Hub, about: str, code: ProblemCode, message: str) -> None:
    with hub.database.write() as session:
        alarms.raise_alarm(session, about, code, message, hub.clock())


def _note(hub: Hub, state: str, subject: str) -> None:
    with hub.database.write() as session:
        audit.record(session, ITSELF, f"sealed-{state}", subject, hub.clock())
        if state != BatchState.DROPPED.value:  # what was refused, or never answered, is not well yet
            alarms.resolve_alarms(session, f"sealed total {subject}", hub.clock())


# --- what an operator asks for --------------------------------------------------------------------------------------


def open_batch(hub: Hub, params: Params) -> Result:
    """Open a batch of a sealed table for a period, beside the schedule: an earlier period, or again after a void."""
    wanted = sealed_plan.wanted_of(hub.refresh_trust(), str(params["table"]), parse_period(str(params["period"])))
    batch_id = _open(hub, wanted, None, _days(params))
    return _opened(hub, batch_id, wanted.subject, params)


def open_late(hub: Hub, params: Params) -> Result:
    """Collect the cities that are in no sum of an opened batch in one of their own."""
    digest = str(params["batch"])
    trust = hub.refresh_trust()
    with hub.database.read() as session:
        found = sealed_store.find_batch(session, "leader", batch=digest)
        if found is None:
            raise HubError("expected the digest of a batch of this hub", code=ProblemCode.NOT_FOUND)
        batch = sealed_store.read_leader(session, found).batch
    if batch.roster is None or batch.agreed is None:
        raise HubError("expected a batch whose roster is signed", code=ProblemCode.BATCH_STATE)
    attendance, plan = batch.roster.terms.attendance, batch.agreed.plan
    left_out = {*attendance.absent, *(each.origin for each in attendance.refused)}
    members = tuple(sorted(left_out & sealed_plan.distinct_cities(trust).keys()))
    wanted = sealed_plan.wanted_of(trust, plan.table.id, plan.period, plan.table.version)
    batch_id = _open(hub, wanted, LateOf(digest, members), _days(params))
    return _opened(hub, batch_id, wanted.subject, params)


def _days(params: Params) -> int | None:
    days = params.get("days")
    if days is None:
        return None
    if not isinstance(days, int) or not 1 <= days <= MAX_OPEN_DAYS:
        raise VerbError("bad-parameter", f"expected days from 1 to {MAX_OPEN_DAYS}")
    return days


def _opened(hub: Hub, batch_id: int, subject: str, params: Params) -> Result:
    with hub.database.write() as session:
        audit.record(session, actor_of(params), "sealed-open-asked", subject, hub.clock())
    steps = list(_lead(hub, batch_id))
    return {"subject": subject, "steps": steps}


def give_up(hub: Hub, params: Params) -> Result:
    """End a batch as void, with the second hub; refused once the roster is signed."""
    with hub.database.read() as session:
        found = sealed_store.find_batch(session, "leader", batch=str(params["batch"]))
        if found is None:
            raise HubError("expected the digest of a batch of this hub", code=ProblemCode.NOT_FOUND)
        stored = sealed_store.read_leader(session, found)
    subject = subject_of(stored.batch.proposal.plan)
    with hub.database.write() as session:
        audit.record(session, actor_of(params), "sealed-given-up", subject, hub.clock())
    with hub.leading() as leading:
        return {"subject": subject, "state": leading.give_up(stored)}


def list_all(hub: Hub, params: Params) -> Result:
    """Every batch that has not ended, or with `all` every one, newest first: who has sent, and never what."""
    is_all = bool(params.get("all", False))
    with hub.database.read() as session:
        led = [
            _shown(session, sealed_store.read_leader(session, each).batch, each)
            for each in sealed_store.list_batches(session, "leader", all_of_them=is_all)
        ]
        helped = [
            _shown(session, sealed_store.read_helper(session, each).batch, each)
            for each in sealed_store.list_batches(session, "helper", all_of_them=is_all)
        ]
    return {"batches": [*reversed(led), *reversed(helped)]}


def _shown(session: Session, batch: LeaderBatch | HelperBatch, batch_id: int) -> Result:
    plan = plan_of(batch)
    sent = len(read_digests(session, batch_id)) - len(read_late(session, batch_id))
    return {
        "subject": subject_of(plan),
        "role": batch.role,
        "state": batch.state.value,
        "batch": None if batch.agreed is None else batch.agreed.digest,
        "opens": plan.opens,
        "closes": plan.closes,
        "members": len(plan.members),
        "sent": sent,
    }


VERBS: Final[dict[str, Callable[[Hub, Params], Result]]] = {
    "sealed.work": work,
    "sealed.open": open_batch,
    "sealed.late": open_late,
    "sealed.give-up": give_up,
    "sealed.list": list_all,
}

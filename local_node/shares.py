"""A share of a sealed total before it leaves: whether this city may send it, what is in it, and that it is what it was.

    desk = Desk(rules, policy, home)
    checked = check_may_send(session, reading, desk, now)          every rule, none of which changes anything
    counted = count(session, checked.batch, desk, expected)        the true counts; they end in `make_share`
    check_unchanged(session, request, desk, now)                   the very halves come out of the records of now

No figure leaves twice: not with this city's own noise as well, not in two collections, not of a part of the period.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import hub_client, inbox, record_store, share_outcomes, share_store
from local_node.errors import NodeError, ReleaseError, ReviewError
from local_node.ledger_formats import SHARE_FORMAT
from local_node.orm import LedgerRow, ReleaseRequestRow
from local_node.request_store import OPEN_OR_DONE
from local_node.resumed import LOST, resumed_entries
from local_node.review import ReleaseRequest, RequestState
from local_node.sealed_batches import Batches, facts_for
from local_node.sealed_rules import SealedRules, check_wanted
from local_node.sealed_standing import FREE, OwnShare, Reading, Standing, standing_of
from local_node.tabulation import FrequencyTable, only_whole, tabulate
from shared_schema.errors import ContractError, ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.names import parse_time
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.bodies import ShareBody
from shared_schema.sealed.city import CheckedBatch, ShareFrame, check_batch, make_share
from shared_schema.statement import Kind
from shared_schema.trend import TableDefinition

UNKNOWN_BATCH: Final = "batch-unknown"
SENT_BEFORE: Final = "sent-before"
SHARE_LOST: Final = "share-lost"
RECORDS_CHANGED: Final = "records-changed"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a request is judged by: this city's own limits, the policy in force, and the hub that has signed it."""

    rules: SealedRules
    policy: PolicyBody
    home: str


def find_desk(session: Session, rules: SealedRules) -> Desk:
    """The desk of now. Raises NodeError (`no-policy`) before any policy was read."""
    for hub in hub_client.nearest_first(hub_client.list_hubs(session)):
        policy = inbox.current_policy(session, hub.name)
        if policy is not None:
            return Desk(rules, policy, hub.name)
    raise ReleaseError("expected the rules of a hub; add a hub, become its member, then sync", code="no-policy")


def get_reading(batches: Batches, beginning: str) -> Reading:
    """The one collection whose digest begins so. Raises ReleaseError."""
    found = batches.find(beginning)
    if len(beginning) < inbox.SHORT_DIGEST or len(found) != 1:
        raise ReleaseError(
            "expected the digest of one collection, or its first digits; see: local-node sealed", code=UNKNOWN_BATCH
        )
    return found[0]


# --- may it be sent ------------------------------------------------------------------------------------------------


def check_may_send(
    session: Session, batches: Batches, reading: Reading, desk: Desk, now: datetime, *, request: str | None = None
) -> CheckedBatch:
    """Whether this city may send its share of a collection now; `request` is its own, which is not in its own way.

    Raises ReleaseError or ReleaseRuleError with the first rule that is broken.
    """
    batch = reading.batch
    if batch is None:  # 1. announced by both hubs, in this hub's log
        message = f"expected an announcement that holds: {reading.fault}"
        if reading.broken_rule is not None:
            raise ReleaseRuleError(message, code=reading.broken_rule)
        raise ReleaseError(message, code="batch-unreadable")
    if reading.has_ended:
        what = "void" if reading.void is not None else "decided"
        raise ReleaseRuleError(f"expected a collection that is open, this one is {what}", code=ProblemCode.BATCH_STATE)
    check_wanted(batch, desk.policy, desk.rules, desk.home)  # 2. as the policy in force says, and this city's own rules
    facts = facts_for(batches, batch, desk.policy, desk.rules, desk.home, now)
    checked = check_batch(batch, name=desk.rules.name, facts=facts, is_sent=False)  # 3. what every city asks
    check_never_sent(session, batches, batch, desk, now, request)  # 4. once, in whatever mode
    return checked


def check_never_sent(
    session: Session, batches: Batches, batch: AgreedBatch, desk: Desk, now: datetime, request: str | None
) -> None:
    """Raise ReleaseError (`sent-before`, `share-lost`) unless these figures have never left, nor are on their way.

    What went into a collection that is void, or whose roster says that this city is in neither sum, has told nobody
    anything: only that does not count.
    """
    plan, name = batch.plan, desk.rules.name
    for label, kind in _other_releases(session, plan.table.id):
        if parse_period(label).overlaps(plan.period):
            raise ReleaseError(
                f"expected figures that were never {kind}: {plan.table.id} {label} was", code=SENT_BEFORE
            )
    for row in _charged(session, plan.table.id):
        is_own_entry = row.format == SHARE_FORMAT and (row.table_version, row.period) == (
            plan.table.version,
            plan.period.label,
        )
        if not is_own_entry and parse_period(row.period).overlaps(plan.period):
            raise ReleaseError(
                f"expected figures that were never drawn or sent: entry {row.seq} of the ledger is about {row.period}",
                code=SENT_BEFORE,
            )
    siblings = [each for each in batches.list_of(name) if each.batch is not None and _same_figures(each.batch, batch)]
    own = share_store.own_shares(session, [each.digest for each in siblings])
    for other in siblings:
        share = own.get(other.digest)
        if share is None or share.request != request:
            _check_sibling(session, other, share, batch, name, now)
    _check_late(siblings, batch, name)


def _check_sibling(
    session: Session, other: Reading, share: OwnShare | None, batch: AgreedBatch, name: str, now: datetime
) -> None:
    """One collection of the same figures, also the very one that is asked for."""
    standing = standing_of(other, name, share, now)
    short = other.digest[: inbox.SHORT_DIGEST]
    if standing in FREE:
        return
    if standing in (Standing.ACCEPTED, Standing.OPENED):
        raise ReleaseError(f"expected figures that are in no total yet; those of {short} have them", code=SENT_BEFORE)
    if share is not None:
        raise ReleaseError(
            f"expected nothing on its way for these figures; {share.request} is {share.state.value} for {short}",
            code=SENT_BEFORE,
        )
    is_same_terms = other.digest != batch.digest and other.batch is not None and other.batch.terms == batch.terms
    if is_same_terms:
        raise ReleaseError(f"expected the first announcement of these terms; {short} has them too", code=SENT_BEFORE)
    if other.batch is not None and _may_be_lost(session, other.batch):
        raise ReleaseError(
            f"expected a share that this node knows of: it was restored from an older copy, and may have sent one for "
            f"{short} before. Another one is never made; the hubs will say who is in it when they have decided",
            code=SHARE_LOST,
        )


def _may_be_lost(session: Session, batch: AgreedBatch) -> bool:
    """Whether the ledger has entries that came back after a restore, and one may have paid for a share in this.

    What opened after they came back was not open while the copy was the only one.
    """
    resumed = resumed_entries(session)
    if not resumed:
        return False
    rows = session.scalars(select(LedgerRow).where(LedgerRow.seq.in_(resumed))).all()
    opens = parse_time(batch.plan.opens)
    slot = (batch.plan.table.id, batch.plan.table.version, batch.plan.period.label)
    return any(
        row.charged_at >= opens and (row.measure == LOST or (row.table_id, row.table_version, row.period) == slot)
        for row in rows
    )


def _check_late(siblings: Iterable[Reading], batch: AgreedBatch, name: str) -> None:
    """A late collection is for those that the first one says are in neither sum."""
    if batch.plan.late_of is None:
        return
    first = next((each for each in siblings if each.digest == batch.plan.late_of), None)
    if first is None or first.roster is None:
        raise ReleaseRuleError("expected a late collection of one that is decided", code=ProblemCode.BATCH_TERMS)
    if standing_of(first, name, None, parse_time(batch.plan.opens)) not in FREE:
        raise ReleaseRuleError("expected a city that the first collection lacks", code=ProblemCode.BATCH_TERMS)


def _same_figures(one: AgreedBatch, other: AgreedBatch) -> bool:
    return one.plan.table.id == other.plan.table.id and one.plan.period.overlaps(other.plan.period)


def _other_releases(session: Session, table_id: str) -> Iterable[tuple[str, str]]:
    """(period, what became of it) of every release of a table with this city's own noise that nobody has refused."""
    row = ReleaseRequestRow
    states = [state.value for state in OPEN_OR_DONE]
    subjects = session.scalars(
        select(row.subject).where(
            row.kind == Kind.TREND.value,
            row.state.in_(states),
            row.subject.startswith(f"{table_id}/", autoescape=True),
        )
    )
    return [(str(subject).split("/")[2], "asked for as a release") for subject in subjects]


def _charged(session: Session, table_id: str) -> Iterable[LedgerRow]:
    return session.scalars(select(LedgerRow).where(LedgerRow.table_id == table_id).order_by(LedgerRow.seq)).all()


# --- what is in it -------------------------------------------------------------------------------------------------


def count(session: Session, batch: AgreedBatch, policy: PolicyBody, expected_agencies: int) -> FrequencyTable:
    """The true counts of a collection's table and period.

    Raises TabulationError, and ReleaseError (`not-collected`, `too-large`) that names a cell and never a count: a sum
    over cities has no place for "not collected", and none for a count above the maximum.
    """
    plan = batch.plan
    table = _table_of(batch, policy)
    reports = record_store.reports_for(session, table, plan.period)
    if policy.counts_stock(table.measure):
        reports = only_whole(reports, plan.period)
    counted = tabulate(reports, table, plan.period, expected_agencies)
    if plan.source_kind not in (None, counted.source_kind):
        raise ReleaseError(
            f"expected figures of the source kind {plan.source_kind}, which is what is collected", code="source-kind"
        )
    for cell in counted.cells:
        if cell.count is None:
            raise ReleaseError(
                f"expected every cell of {table.id} for {plan.period.label} to be collected; {cell.code} is not. A "
                "sealed total has no place for a gap: enter a 0 where there was none, or leave this collection out",
                code="not-collected",
            )
        if cell.count > plan.maximum:
            raise ReleaseError(
                f"expected at most {plan.maximum} in each cell of this collection; {cell.code} has more",
                code="count-too-large",
            )
    return counted


def _table_of(batch: AgreedBatch, policy: PolicyBody) -> TableDefinition:
    table = policy.find_table(batch.plan.table.id, batch.plan.table.version)
    if table is None:
        raise ReleaseRuleError("expected a table of the policy", code=ProblemCode.UNKNOWN_TABLE)
    return table


def counts_of(counted: FrequencyTable) -> list[int]:
    """In the order of the grid; `count` has looked that none is missing."""
    return [cell.count for cell in counted.cells if cell.count is not None]


# --- whether it is what it was -------------------------------------------------------------------------------------


def batch_of(request: ReleaseRequest) -> str:
    """The digest of the collection that a share's request is for."""
    return ShareBody.from_bytes(request.body).batch


def check_open_still(session: Session, request: ReleaseRequest, desk: Desk, now: datetime) -> CheckedBatch:
    """What is asked again before a share is signed. Raises as `check_may_send`."""
    batches = Batches(session)
    reading = get_reading(batches, batch_of(request))
    return check_may_send(session, batches, reading, desk, now, request=request.id)


def check_unchanged(session: Session, request: ReleaseRequest, desk: Desk, now: datetime) -> FrequencyTable:
    """The counts that are in a share: those of the records of now, out of which the very same bytes come.

    Raises ReviewError (`records-changed`) when other bytes come out of them, and as `check_may_send` and `count`.
    """
    checked = check_open_still(session, request, desk, now)
    return prove(session, request, checked, desk)


def prove(session: Session, request: ReleaseRequest, checked: CheckedBatch, desk: Desk) -> FrequencyTable:
    """Make the share again from the stored randomness and compare. Raises ReviewError (`records-changed`)."""
    body = ShareBody.from_bytes(request.body)
    made = share_store.find(session, body.batch)
    if made is None or made.randomness is None:
        raise ReviewError("expected the randomness of this share, which is erased once it was sent", code="erased")
    changed = ReviewError(
        "expected the records that the two halves were made from; they have changed since. Take the request back and "
        "ask again: it costs nothing more",
        code=RECORDS_CHANGED,
    )
    try:
        counted = count(session, checked.batch, desk.policy, body.coverage.expected)
        frame = ShareFrame(counted.source_kind, counted.coverage, body.review, body.ledger)
        again = make_share(checked, counts_of(counted), frame, randomness=made.randomness)
    except (NodeError, ContractError):
        raise changed from None
    if again.to_bytes() != request.body:
        raise changed
    return counted


# --- afterwards ----------------------------------------------------------------------------------------------------


def settle(session: Session, name: str, now: datetime) -> None:
    """Write down what became of this city's shares, and erase the randomness of those that need it no more."""
    unsettled = list(share_store.list_unsettled(session))
    if not unsettled:
        return
    batches, own = Batches(session), share_store.own_shares(session, unsettled)
    for digest in unsettled:
        for reading in batches.find(digest):
            standing = standing_of(reading, name, own.get(digest), now)
            outcome = share_outcomes.FREE if standing in FREE else None
            outcome = share_outcomes.COUNTED if standing in (Standing.ACCEPTED, Standing.OPENED) else outcome
            is_delivered = digest in own and own[digest].delivered
            if outcome is not None or is_delivered:
                share_store.settle(session, digest, outcome=outcome, erase=True, now=now)


def is_open(request: ReleaseRequest) -> bool:
    return request.state in (RequestState.REQUESTED, RequestState.APPROVED, RequestState.HELD)

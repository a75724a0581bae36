"""Asking for a share of a sealed total: one charge, one draw of randomness, and exactly the bytes that will be signed.

    request = request_share(session, digest, "anna", desk=desk, expected_agencies=4, randomness=drawn, now=now)
    release.approve(session, request.id, "bert", {}, now, desk=desk)

From here on it goes the way of every release (`release`). A second person sees the counts that are in it, proved anew.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from local_node import audit, ledger, release, request_store, share_outcomes, share_store, shares
from local_node.errors import ReleaseError
from local_node.review import ReleaseRequest
from local_node.sealed_batches import Batches
from local_node.shares import Desk
from shared_schema.sealed.city import ShareFrame, make_share
from shared_schema.statement import Audience, Kind
from shared_schema.trend import LedgerReference

NO_RANDOMNESS: Final = "share-lost"


def request_share(
    session: Session,
    digest: str,
    person: str,
    *,
    desk: Desk,
    expected_agencies: int,
    randomness: bytes,
    now: datetime,
) -> ReleaseRequest:
    """Ask for this city's share of one collection, in the caller's write transaction.

    The ledger is charged here, once for a table and period however often its share has to be sent. A refused request
    leaves the entry and the randomness: whoever asks again pays nothing, and the same counts give the same bytes.

    Raises NodeError or ContractError and changes nothing: a collection that does not hold, is closed or not wanted,
    figures that have left before in any way, a cell that was not collected, a budget that is spent, no second person.
    """
    note = release.review_note(session, person)
    batches = Batches(session)
    reading = shares.get_reading(batches, digest)
    checked = shares.check_may_send(session, batches, reading, desk, now)  # 1. a collection that this city may send to
    plan = checked.batch.plan
    counted = shares.count(session, checked.batch, desk.policy, expected_agencies)  # 2. the true counts; they end here
    is_known = ledger.find_share(session, counted.table, plan.period) is not None
    entry = ledger.charge_share(  # 3. one charge
        session,
        counted,
        epsilon_milli=plan.epsilon_milli,
        policy=desk.policy,
        protection=desk.rules.protection,
        now=now,
    )
    subject = share_outcomes.subject_of(plan.table.id, plan.table.version, plan.period.label, reading.digest)
    if not is_known:
        audit.append(session, person, "ledger.charged", f"{entry.seq}/{subject}", now)
    kept = share_store.keep(session, reading.digest, plan.table, plan.period, entry.seq, randomness, now)  # 4. one draw
    if kept is None:
        raise ReleaseError("expected randomness that is here still: the share was sent", code=NO_RANDOMNESS)
    place = LedgerReference(seq=entry.seq, head=entry.entry_hash, prev=entry.prev_hash)
    frame = ShareFrame(counted.source_kind, counted.coverage, note, place)
    body = make_share(checked, shares.counts_of(counted), frame, randomness=kept)  # 5. exactly what will be signed
    return request_store.add_request(
        session,
        kind=Kind.SHARE,
        audience=Audience.HUB,
        body=body.to_bytes(),
        findings=(),
        subject=subject,
        person=person,
        now=now,
    )

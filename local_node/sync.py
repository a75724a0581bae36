"""Push and pull: what is waiting goes to the hub, what is new comes from it.

The hub may be hostile and the network may fail at any moment. Nothing counts as delivered before its receipt has been
verified, nothing is stored before its page has been verified, and no transaction stays open while the network is
waited for. A hub that contradicts itself raises an alarm: the pull stops, keeps everything it has and its place, and
the first honest page after that resolves the alarm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node import feed_gaps, hub_client, hub_place, inbox, item_store, mirror, outbox, watch
from local_node.head_checks import Checks, check_receipts, is_longer_elsewhere
from local_node.hub_client import PinnedHub
from local_node.orm import AlarmRow
from local_node.outbox import ClaimedItem
from local_node.trust import Trust
from shared_schema.entry import Receipt
from shared_schema.envelope import Envelope, envelope_from_object, parse_envelope
from shared_schema.errors import ContractError, FeedError, VerificationError
from shared_schema.feed import FeedItem, FeedState, parse_page, verify_page
from shared_schema.messages import N_
from shared_schema.problem import ProblemCode
from shared_schema.relay import is_request, verify_relay_receipt
from shared_schema.service.database import Database
from shared_schema.service.head_watch import HeadsDiffer, Watched, check_witnesses, evidence_of, explain, listen
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable
from shared_schema.service.logging import get_logger
from shared_schema.statement import Kind

Clock = Callable[[], datetime]

FINAL_REFUSALS = frozenset(
    {
        ProblemCode.MALFORMED_JSON,
        ProblemCode.NOT_CANONICAL,
        ProblemCode.TOO_LARGE,
        ProblemCode.SCHEMA,
        ProblemCode.TEXT,
        ProblemCode.NO_SIGNATURE,
        ProblemCode.BAD_SIGNATURE,
        ProblemCode.KIND_MISMATCH,
        ProblemCode.WRONG_ORIGIN,
        ProblemCode.KIND_NOT_ALLOWED,
        ProblemCode.SEQ_CONFLICT,
        ProblemCode.SEQ_TOO_LOW,
        ProblemCode.RELEASE_RULE,
        ProblemCode.UNKNOWN_TABLE,
        ProblemCode.GRID_MISMATCH,
        ProblemCode.PRIVACY_FLOOR,
        ProblemCode.PRIVACY_BUDGET,
        ProblemCode.BAD_SHARE,
        ProblemCode.SAME_OPERATOR,
        ProblemCode.BATCH_TERMS,
        ProblemCode.BATCH_STATE,
        ProblemCode.ALREADY_ANSWERED,
    }
)
"""What a hub says about the statement itself. Every other 4xx is about the member or the way there (suspended, clock,
wrong host, a page of a proxy): it would hit the next statement just as well, so everything waits and nothing is lost.
"""
FINAL_IN_CONFIDENCE = frozenset({ProblemCode.NOT_FOUND, ProblemCode.METHOD_NOT_ALLOWED})
"""A hub that relays nothing, or does not know what is taken back: nothing else may wait behind it."""
GAPS_A_ROUND = 20
MAX_PAGES_A_ROUND = 10_000
UNREACHABLE = "unreachable"
FALSE_RECEIPT = ProblemCode.RECEIPT.value
NOT_ACCEPTED = "not-accepted"
NOT_SERVED = "not-served"
LEDGER_RESTORED = "ledger-restored"
KEY_TAKEN = "key-taken"
TOO_OLD = ProblemCode.SOFTWARE_TOO_OLD.value
TWO_CONTENTS = ProblemCode.SEQ_CONFLICT.value
PUSH_ALARMS = (FALSE_RECEIPT, NOT_ACCEPTED)
HEAD_ALARMS = (
    ProblemCode.STALE_HEAD.value,
    ProblemCode.TOO_FEW_WITNESSES.value,
    ProblemCode.RECEIPT_NOT_IN_LOG.value,
)
"""An honest page does not end them by itself: they are about what stands beside it."""
KEPT_BY_A_FEED = (*PUSH_ALARMS, *HEAD_ALARMS, LEDGER_RESTORED, TOO_OLD, TWO_CONTENTS, KEY_TAKEN)
"""Alarms that an honest feed says nothing about."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about a hub that a person has to know."""

    hub: str
    code: str
    message: str
    raised_at: datetime
    resolved_at: datetime | None

    @property
    def sentence(self) -> str:
        """What it means, in plain words; `message` says what exactly was expected."""
        return SENTENCES.get(self.code, self.message)


@dataclass(slots=True)
class SyncReport:
    """What one round with one hub did. `problem` says why it ended early."""

    hub: str
    pushed: int = 0
    refused: int = 0
    pulled: int = 0
    quarantined: int = 0
    problem: str | None = None


# --- push ----------------------------------------------------------------------------------------------------------


def push(database: Database, hub: PinnedHub, api: HubApi, clock: Clock, *, patient: bool = True) -> SyncReport:
    """Send what is waiting for `hub`, in order, until nothing is due or the hub cannot be reached.

    A statement that the hub refuses does not hold up those behind it.
    """
    report = SyncReport(hub.name)
    while report.problem is None:
        with database.write() as session:
            item = outbox.claim_next(session, hub.name, clock(), patient=patient)
        if item is None:
            break
        _send(database, hub, api, clock, item, report)
    return report


def _send(database: Database, hub: PinnedHub, api: HubApi, clock: Clock, item: ClaimedItem, report: SyncReport) -> None:
    """Send one item and settle its row, whatever happens."""
    try:
        receipt = _hand_in(hub, api, item)
    except HubUnreachable as error:
        report.problem = UNREACHABLE
        _put_back(database, item, UNREACHABLE, clock(), retry_after=error.retry_after)
    except HubRefused as error:
        if error.code in _final_for(item):
            report.refused += 1
            with database.write() as session:
                outbox.mark_refused(session, item, error.code)
            get_logger().warning("statement-refused", hub=hub.name, digest=item.digest, code=error.code)
        else:
            report.problem = TOO_OLD if error.code == TOO_OLD else NOT_ACCEPTED
            _put_back(database, item, _code_of(error), clock(), alarm=report.problem)
    except VerificationError:
        report.problem = FALSE_RECEIPT
        _put_back(database, item, FALSE_RECEIPT, clock(), alarm=FALSE_RECEIPT)
    else:
        report.pushed += 1
        with database.write() as session:
            outbox.mark_delivered(session, item, receipt)
            if isinstance(receipt, Receipt):
                mirror.note_receipt(session, hub.name, hub.pin.verify_receipt(receipt, item.digest), receipt.checkpoint)
            resolve_alarms(session, hub.name, clock(), codes=PUSH_ALARMS)


def _hand_in(hub: PinnedHub, api: HubApi, item: ClaimedItem) -> Receipt | Envelope:
    """Send one item on its own way, and return its receipt, verified."""
    if not _is_confidential(item):
        receipt = api.submit(item.envelope)
        hub.pin.verify_receipt(receipt, item.digest)
        return receipt
    sealed = api.relay(item.envelope)
    verify_relay_receipt(sealed, hub=hub.name, keys=hub.pin.keys, digest=item.digest)
    return sealed


def _is_confidential(item: ClaimedItem) -> bool:
    return is_request(parse_envelope(item.envelope))


def _final_for(item: ClaimedItem) -> frozenset[str]:
    """What a hub may say of this item that no retry changes."""
    if _is_confidential(item):
        return FINAL_REFUSALS | FINAL_IN_CONFIDENCE
    if parse_envelope(item.envelope).kind == Kind.WITHDRAWAL.value:
        return FINAL_REFUSALS | {ProblemCode.NOT_FOUND}  # the item never came there
    return FINAL_REFUSALS


def _put_back(
    database: Database,
    item: ClaimedItem,
    reason: str,
    now: datetime,
    *,
    retry_after: int | None = None,
    alarm: str | None = None,
) -> None:
    with database.write() as session:
        outbox.put_back(session, item, reason, now, retry_after=retry_after)
        if alarm is not None:
            raise_alarm(session, item.hub, alarm, SENTENCES[alarm], now)


def _code_of(error: HubRefused) -> str:
    """The code of a problem document, if it is one that we know; a hub's own words are not stored."""
    return error.code if error.code in list(ProblemCode) else f"status-{error.status}"


# --- pull ----------------------------------------------------------------------------------------------------------


NO_CHECKS = Checks()


def pull(database: Database, hub: PinnedHub, api: HubApi, clock: Clock, checks: Checks = NO_CHECKS) -> SyncReport:
    """Read the feed of `hub` to its end, and look whether it is the log that everybody sees.

    Stops with an alarm, and keeps everything, when the feed is not what it was, hides what is meant for this node, does
    not hold what it gave a receipt for, or is another log than the one that is known elsewhere. What is only old, or
    has too few witnesses, is an alarm and is read.
    """
    report = SyncReport(hub.name)
    with database.read() as session:
        state = hub_place.load_state(session, hub.verifier)
        watched = watch.load(session, hub.name)
        trust = hub_place.load_trust(session, hub_place.get_pin(session, hub.name))
        is_disputed = any(item.hub == hub.name and item.code == ProblemCode.FEED_FORK for item in list_alarms(session))
    faults: dict[str, str] = {}
    try:
        if is_disputed:  # 1. two logs were seen: nothing more is read before that is settled
            _check_heads(database, api, clock, checks, state, watched)
        state, watched = _read_pages(database, api, clock, checks, state, watched, trust, report)  # 2. what is new
        _close_gaps(database, api, clock, state, trust, report)  # 3. what was kept back
        faults, longer = _check_heads(database, api, clock, checks, state, watched)  # 4. receipts, and other places
        if longer:  # it may have grown since
            state, watched = _read_pages(database, api, clock, checks, state, watched, trust, report)
            faults, _ = _check_heads(database, api, clock, checks, state, watched)
    except FeedError as error:
        if not _is_restored(database, hub, api, report):
            _stop(database, report, error.code, error.message, clock())
            if isinstance(error, HeadsDiffer):
                _keep_evidence(database, api, error, state, watched, clock())
    except HubRefused as error:
        if error.code == ProblemCode.BAD_CURSOR:  # it says that its log is shorter than what it once signed
            if not _is_restored(database, hub, api, report):
                _stop(database, report, ProblemCode.FEED_ROLLBACK, SENTENCES[ProblemCode.FEED_ROLLBACK], clock())
        else:
            report.problem = _code_of(error)
            note_not_served(database, hub, clock())
    except HubUnreachable as error:
        if error.code != ProblemCode.LOG_BEHIND or not _is_restored(database, hub, api, report):
            report.problem = UNREACHABLE
    else:
        _settle(database, hub, clock(), dict(watched.times.find_faults(checks.policy, clock())) | faults)
    return report


def _is_restored(database: Database, hub: PinnedHub, api: HubApi, report: SyncReport) -> bool:
    """Bring the hub back what it has lost; False when it does not say that it is being restored."""
    if not mirror.bring_back(database, hub.name, api):
        return False
    report.problem = ProblemCode.LOG_BEHIND.value
    return True


def _check_heads(
    database: Database, api: HubApi, clock: Clock, checks: Checks, state: FeedState, watched: Watched
) -> tuple[dict[str, str], bool]:
    """What is wrong by the receipts and by what others know, and whether those know a longer log."""
    faults: dict[str, str] = {}
    if check_receipts(database, api, state, watched, clock()):
        faults[ProblemCode.RECEIPT_NOT_IN_LOG] = "expected the entries of all receipts within an hour"
    longer = is_longer_elsewhere(database, checks, api, state, watched)
    if longer:
        faults[ProblemCode.STALE_HEAD] = f"expected more than {state.seen_size} entries: elsewhere more are known"
    return faults, longer


def _keep_evidence(
    database: Database, api: HubApi, error: HeadsDiffer, state: FeedState, watched: Watched, now: datetime
) -> None:
    try:
        evidence = evidence_of(error, state, watched, api, now)
    except ContractError:  # one of them was signed with an earlier key of the hub
        return
    with database.write() as session:
        watch.keep_evidence(session, evidence, error.code.value, now)


def _settle(database: Database, hub: PinnedHub, now: datetime, faults: Mapping[str, str]) -> None:
    """An honest feed ends the alarms about it, but for those that say what is missing beside it."""
    with database.write() as session:
        hub_client.mark_success(session, hub.name, now)
        resolve_alarms(session, hub.name, now, codes=None)
        resolve_alarms(session, hub.name, now, codes=tuple(code for code in HEAD_ALARMS if code not in faults))
        for code, message in faults.items():
            raise_alarm(session, hub.name, str(code), message, now)


def _read_pages(
    database: Database,
    api: HubApi,
    clock: Clock,
    checks: Checks,
    state: FeedState,
    watched: Watched,
    trust: Trust,
    report: SyncReport,
) -> tuple[FeedState, Watched]:
    for _ in range(MAX_PAGES_A_ROUND):
        state, after, items, note = _read_page(database, api, clock, state, watched)
        check_witnesses(note, checks.policy, clock())
        item_store.check_nothing_hidden(items)
        heard = listen(api, state.verifier, note, watched, checks.policy)
        if after != state or heard != watched:
            with database.write() as session:
                if after != state:
                    stored = item_store.store_page(session, state, after, items, trust=trust, now=clock(), note=note)
                    report.pulled += len(items)
                    report.quarantined += stored.quarantined
                    if stored.conflicts:
                        raise_alarm(session, report.hub, TWO_CONTENTS, SENTENCES[TWO_CONTENTS], clock())
                    if stored.pin is not None:
                        after = replace(after, verifier=stored.pin.verifier)
                watch.keep(session, state.verifier.name, heard)
        state, watched = after, heard
        # Whoever asks from behind a withdrawal has confirmed it: so once more, when the last page brought one.
        if state.next_index == state.seen_size and not any(item.entry.kind is Kind.WITHDRAWAL for item in items):
            break
    return state, watched


def _read_page(
    database: Database, api: HubApi, clock: Clock, state: FeedState, watched: Watched
) -> tuple[FeedState, FeedState, list[FeedItem], str]:
    """The next page with the states before and after it, and its checkpoint as the hub signed it.

    A hub that signs with another key than the pinned one must show how that key was handed on, step by step from the
    pinned one. Raises FeedError, with both signed heads where it is about two that do not fit together.
    """
    page = parse_page(api.feed(state.next_index, state.seen_size))
    try:
        return (state, *verify_page(state, page), page.checkpoint)
    except FeedError as error:
        if error.code is not ProblemCode.FEED_CHECKPOINT:
            raise explain(error, state, watched, page) from None
        with database.read() as session:
            pin = hub_place.get_pin(session, state.verifier.name)
        try:
            moved = pin.follow_chain(api.identity().rotations)
        except ContractError:
            raise error from None
        if moved == pin:
            raise
    state = replace(state, verifier=moved.verifier)
    try:
        after, items = verify_page(state, page)
    except FeedError as error:
        raise explain(error, state, watched, page) from None
    with database.write() as session:
        hub_place.move_pin(session, moved, clock())
    get_logger().info("hub-key-moved", hub=moved.name, keyid=moved.verifier.key.keyid)
    return state, after, items, page.checkpoint


def _close_gaps(
    database: Database, api: HubApi, clock: Clock, state: FeedState, trust: Trust, report: SyncReport
) -> None:
    """Ask again for what is said to be withdrawn without a withdrawal in the log.

    Raises FeedError when the hub still keeps it back.
    """
    with database.read() as session:
        gaps = feed_gaps.find_gaps(session, state.verifier.name, GAPS_A_ROUND)
        lost = feed_gaps.find_gaps(session, state.verifier.name, GAPS_A_ROUND, why=inbox.LOST)
    for index, digest in (*gaps, *lost):
        page = parse_page(api.feed(index, state.seen_size))
        shown = page.entries[0].envelope if page.entries else None
        if shown is None and (index, digest) in lost:
            continue
        if shown is None:
            raise FeedError(
                f"expected a withdrawal for entry {index}, whose content the hub does not show",
                code=ProblemCode.FEED_ENTRY,
            )
        try:
            envelope = envelope_from_object(shown)
        except ContractError as error:
            raise FeedError(error.message, code=ProblemCode.FEED_ENTRY) from None
        if envelope.digest != digest:
            raise FeedError(f"expected the envelope of entry {index}", code=ProblemCode.FEED_ENTRY)
        with database.write() as session:
            feed_gaps.fill_gap(session, envelope, trust)


def note_not_served(database: Database, hub: PinnedHub, now: datetime) -> None:
    """Raise the alarm that a hub does not answer one of its members."""
    with database.write() as session:
        raise_alarm(session, hub.name, NOT_SERVED, SENTENCES[NOT_SERVED], now)


def _stop(database: Database, report: SyncReport, code: ProblemCode, message: str, now: datetime) -> None:
    report.problem = code.value
    with database.write() as session:
        raise_alarm(session, report.hub, code.value, message[:600], now)
    get_logger().error("feed-contradicts-itself", hub=report.hub, code=code.value)


# --- alarms --------------------------------------------------------------------------------------------------------

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        ProblemCode.FEED_FORK: N_("its log does not continue what it showed before: something was dropped or changed"),
        ProblemCode.FEED_ROLLBACK: N_("its log is shorter than the one that it signed before"),
        ProblemCode.FEED_ENTRY: N_("it shows contents that do not fit its log, or hides some that are meant for us"),
        ProblemCode.FEED_CHECKPOINT: N_("what it shows was not signed with its own key"),
        FALSE_RECEIPT: N_("it gave a receipt that does not prove that it logged our statement"),
        NOT_ACCEPTED: N_("it does not take our statements at present; everything waits here"),
        TWO_CONTENTS: N_("it hands on two contents for one number of an author; both are kept as evidence"),
        NOT_SERVED: N_("it does not show us its log at present"),
        KEY_TAKEN: N_("its log names a key as ours that this node does not have: somebody else may have put it there"),
        TOO_OLD: N_("its rules ask for a newer program; update this one. Everything waits here, and reading goes on"),
        LEDGER_RESTORED: N_("it has releases of ours that this data directory, which is older, does not know"),
        ProblemCode.STALE_HEAD: N_("what it shows may be an old state of its log, or only a part of it"),
        ProblemCode.TOO_FEW_WITNESSES: N_("fewer witnesses vouch for its log than this node asks for"),
        ProblemCode.RECEIPT_NOT_IN_LOG: N_(
            "its log does not show a statement of ours, though it gave a receipt for it"
        ),
    }
)
"""What an alarm means, in plain words, by its code."""


def raise_alarm(session: Session, hub: str, code: str, message: str, now: datetime) -> None:
    """Raise an alarm; one that is open already is not repeated."""
    known = session.scalars(
        select(AlarmRow.id).where(AlarmRow.hub == hub, AlarmRow.code == code, AlarmRow.resolved_at.is_(None))
    ).first()
    if known is None:
        session.add(AlarmRow(hub=hub, code=code, message=message, raised_at=now))


def resolve_alarms(session: Session, hub: str, now: datetime, *, codes: tuple[str, ...] | None) -> None:
    """Mark open alarms as resolved: those of `codes`, or, for None, all that an honest feed settles."""
    about = AlarmRow.code.not_in(KEPT_BY_A_FEED) if codes is None else AlarmRow.code.in_(codes)
    session.execute(
        update(AlarmRow)
        .where(AlarmRow.hub == hub, AlarmRow.resolved_at.is_(None), about)
        .values(resolved_at=now)
        .execution_options(synchronize_session=False)
    )


def list_alarms(session: Session, *, only_open: bool = True, limit: int = 100) -> tuple[Alarm, ...]:
    """Alarms, newest first."""
    query = select(AlarmRow).order_by(AlarmRow.id.desc()).limit(limit)
    if only_open:
        query = query.where(AlarmRow.resolved_at.is_(None))
    return tuple(
        Alarm(row.hub, row.code, row.message, row.raised_at, row.resolved_at) for row in session.scalars(query)
    )

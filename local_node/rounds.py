"""One round of sync with every hub: read what is new, change the key if asked, sign what was approved, send what waits.

Only one round runs at a time. Nothing is signed before the hubs have said which `seq` they know from this node, so a
node that was restored from an old backup never uses a number twice; a hub that was asked once since the start does not
hold up signing when it is away later. A patient round leaves a hub alone that did not answer lately.

The hubs also say up to which entry of this node's ledger they have releases. A ledger without that very entry is older
than what was released: that raises an alarm, and no figures are drawn (`verbs.spending`).
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import (
    head_cosigning,
    hub_client,
    inbox,
    mirror,
    outbox,
    own_keys,
    own_statements,
    policy_news,
    recalls,
    request_store,
    share_store,
    sync,
    withdrawals,
)
from local_node.head_checks import Checks
from local_node.head_cosigning import HeadCosigner
from local_node.hub_client import PinnedHub
from local_node.key_ring import KeyRing
from local_node.orm import LedgerRow
from local_node.outbox import LONGEST_WAIT, wait_after
from local_node.own_keys import HowChanged
from local_node.review import RequestState
from local_node.sealed_rules import SealedRules
from shared_schema.head_times import HeadPolicy
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable, MemberState

NONCE_BYTES = 18
NOT_A_MEMBER_YET = "not-a-member-yet"
LONGEST_RECOVERY = timedelta(days=7)
"""A hub that says for longer than this that it is being restored may only be hiding: then a person has to know."""


@dataclass(slots=True)
class RoundReport:
    """What a round did over all hubs. `problems` says of a hub why its part ended early."""

    signed: int = 0
    held: int = 0
    pushed: int = 0
    refused: int = 0
    pulled: int = 0
    quarantined: int = 0
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Silence:
    """How often in a row a hub did not answer, and when it is asked again."""

    failures: int = 0
    next_try_at: datetime | None = None


class Rounds:
    """Runs rounds for one node, and remembers between them what the hubs said."""

    def __init__(
        self,
        database: Database,
        name: str,
        ring: KeyRing,
        clock: Callable[[], datetime],
        transport: httpx.BaseTransport | None = None,
        policy: HeadPolicy | None = None,
        head_cosigner: HeadCosigner | None = None,
        rules: SealedRules | None = None,
    ) -> None:
        self._rules = rules or SealedRules(name)
        self._head_cosigner = head_cosigner
        self._database = database
        self._name = name
        self._ring = ring
        self._clock = clock
        self._transport = transport
        self._checks = Checks(
            policy or HeadPolicy(),
            lambda url: hub_client.connect(url, self._ring.current, self._clock, self._transport),
        )
        self._lock = threading.Lock()
        self._states: dict[str, MemberState] = {}
        self._silences: dict[str, Silence] = {}

    def run(self, *, patient: bool = False) -> RoundReport:
        """One round. It never raises because of a hub: what went wrong there is in the report and in the alarms."""
        report = RoundReport()
        with self._lock:
            with self._database.write() as session:
                outbox.take_up_again(session)  # nobody else is sending: this lock, and the lock of the directory
            reached = [hub for hub in self._hubs() if self._may_ask(hub, patient) and self._read(hub, report)]
            withdrawals.erase_what_came_back(self._database, self._clock())
            self._change_key(reached, report)
            self._sign_again()
            self._sign(report)
            for hub in reached:
                self._send(hub, report, patient)
            self._settle_shares()
        return report

    def _hubs(self) -> Sequence[PinnedHub]:
        with self._database.read() as session:
            hubs = hub_client.list_hubs(session)
        return hub_client.nearest_first(hubs)

    def _connect(self, hub: PinnedHub, key: SigningKey | None = None) -> HubApi:
        return hub_client.connect(hub.url, key or self._ring.current, self._clock, self._transport)

    # --- 1. read ----------------------------------------------------------------------------------------------------

    def _read(self, hub: PinnedHub, report: RoundReport) -> bool:
        """Ask who we are to the hub, then read its feed. False when nothing can be sent there now."""
        try:
            with self._connect(hub, self._key_for_reading(hub)) as api:
                state = self._hear(hub, api)
                self._remember_enrolment(hub)
                if state.missing:
                    mirror.bring_contents(self._database, hub.name, api)
                pulled = sync.pull(self._database, hub, api, self._clock, self._checks)
                if pulled.problem is None:
                    self._vouch(hub, api)
        except HubUnreachable as error:
            report.problems[hub.name] = self._why_unreachable(hub, error)
            self._note_silence(hub, error.retry_after)
            return False
        except HubRefused as error:
            report.problems[hub.name] = error.code if hub.enrolled else NOT_A_MEMBER_YET
            if hub.enrolled:
                sync.note_not_served(self._database, hub, self._clock())
            return False
        if pulled.pulled:
            with self._database.write() as session:
                own_statements.take_back(session, self._name, hub.name, hub.read, self._clock())
        report.pulled += pulled.pulled
        report.quarantined += pulled.quarantined
        if pulled.problem is not None:
            report.problems[hub.name] = pulled.problem
        if pulled.problem == sync.UNREACHABLE:
            self._note_silence(hub, None)
            return False
        if pulled.pulled:
            self._check_own_key(hub)
        self._silences.pop(hub.name, None)
        if pulled.problem is None:
            with self._database.write() as session:
                policy_news.note_policy(session, hub.name, self._clock())
        return pulled.problem != ProblemCode.LOG_BEHIND

    def _vouch(self, hub: PinnedHub, api: HubApi) -> None:
        """Cosign the head that was just verified, if this node does such a thing."""
        if self._head_cosigner is None:
            return
        with self._database.read() as session:
            codes = [alarm.code for alarm in sync.list_alarms(session) if alarm.hub == hub.name]
            text = head_cosigning.find_verified(session, hub.name, codes)
        if text is not None:
            self._head_cosigner.vouch(text, hub.name, api, self._ring.current, self._clock())

    def _why_unreachable(self, hub: PinnedHub, error: HubUnreachable) -> str:
        """A hub that is being restored gets back what this node has of its log, and is no reason for an alarm."""
        if error.code != ProblemCode.LOG_BEHIND:
            return sync.UNREACHABLE
        self._states.pop(hub.name, None)  # what it knew of this node before, it may not know now
        with self._connect(hub) as api:
            restored = mirror.bring_back(self._database, hub.name, api)
        silent_since = hub.last_success_at or self._clock()
        if not restored or self._clock() - silent_since > LONGEST_RECOVERY:
            sync.note_not_served(self._database, hub, self._clock())
        return ProblemCode.LOG_BEHIND.value

    def _key_for_reading(self, hub: PinnedHub) -> SigningKey:
        """The one in use; or the one that is to come after it, as soon as the hub knows that one instead.

        Raises HubUnreachable.
        """
        with self._database.read() as session:
            change = own_keys.find_change(session)
        new = self._ring.find_next()
        if change is None or new is None:
            return self._ring.current
        if change.how is HowChanged.ROTATE:  # this hub may take the old one no more, while another is still away
            return new if self._shows(hub, new.public.keyid) else self._ring.current
        try:
            with self._connect(hub, new) as api:
                api.member_state()
        except HubRefused:
            return self._ring.current
        return new

    def get_state(self, hub: PinnedHub, *, ask_again: bool = False) -> MemberState:
        """What a hub knows of this node: what it said since the start, or else (or to be asked again) says now.

        Raises HubUnreachable, HubRefused.
        """
        known = self._states.get(hub.name)
        if known is None or ask_again:
            with self._connect(hub) as api:
                known = self._hear(hub, api)
        return known

    def _hear(self, hub: PinnedHub, api: HubApi) -> MemberState:
        """Ask a hub what it knows of this node, and look whether the ledger does."""
        state = api.member_state()
        self._states[hub.name] = state
        with self._database.read() as session:
            known, alarms = holds_entry(session, state), sync.list_alarms(session)
        is_open = any((alarm.hub, alarm.code) == (hub.name, sync.LEDGER_RESTORED) for alarm in alarms)
        if known == is_open:
            with self._database.write() as session:
                if known:
                    sync.resolve_alarms(session, hub.name, self._clock(), codes=(sync.LEDGER_RESTORED,))
                else:
                    message = f"expected the ledger to hold entry {state.ledger_seq}"
                    sync.raise_alarm(session, hub.name, sync.LEDGER_RESTORED, message, self._clock())
        return state

    def _check_own_key(self, hub: PinnedHub) -> None:
        """Whether a hub's log still names a key of this node: a thief of the old one could have put its own there."""
        with self._database.read() as session:
            directory = own_keys.load_directory(session, hub_client.get_hub(session, hub.name).pin)
        member, new = directory.find(self._name), self._ring.find_next()
        mine = [key.public for key in (self._ring.current, new) if key is not None]
        with self._database.write() as session:
            if member is None or member.key in mine:
                sync.resolve_alarms(session, hub.name, self._clock(), codes=(sync.KEY_TAKEN,))
            else:
                message = f"expected a key of this node, the log names {member.key.keyid}"
                sync.raise_alarm(session, hub.name, sync.KEY_TAKEN, message, self._clock())

    def _remember_enrolment(self, hub: PinnedHub) -> None:
        if not hub.enrolled:
            with self._database.write() as session:
                hub_client.mark_enrolled(session, hub.name, enrolled=True)

    def _may_ask(self, hub: PinnedHub, patient: bool) -> bool:
        silence = self._silences.get(hub.name)
        due = silence is None or silence.next_try_at is None or silence.next_try_at <= self._clock()
        return due or not patient

    def _note_silence(self, hub: PinnedHub, retry_after: int | None) -> None:
        silence = self._silences.setdefault(hub.name, Silence())
        wait = max(wait_after(silence.failures), timedelta(seconds=retry_after or 0))
        silence.failures += 1
        silence.next_try_at = self._clock() + min(wait, LONGEST_WAIT)

    # --- 2. change the key --------------------------------------------------------------------------------------------

    def _change_key(self, reached: Sequence[PinnedHub], report: RoundReport) -> None:
        """Ask for what is not in a hub's log yet, and use the new key when it is.

        A rotated key waits for every hub, because each of them takes the old one meanwhile; when one of them has ended
        the old one, it waits no longer for those that are away. A key that replaces a lost one is used as soon as one
        hub says so: the old one is worth nothing there.
        """
        with self._database.read() as session:
            change = own_keys.find_change(session)
        new = self._ring.find_next()
        if change is None or new is None or new.public.keyid != change.keyid:
            return
        if change.request is not None:
            for hub in reached:
                if not self._shows(hub, change.keyid):
                    self._ask_for_rotation(hub, change.request, report)
        with self._database.read() as session:
            hubs = [hub for hub in hub_client.list_hubs(session) if hub.enrolled]
        shown = [self._shows(hub, change.keyid) for hub in hubs]
        is_urgent = change.how is HowChanged.REPLACE or any(map(self._has_ended_current, hubs))
        if any(shown) if is_urgent else shown and all(shown):
            with self._database.write() as session:
                own_keys.finish(session, change.keyid, self._clock())
            self._ring.promote()

    def _ask_for_rotation(self, hub: PinnedHub, request: bytes, report: RoundReport) -> None:
        try:
            with self._connect(hub) as api:
                api.rotate_key(request)
                pulled = sync.pull(self._database, hub, api, self._clock)
        except HubUnreachable:
            report.problems[hub.name] = sync.UNREACHABLE
        except HubRefused as error:
            report.problems[hub.name] = error.code
        else:
            report.pulled += pulled.pulled
            report.quarantined += pulled.quarantined

    def _shows(self, hub: PinnedHub, keyid: str) -> bool:
        with self._database.read() as session:
            directory = own_keys.load_directory(session, hub_client.get_hub(session, hub.name).pin)
        return own_keys.shows_key(directory, self._name, keyid)

    def _has_ended_current(self, hub: PinnedHub) -> bool:
        """Whether a hub's log says that the key in use counts no more."""
        with self._database.read() as session:
            directory = own_keys.load_directory(session, hub_client.get_hub(session, hub.name).pin)
        known = directory.find_key(self._ring.current.public.keyid)
        return known is not None and known.ended_at is not None

    def _sign_again(self) -> None:
        """What waits and was signed with a key that has ended meanwhile; when the home hub has said its highest seq."""
        home = next((hub for hub in self._hubs() if hub.enrolled), None)
        if home is None or home.name not in self._states:
            return
        with self._database.read() as session:
            if not outbox.waits_with_another_key(session, self._ring.current.public.keyid):
                return
        with self._database.write() as session:
            own_keys.sign_again(
                session,
                own_keys.load_directory(session, home.pin),
                name=self._name,
                key=self._ring.current,
                highest_seq=max(state.highest_seq for state in self._states.values()),
                nonces=_nonces(),
                now=self._clock(),
            )

    # --- 3. sign ----------------------------------------------------------------------------------------------------

    def _sign(self, report: RoundReport) -> None:
        """Sign what was approved, when every hub that it goes to has said which seq it knows."""
        hubs = [hub.name for hub in self._hubs() if hub.enrolled]
        if not hubs or not set(hubs) <= set(self._states):
            return
        self._sign_withdrawals(report, hubs)
        with self._database.read() as session:
            policy = inbox.current_policy(session, hubs[0])
            waiting = request_store.list_requests(session, RequestState.APPROVED)
        if policy is None or not waiting:
            return
        from local_node import release  # it brings OpenDP along, which takes half a second to load

        with self._database.write() as session:
            done = release.sign_approved(
                session,
                key=self._ring.current,
                origin=self._name,
                hubs=hubs,
                highest_seq=max(self._states[name].highest_seq for name in hubs),
                policy=policy,
                nonces=_nonces(),
                now=self._clock(),
                rules=self._rules,
            )
        report.signed += len(done.signed)
        report.held += len(done.held)

    def _sign_withdrawals(self, report: RoundReport, hubs: Sequence[str]) -> None:
        """What was taken back goes first, and needs no policy."""
        with self._database.read() as session:
            if not withdrawals.has_due(session):
                return
        with self._database.write() as session:
            report.signed += withdrawals.sign_due(
                session,
                key=self._ring.current,
                origin=self._name,
                highest_seq=max(self._states[name].highest_seq for name in hubs),
                nonces=_nonces(),
                now=self._clock(),
            )

    # --- 4. send ----------------------------------------------------------------------------------------------------

    def _send(self, hub: PinnedHub, report: RoundReport, patient: bool) -> None:
        with self._database.read() as session:
            hub = hub_client.get_hub(session, hub.name)  # its pinned key may have moved since the round began
        with self._connect(hub) as api:
            pushed = sync.push(self._database, hub, api, self._clock, patient=patient)
            if pushed.problem is None:
                recalls.ask(self._database, hub.name, api, self._clock)
        report.pushed += pushed.pushed
        report.refused += pushed.refused
        if pushed.problem is not None:
            report.problems[hub.name] = pushed.problem

    # --- 5. what became of sealed shares ------------------------------------------------------------------------------

    def _settle_shares(self) -> None:
        """Erase the randomness of what was delivered or has ended, and note who counts where."""
        with self._database.read() as session:
            if next(share_store.list_unsettled(session), None) is None:
                return
        from local_node import shares  # as above

        with self._database.write() as session:
            shares.settle(session, self._name, self._clock())


def holds_entry(session: Session, state: MemberState) -> bool:
    """Whether the ledger has the highest entry that a hub knows; also when the hub knows none, or cannot say."""
    if state.ledger_seq is None or state.ledger_head is None:
        return True
    return session.scalar(select(LedgerRow.entry_hash).where(LedgerRow.seq == state.ledger_seq)) == state.ledger_head


def _nonces() -> Iterator[str]:
    while True:
        yield secrets.token_urlsafe(NONCE_BYTES)

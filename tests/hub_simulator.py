"""A small hub in one process, honest until it is told to lie: the other side of every test of `sync`.

It keeps entries with real keys, real checkpoints and real proofs, and answers over an httpx transport, so the node's
own client, verification and storage run as they do against a real hub.

    hub = HubSimulator("sachsen.de", clock=clock)
    hub.enrol("leipzig.sn.de", key.public)
    api = HubApi(hub.url, key, clock, transport=hub)
    hub.lie = Lie.FLIP_BIT
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx

from shared_schema.canonical import encode, parse_strict
from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.content import PracticeBody
from shared_schema.cosignature import add_lines, announce_cosigner, cosign
from shared_schema.entry import LogEntry, Receipt
from shared_schema.envelope import Envelope, parse_envelope, verify_envelope
from shared_schema.errors import ContractError
from shared_schema.feed import FeedEntry, FeedPage
from shared_schema.governance import EnrolmentRequest, MembershipBody, PolicyBody, WithdrawalBody
from shared_schema.keys import MemberRole, MemberStatus, PublicKey, SigningKey
from shared_schema.merkle import (
    EMPTY_ROOT,
    completed_nodes,
    consistency_proof,
    inclusion_proof,
    range_hash,
)
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.relay import RelayedItem, RelayStanding, read_request, sign_receipt
from shared_schema.service.hub_api import HubApi
from shared_schema.service.problems import STATUS, problem_object
from shared_schema.service.signed_reads import verify_request
from shared_schema.statement import (
    Audience,
    Kind,
    Statement,
    StatementBody,
    format_time,
    make_statement,
    read_statement,
    sign_statement,
)
from shared_schema.witness import write_request

URL = "http://127.0.0.1:65535"
"""Nobody listens there: a test that forgets the transport fails at once."""
SAXONY = Area(scheme="NUTS", version="2024", code="DED")
Clock = Callable[[], datetime]


class Lie(StrEnum):
    """What a hub may do to its members; each has a test that shows that the node notices or survives it."""

    FLIP_BIT = "flip_bit"
    DROP_ENTRY = "drop_entry"
    SWAP_ENTRIES = "swap_entries"
    OLDER_CHECKPOINT = "older_checkpoint"
    WRONG_KEY = "wrong_key"
    HIDE_REVOCATION = "hide_revocation"
    WITHDRAW_REVOCATION = "withdraw_revocation"
    HIDE_CONTENT = "hide_content"
    FALSE_WITHDRAWAL = "false_withdrawal"
    DROP_RESPONSE = "drop_response"
    FORGED_RECEIPT = "forged_receipt"
    REFUSE = "refuse"
    UNREACHABLE = "unreachable"


@dataclass
class MovableClock:
    """A clock that stands still until a test moves it."""

    now: datetime = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how_far: float) -> None:
        self.now += timedelta(**how_far)


def seeded_key(name: str) -> SigningKey:
    """The same key for the same name in every run."""
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


@dataclass
class Author:
    """Somebody with a key and a running number: a city or a hub that signs statements."""

    name: str
    key: SigningKey
    clock: Clock
    last_seq: int = 0

    def sign(self, kind: Kind, body: StatementBody, audience: Audience, *, origin: str | None = None) -> Envelope:
        """Sign the next statement; `origin` lets a test pretend to be somebody else."""
        return sign_statement(self.statement(kind, body, audience, origin=origin), self.key)

    def statement(self, kind: Kind, body: StatementBody, audience: Audience, *, origin: str | None = None) -> Statement:
        self.last_seq += 1
        nonce = hashlib.sha256(f"{self.name} {self.last_seq}".encode()).hexdigest()[:32]
        return make_statement(
            body,
            kind=kind,
            origin=origin or self.name,
            seq=self.last_seq,
            issued_at=self.clock(),
            nonce=nonce,
            audience=audience,
        )

    def practice(self, title: str = "Open evenings", **changes: Any) -> Envelope:
        audience = changes.pop("audience", Audience.EUROPE)
        return self.sign(Kind.PRACTICE, practice_body(title=title, **changes), audience)

    def withdrawal(self, digest: str) -> Envelope:
        return self.sign(Kind.WITHDRAWAL, WithdrawalBody(digest=digest, reason="error"), Audience.EUROPE)


def practice_body(**changes: Any) -> PracticeBody:
    """A practice that did not work, valid in every part."""
    return PracticeBody.from_object(
        {
            "title": "Open evenings",
            "summary": "A city opened a youth club on two more evenings. Few came after the first weeks.",
            "phenomenon": ["RWE", "POL"],
            "prevention_level": "primary",
            "agencies": [{"type": "youth", "role": "deliver"}, {"type": "municipality", "role": "fund"}],
            "outcome": "no_effect",
            "lessons": "Ask the young people first which evenings they want.",
            "area": {"scheme": "LAU", "version": "2024", "code": "14612000"},
            "review": {"role": "reviewer", "detector": "narrative/0.1", "findings": 0},
        }
        | changes
    )


class HubSimulator(httpx.BaseTransport):
    """A log, its members and its lies. `lie` is what it does from now on; None is honest."""

    def __init__(self, name: str = "sachsen.de", *, clock: Clock, page_entries: int = 100, url: str = URL) -> None:
        self.url = url
        self.clock = clock
        self.page_entries = page_entries
        self.author = Author(name, seeded_key(name), clock)
        self.verifier = NoteVerifier(name, self.author.key.public)
        self.lie: Lie | None = None
        self.refusal = ProblemCode.RELEASE_RULE
        self.refuse_next = 0
        """So many submissions are refused although the hub is honest otherwise."""
        self.knows_no_ledgers = False
        """A hub of release 0.1."""
        self.knows_no_cosigner = False
        """A hub from before there were cosignatures."""
        self.cosigner_key = seeded_key(f"cosigner of {name}")
        self.vouched_at = 0
        self.witness_lines: dict[int, list[str]] = {}
        self.frozen_at: datetime | None = None
        """A hub whose cosigner stands still since then."""
        self.shown_size: int | None = None
        """A hub that shows only so many of its entries."""
        self.relays_nothing = False
        """A hub from before the relay."""
        self.relayed: list[RelayedItem] = []
        self.cursor_limit: int | None = None
        """A hub that was restored from an old backup: it refuses cursors beyond this size."""
        self.entries: list[LogEntry] = []
        self.envelopes: dict[str, Envelope] = {}
        self.withdrawn: set[str] = set()
        self.members: dict[str, tuple[str, int]] = {}  # key id -> name, highest seq
        self.keys: dict[str, PublicKey] = {}
        self.enrolment_requests: list[EnrolmentRequest] = []
        self.requests: list[str] = []
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._places: dict[str, int] = {}

    # --- what a hub does by itself --------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.author.name

    def city(self, name: str, *, enrolled: bool = True) -> Author:
        """Another city with a key of its own."""
        author = Author(name, seeded_key(name), self.clock)
        if enrolled:
            self.enrol(name, author.key.public)
        return author

    def enrol(
        self,
        name: str,
        key: PublicKey,
        *,
        role: MemberRole = MemberRole.NODE,
        status: MemberStatus = MemberStatus.ACTIVE,
        signed_by: Author | None = None,
    ) -> Envelope:
        """Log a membership statement and let the member in or out."""
        body = MembershipBody(
            member=name, role=role, key=base64.b64encode(key.raw).decode(), status=status, area=SAXONY
        )
        if status is MemberStatus.ACTIVE:
            self.members[key.keyid] = (name, self.members.get(key.keyid, (name, 0))[1])
            self.keys[key.keyid] = key
        else:
            self.keys.pop(key.keyid, None)
        envelope = (signed_by or self.author).sign(Kind.MEMBERSHIP, body, Audience.EUROPE)
        self.log(envelope)
        return envelope

    def publish_policy(self, policy: PolicyBody) -> Envelope:
        envelope = self.author.sign(Kind.POLICY, policy, Audience.REGION)
        self.log(envelope)
        return envelope

    def log(
        self,
        envelope: Envelope,
        *,
        kind: Kind | None = None,
        audience: Audience | None = None,
        time: str | None = None,
    ) -> int:
        """Append a statement without asking whether it is any good, and return its index."""
        if (known := self._places.get(envelope.digest)) is not None:
            return known
        last = self.entries[-1].time if self.entries else ""
        entry = LogEntry(
            kind=kind or Kind(envelope.kind),
            digest=envelope.digest,
            audience=audience or _audience_of(envelope),
            time=time or max(format_time(self.clock()), last),
        )
        for level, index, value in completed_nodes(len(self.entries), [entry.leaf], self._read):
            self._nodes[level, index] = value
        self._places[envelope.digest] = len(self.entries)
        self.entries.append(entry)
        self.envelopes[envelope.digest] = envelope
        return len(self.entries) - 1

    def withdraw(self, author: Author, digest: str) -> Envelope:
        """Log an author's withdrawal and erase the content, as an honest hub does."""
        envelope = author.withdrawal(digest)
        self.log(envelope)
        self.withdrawn.add(digest)
        return envelope

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.entries) if size is None else size
        return Checkpoint(self.name, size, range_hash(0, size, self._read) if size else EMPTY_ROOT)

    def note(self, size: int | None = None) -> str:
        """The signed checkpoint, with the hub's own cosignature unless it is of an earlier release."""
        key = seeded_key("somebody else") if self.lie is Lie.WRONG_KEY else self.author.key
        checkpoint = self.checkpoint(size)
        self.vouched_at = max(self.vouched_at, int((self.frozen_at or self.clock()).timestamp()))
        line = cosign(checkpoint.to_text(), self.name, self.cosigner_key, self.vouched_at)
        own = [] if self.knows_no_cosigner else [line]
        return add_lines(checkpoint.sign(key), own + self.witness_lines.get(checkpoint.size, []))

    def ask_witness(self, witness: HubApi, old: int) -> None:
        """Submit the newest head, as an honest hub does, and serve what the witness cosigns. Raises HubRefused."""
        size = len(self.entries) if self.shown_size is None else self.shown_size
        proof = consistency_proof(min(old, size), size, self._read)
        line = witness.add_checkpoint(write_request(old, proof, self.checkpoint(size).sign(self.author.key)))
        self.witness_lines.setdefault(size, []).append(line)

    def other_log(self, order: Sequence[int]) -> "HubSimulator":
        """Another log of the same hub with the same key: these entries of this one, in this order."""
        other = HubSimulator(self.name, clock=self.clock, url=self.url)
        other.author, other.members, other.keys = self.author, self.members, self.keys
        other.withdrawn = self.withdrawn
        for index in order:
            entry = self.entries[index]
            other.log(self.envelopes[entry.digest], kind=Kind(entry.kind), audience=entry.audience, time=entry.time)
        return other

    def _read(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    # --- the transport --------------------------------------------------------------------------------------

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of a HubApi."""
        self.requests.append(f"{request.method} {request.url.path}")
        if self.lie is Lie.UNREACHABLE:
            raise httpx.ConnectError("expected a hub, got silence")
        try:
            return self._answer(request)
        except ContractError as error:
            return _problem(error.code, error.message)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        route = (request.method, request.url.path)
        if route == ("GET", "/v1/hub"):
            identity = {"name": self.name, "level": "region", "vkey": self.verifier.vkey, "api": 1}
            return _json(200, identity | {"fingerprint": self.verifier.key.fingerprint})
        if route == ("GET", "/v1/cosigner") and not self.knows_no_cosigner:
            return _reply(200, announce_cosigner(self.name, self.author.key, self.cosigner_key).encode())
        if route == ("POST", "/v1/enrolments"):
            return self._take_enrolment(request.read())
        if route == ("POST", "/v1/submissions"):
            return self._take_submission(request.read())
        if route == ("POST", "/v1/relay"):
            return self._take_in_confidence(request.read())
        reader = verify_request(request.method, str(request.url), request.headers, self.keys.get, self.clock())
        if route == ("GET", "/v1/members/me"):
            name, highest_seq = self.members[reader.keyid]
            state = {"name": name, "status": "active", "highest_seq": highest_seq}
            return _json(200, state | self._ledger_end(reader.keyid))
        if route == ("GET", "/v1/relay"):
            return _reply(200, RelayStanding(hub=self.name, items=tuple(self.relayed), questions=()).to_bytes())
        if route == ("GET", "/v1/feed"):
            first, seen = (int(request.url.params[name]) for name in ("from", "seen"))
            if self.cursor_limit is not None and max(first, seen) > self.cursor_limit:
                return _problem(ProblemCode.BAD_CURSOR, f"expected from and seen up to {self.cursor_limit}")
            page = self._page(first, seen, reader.keyid)
            return _reply(200, page.to_bytes())
        return _problem(ProblemCode.NOT_FOUND, "expected an address that exists here")

    def _ledger_end(self, keyid: str) -> dict[str, Any]:
        """The highest ledger entry among a member's releases, withdrawn ones included."""
        charged = (Kind.TREND, Kind.SHARE)
        releases = [self.envelopes[entry.digest] for entry in self.entries if entry.kind in charged]
        own = [parse_strict(item.payload)["body"]["ledger"] for item in releases if item.keyid == keyid]
        if not own or self.knows_no_ledgers:
            return {}
        last = max(own, key=lambda ledger: int(ledger["seq"]))
        return {"ledger_seq": last["seq"], "ledger_head": last["head"]}

    def _take_enrolment(self, body: bytes) -> httpx.Response:
        envelope = parse_envelope(body)
        wanted = EnrolmentRequest.from_bytes(envelope.payload)
        verify_envelope(envelope, wanted.public_key)
        self.enrolment_requests.append(wanted)
        return _json(202, {"state": "waiting"})

    def _take_submission(self, body: bytes) -> httpx.Response:
        envelope = parse_envelope(body)
        if self.lie is Lie.REFUSE or self.refuse_next > 0:
            self.refuse_next -= 1
            return _problem(self.refusal, "expected something else")
        key = self.keys.get(envelope.keyid)
        if key is None:
            return _problem(ProblemCode.UNKNOWN_KEY, "expected a key of a member")
        statement = read_statement(verify_envelope(envelope, key)).statement
        name, highest_seq = self.members[envelope.keyid]
        known = envelope.digest in self._places
        if not known and statement.seq <= highest_seq:
            return _problem(ProblemCode.SEQ_TOO_LOW, f"expected a seq above {highest_seq}")
        self.members[envelope.keyid] = (name, max(highest_seq, statement.seq))
        index = self.log(envelope)
        if self.lie is Lie.DROP_RESPONSE:
            self.lie = None  # the next try is answered
            raise httpx.ReadError("the answer got lost")
        return _reply(200 if known else 201, self._receipt(index).to_bytes())

    def _take_in_confidence(self, body: bytes) -> httpx.Response:
        envelope = parse_envelope(body)
        if self.relays_nothing:
            return _problem(ProblemCode.NOT_FOUND, "expected an address that exists here")
        if self.lie is Lie.REFUSE:
            return _problem(self.refusal, "expected something else")
        request = read_request(verify_envelope(envelope, self.keys[envelope.keyid]))
        self.relayed.append(RelayedItem(request=envelope.digest, kind=request.kind, state="waiting"))
        key = seeded_key("somebody else") if self.lie is Lie.FORGED_RECEIPT else self.author.key
        return _reply(201, sign_receipt(self.name, envelope.digest, self.clock(), key).to_bytes())

    def _receipt(self, index: int) -> Receipt:
        size = index + 1
        key = seeded_key("somebody else") if self.lie is Lie.FORGED_RECEIPT else self.author.key
        return Receipt(
            index=index,
            entry=self.entries[index],
            proof=tuple(map(_text, inclusion_proof(index, size, self._read))),
            checkpoint=self.checkpoint(size).sign(key),
        )

    def _page(self, first: int, seen: int, reader: str) -> FeedPage:
        size = len(self.entries)
        if self.lie is Lie.OLDER_CHECKPOINT:
            size = max(0, seen - 1)
        if self.shown_size is not None:
            size = min(size, self.shown_size)
        items = [
            self._feed_entry(entry, reader) for entry in self.entries[first : min(size, first + self.page_entries)]
        ]
        last = first + len(items)
        if self.lie is Lie.DROP_ENTRY and items:
            del items[len(items) // 2]
        if self.lie is Lie.SWAP_ENTRIES and len(items) > 1:
            items[0], items[1] = items[1], items[0]
        return FeedPage(
            hub=self.name,
            first=first,
            entries=tuple(items),
            checkpoint=self.note(size),
            proof=tuple(map(_text, consistency_proof(min(last, size), size, self._read))),
            seen_proof=tuple(map(_text, consistency_proof(min(seen, size), size, self._read))),
        )

    def _feed_entry(self, entry: LogEntry, reader: str) -> FeedEntry:
        envelope = self.envelopes[entry.digest]
        if entry.digest in self.withdrawn:
            return FeedEntry(entry=entry, absent="withdrawn")
        is_share = entry.kind is Kind.SHARE and entry.audience is Audience.HUB
        if is_share or (entry.audience is Audience.HUB and envelope.keyid != reader):
            return FeedEntry(entry=entry, absent="audience")
        if entry.kind is Kind.MEMBERSHIP and b'"status":"revoked"' in envelope.payload:
            if self.lie is Lie.HIDE_REVOCATION:
                return FeedEntry(entry=entry, absent="audience")
            if self.lie is Lie.WITHDRAW_REVOCATION:
                return FeedEntry(entry=entry, absent="withdrawn")
        if entry.kind is Kind.PRACTICE and self.lie is Lie.HIDE_CONTENT:
            return FeedEntry(entry=entry, absent="audience")
        if entry.kind is Kind.PRACTICE and self.lie is Lie.FALSE_WITHDRAWAL:
            return FeedEntry(entry=entry, absent="withdrawn")
        value = _object(envelope)
        if entry.kind is Kind.PRACTICE and self.lie is Lie.FLIP_BIT:
            flipped = bytearray(envelope.payload)
            flipped[len(flipped) // 2] ^= 1
            value["payload"] = _text(bytes(flipped))
        return FeedEntry(entry=entry, envelope=value)


def _audience_of(envelope: Envelope) -> Audience:
    for audience in Audience:
        if b'"audience":"%b"' % audience.value.encode() in envelope.payload:
            return audience
    return Audience.EUROPE


def _object(envelope: Envelope) -> dict[str, Any]:
    return {
        "payload": _text(envelope.payload),
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": envelope.keyid, "sig": _text(envelope.signature)}],
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(status: int, value: dict[str, Any]) -> httpx.Response:
    return _reply(status, encode(value))


def _problem(code: ProblemCode, detail: str) -> httpx.Response:
    return _reply(STATUS[code], encode(problem_object(code, detail)))


def _reply(status: int, content: bytes) -> httpx.Response:
    # As a stream, because that is how a reply of a network arrives: a client can read it once.
    return httpx.Response(status, stream=httpx.ByteStream(content))

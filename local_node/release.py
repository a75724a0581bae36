"""The way out: ask for a release, let a second person decide, sign. Nothing leaves a node on another way.

A request holds exactly the body that will be signed, byte for byte, from the moment it is shown. Signing proves the
approval again from what is stored, so a row whose state or body was changed by hand is held back and not signed.

    request = request_numbers(session, "bias_incidents.by_offence", period, "anna", ...)
    approve(session, request.id, "bert", {}, now)
    sign_approved(session, key=key, origin="leipzig.sn.de", hubs=["sachsen.de"], ...)
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from local_node import audit, confidence, corrections, figures, ledger, outbox, request_store, review, shares
from local_node.disclosure import StoredDraw, protect, to_trend_body
from local_node.errors import NodeError, ReleaseError, ReviewError
from local_node.figures import Ask
from local_node.folding import without_invisible
from local_node.narrative import DETECTOR, NO_LISTS, LocalLists, ScreenedText, free_texts, screen
from local_node.noise import Draw
from local_node.numbering import next_seq, use_seq
from local_node.people import get_person, roles_at_work
from local_node.protection import Protection
from local_node.request_store import StoredRequest
from local_node.review import ApprovedRelease, ReleaseRequest, RequestState, ReviewedAs
from local_node.sealed_rules import SealedRules
from local_node.shares import Desk
from local_node.tabulation import FrequencyTable
from shared_schema.canonical import parse_strict
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody, Surroundings
from shared_schema.envelope import Envelope
from shared_schema.errors import ContractError
from shared_schema.governance import PolicyBody
from shared_schema.keys import SigningKey
from shared_schema.period import Area, Period
from shared_schema.release_rules import check_releasable, check_trend
from shared_schema.statement import STATEMENT_BODIES, Audience, Kind, make_statement, sign_statement
from shared_schema.trend import ReviewNote

WORDS: Final = frozenset({Kind.PRACTICE, Kind.EXPERIENCE, Kind.BULLETIN, Kind.QUESTION, Kind.ANSWER})
"""The kinds that people write."""
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?", re.ASCII)
"""Language, script and region of BCP 47; its other parts have room for words."""
FILLED_IN: Final = frozenset({"area", "review", "surroundings"})
"""What the node says itself, from its settings and its people."""
PROGRAM: Final = "local-node"
"""Who acts in the audit log when the program does it by itself."""


@dataclass(frozen=True)
class SignReport:
    """What `sign_approved` did: request ids that were signed, and those held back with the reason."""

    signed: tuple[str, ...]
    held: tuple[tuple[str, str], ...]


# --- asking --------------------------------------------------------------------------------------------------------


def request_numbers(
    session: Session,
    table_id: str,
    period: Period,
    person: str,
    *,
    policy: PolicyBody,
    area: Area,
    expected_agencies: int,
    draw: Draw,
    now: datetime,
    epsilon_milli: int | None = None,
    correction: bool = False,
    protection: Protection = ledger.NOISE,
) -> ReleaseRequest:
    """Ask for the release of one table and period, or of its correction; without `epsilon_milli` at the table's own.

    The budget is charged and the noise drawn here, because the second person has to see what would leave. A refused
    request leaves the draw in the ledger: whoever asks again gets the same figures at no further cost.

    Raises NodeError or ContractError and changes nothing: a table that the policy does not know, a period that has not
    ended or is of another length, figures that are on their way or out already, nothing collected, nothing to correct,
    figures that cannot be protected in this way, budget exceeded.
    """
    note = review_note(session, person)
    ask = Ask(table_id, period, policy, expected_agencies, now, protection, correction, epsilon_milli)
    table, number = figures.check_rules(session, ask)  # 1. a table and period that may be released,
    subject = figures.subject_of(table, period, number)  # 2. not yet on their way
    counted = figures.count(session, ask, table, number)  # 3. the true counts; they end in this function
    is_known = ledger.find_draw(session, table, period, number) is not None
    stored = _protect_once(session, ask, counted, draw)  # 4. one charge, one draw
    if not is_known:
        audit.append(session, person, "ledger.charged", f"{stored.seq}/{subject}", now)
        if number:
            corrections.mark_corrected(session, table, period, stored.seq)
    body = to_trend_body(protect(counted, stored), area=area, review=note)  # 5. exactly what will be signed
    check_trend(body, policy)
    return request_store.add_request(
        session,
        kind=Kind.TREND,
        audience=Audience.HUB,
        body=body.to_bytes(),
        findings=(),
        subject=subject,
        person=person,
        now=now,
    )


def _protect_once(session: Session, ask: Ask, counted: FrequencyTable, draw: Draw) -> StoredDraw:
    """The ledger's entry for these figures, made now or before."""
    table, policy = counted.table, ask.policy
    if stored := ledger.find_draw(session, table, ask.period, counted.correction):
        return stored
    if ask.protection.engine == "threshold":
        return ledger.suppress_once(session, counted, policy=policy, protection=ask.protection, now=ask.now)
    charge = figures.charge_for(session, ask, table, counted.correction)
    return ledger.charge_and_draw(
        session,
        counted,
        epsilon_milli=charge.epsilon_milli,
        policy=policy,
        draw=draw,
        now=ask.now,
        protection=ask.protection,
    )


def request_practice(
    session: Session,
    draft: Mapping[str, Any],
    person: str,
    area: Area,
    audience: Audience,
    now: datetime,
    lists: LocalLists = NO_LISTS,
    city_names: Sequence[str] = (),
) -> ReleaseRequest:
    """Ask for the release of a practice: `draft` is its body without area and review. Raises as `request_words`."""
    return request_words(session, Kind.PRACTICE, draft, person, area, audience, now, lists, city_names)


def request_words(
    session: Session,
    kind: Kind,
    draft: Mapping[str, Any],
    person: str,
    area: Area,
    audience: Audience,
    now: datetime,
    lists: LocalLists = NO_LISTS,
    city_names: Sequence[str] = (),
    surroundings: Surroundings | None = None,
    writers: Sequence[str] = (),
) -> ReleaseRequest:
    """Ask for the release of something that somebody wrote; `draft` is plain JSON values.

    `writers` are those who had a hand in the text: none of them counts as the second person.
    With an attribution other than `city` it will be relayed without the city's name; `city_names` may then not be in
    it. Raises ReleaseError (not words; area or review given; it names the city after all), ReleaseRuleError (an
    attribution with an audience that is too small), SchemaError (not a body of this kind), ReviewError (no second
    person).
    """
    if kind not in WORDS:
        raise ReleaseError("expected a practice, an experience, a bulletin, a question or an answer", code="kind")
    if FILLED_IN & set(draft):
        raise ReleaseError(
            "expected a text without area, review and surroundings: the node fills them in", code="draft"
        )
    fields = {name: _tidy(value) for name, value in draft.items()}
    if not LANGUAGE.fullmatch(str(fields.get("language", "und"))):
        raise ReleaseError("expected a language such as en, de-AT or sr-Latn, and nothing else in it", code="language")
    model = STATEMENT_BODIES[kind]
    place = {"area": area.to_object()} if "area" in model.model_fields else {}
    if surroundings is not None and "surroundings" in model.model_fields and not confidence.is_unnamed(fields):
        place["surroundings"] = surroundings.to_object()
    model.from_object({**fields, **place, "review": review_note(session, person, writers).to_object()})  # 1. short
    if confidence.is_unnamed(fields):
        confidence.check_draft(session, fields, city_names)
    confidence.check_said_once(session, fields)
    confidence.check_keeps_quiet(session, fields)
    language = str(fields.get("language", "und"))
    screened = screen(free_texts(fields), language=language, lists=lists)  # 2. enough for this
    note = review_note(session, person, writers, screened)
    body = model.from_object({**fields, **place, "review": note.to_object()})  # 3. exactly what will be signed
    if isinstance(body, PracticeBody | ExperienceBody | AnswerBody) and confidence.is_unnamed(fields):
        confidence.check_body(body, audience, now)
    return request_store.add_request(
        session,
        kind=kind,
        audience=audience,
        body=body.to_bytes(),
        findings=screened.findings,
        subject=None,
        person=person,
        now=now,
        writers=writers,
    )


def review_note(
    session: Session, person: str, writers: Sequence[str] = (), screened: ScreenedText | None = None
) -> ReviewNote:
    """The note that the statement will carry: it is part of what the second person sees, so it is made first."""
    requester = get_person(session, person)
    role = review.reviewer_role_for(requester.id, roles_at_work(session), writers)
    findings = 0 if screened is None else len(screened.findings)
    return ReviewNote.from_object({"role": role.value, "detector": DETECTOR, "findings": findings})


def _tidy(value: Any) -> Any:
    """Texts in the one form that can be signed: NFC, line ends as on Unix, nothing that nobody sees."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", without_invisible(value.replace("\r\n", "\n")))
    if isinstance(value, Mapping):
        return {name: _tidy(item) for name, item in value.items()}
    return [_tidy(item) for item in value] if isinstance(value, (list, tuple)) else value


# --- deciding ------------------------------------------------------------------------------------------------------


def approve(
    session: Session,
    request_id: str,
    person: str,
    accepted: Mapping[int, str],
    now: datetime,
    seen: str | None = None,
    *,
    desk: Desk | None = None,
) -> ApprovedRelease:
    """Approve as the second person; `accepted` has a reason for the number of every finding.

    `seen` is the digest of the text that was shown (`review.check_was_seen`). Where one person was alone and is not any
    more, the request has to be made anew. A sealed share needs a `desk`, and is made once more to see that the records
    still are what is in it. Raises NodeError or ContractError and changes nothing.
    """
    stored = request_store.get_request(session, request_id)
    review.check_was_seen(stored.request, seen, person, request_store.find_last_change(session, request_id))
    _check_still_alone(session, stored.request)
    release = review.approve(stored.request, get_person(session, person), accepted, now)
    if stored.request.kind is Kind.SHARE:
        shares.check_unchanged(session, stored.request, _get_desk(desk), now)
    request_store.mark_approved(session, release, now)
    return release


def _get_desk(desk: Desk | None) -> Desk:
    if desk is None:
        raise ReleaseError("expected the limits of this city for a sealed share", code="no-desk")
    return desk


def _check_still_alone(session: Session, request: ReleaseRequest) -> None:
    if request.reviewer_role is not ReviewedAs.SINGLE_PERSON:
        return
    roles = roles_at_work(session)
    if review.reviewer_role_for(request.requested_by, roles, request.writers) is not ReviewedAs.SINGLE_PERSON:
        raise ReviewError(
            "expected a second person's review, as there is one now: take the request back and ask again", code="role"
        )


def refuse(session: Session, request_id: str, person: str, reason: str, now: datetime) -> None:
    """Refuse a request that is not signed yet, with a reason; an approved one as well, until the next round of sync.

    Whoever asked for it or wrote it may take it back in the same way.
    """
    request = request_store.get_request(session, request_id).request
    review.check_may_refuse(request, get_person(session, person))
    review.check_reason(reason, "to refuse a release")
    request_store.mark_refused(session, request, person, reason, now)


def ask_again(session: Session, request_id: str, person: str, now: datetime) -> None:
    """Let a request that was held be decided anew, for example after the hub's policy has changed."""
    request_store.mark_requested_again(session, request_id, get_person(session, person).id, now)


# --- signing -------------------------------------------------------------------------------------------------------


def sign_approved(
    session: Session,
    *,
    key: SigningKey,
    origin: str,
    hubs: Sequence[str],
    highest_seq: int,
    policy: PolicyBody,
    nonces: Iterator[str],
    now: datetime,
    rules: SealedRules | None = None,
) -> SignReport:
    """Sign every approved request, oldest first, and put it into the outbox of every hub; in the caller's transaction.

    What is to be relayed without the city's name goes to the first hub alone, which is the home hub, and takes no seq.
    A sealed share goes to that hub as well, which leads its collection, when this still is open by `rules`.

    `highest_seq` is the highest one that the hubs have seen from this node: after a restore it is higher than the
    node's own, and no number is ever used for two statements. `nonces` gives at least 16 random bytes in base64url
    each. A request that a rule forbids is held with the reason, and the next one goes on.
    """
    signed: list[str] = []
    held: list[tuple[str, str]] = []
    for stored in request_store.list_requests(session, RequestState.APPROVED) if hubs else ():
        request_id = stored.request.id
        seq = next_seq(session, highest_seq)
        try:
            release = _approval_of(session, stored)  # 1. approved by a second person, and unchanged since
            if confidence.is_unnamed(parse_strict(release.request.body)):  # 2. within the rules of the hub, and signed
                envelope = confidence.sign_in_confidence(
                    release, hub=hubs[0], origin=origin, nonce=next(nonces), key=key, now=now
                )
                seq, receivers = confidence.NO_SEQ, hubs[:1]
            else:
                if release.request.kind is Kind.SHARE:
                    desk = None if rules is None else Desk(rules, policy, hubs[0])
                    shares.check_open_still(session, release.request, _get_desk(desk), now)
                envelope = sign_release(
                    release, origin=origin, seq=seq, nonce=next(nonces), key=key, policy=policy, now=now
                )
                receivers = hubs[:1] if release.request.kind is Kind.SHARE else hubs
        except (NodeError, ContractError) as error:
            held.append((request_id, error.message))
            request_store.mark_held(session, request_id, f"{error.code}: {error.message}", PROGRAM, now)
            continue
        if seq != confidence.NO_SEQ:
            use_seq(session, seq)
        outbox.enqueue(session, envelope, seq, receivers, now)  # 3. on its way, all in one transaction
        request_store.mark_signed(session, request_id, envelope.digest, PROGRAM, now)
        signed.append(request_id)
    return SignReport(tuple(signed), tuple(held))


def sign_release(
    release: ApprovedRelease,
    *,
    origin: str,
    seq: int,
    nonce: str,
    key: SigningKey,
    policy: PolicyBody,
    now: datetime,
) -> Envelope:
    """Put the frame around the approved body and sign it. All but withdrawals is signed here and nowhere else.

    Raises ReleaseRuleError (the policy forbids it), SchemaError (the frame has a wrong form); then nothing is signed.
    """
    request = release.request
    statement = make_statement(
        STATEMENT_BODIES[request.kind].from_bytes(request.body),  # type: ignore[arg-type]
        kind=request.kind,
        origin=origin,
        seq=seq,
        issued_at=now,
        nonce=nonce,
        audience=request.audience,
    )
    check_releasable(statement, policy)
    return sign_statement(statement, key)


def _approval_of(session: Session, stored: StoredRequest) -> ApprovedRelease:
    """The approval, proved again: same rules, same person, same reasons, same bytes."""
    if stored.decided_by is None or stored.decided_at is None or stored.approved_digest != stored.request.body_digest:
        raise ReviewError("expected the very text that was approved", code="changed")
    asked = replace(stored.request, state=RequestState.REQUESTED)
    return review.approve(asked, get_person(session, stored.decided_by), stored.accepted, stored.decided_at)

"""The API that nodes and other hubs use: submissions, feed, enrolment; the log is in `log_api`.

Handlers only translate to HTTP.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from regional_hub import charges, feed, log, members, recovery, relay_intake
from regional_hub.errors import HubError
from regional_hub.hub_keys import OwnKeys, shown
from regional_hub.intake import Accepted, Submission, check_submission
from regional_hub.members import Trust
from regional_hub.orm import MemberRow
from regional_hub.relay import Desk
from regional_hub.relay_questions import standing_of
from regional_hub.sealed_helping import Helping
from regional_hub.sequencer import Sequencer, SequencerFull
from regional_hub.web import recall_api, sealed_api, witness_api
from regional_hub.web.cosignature_api import add_cosignatures
from regional_hub.web.log_api import add_log
from regional_hub.web.membership_api import add_membership
from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import NoteVerifier
from shared_schema.directory import KnownKey
from shared_schema.envelope import MAX_ENVELOPE_BYTES
from shared_schema.errors import ContractError, SchemaError, VerificationError
from shared_schema.keys import Member, PublicKey, SigningKey
from shared_schema.policy_order import VERSION_PATTERN, check_software
from shared_schema.problem import ProblemCode
from shared_schema.service.hub_api import VERSION_HEADER
from shared_schema.service.limits import read_json_body
from shared_schema.service.problems import STATUS, problem_object, problem_response
from shared_schema.service.signed_reads import verify_request

MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_BATCH_ITEMS = 500
CHANGED_BY_A_MEMBERSHIP = (ProblemCode.UNKNOWN_KEY, ProblemCode.KEY_NOT_VALID, ProblemCode.MEMBER_NOT_ACTIVE)
JSON = "application/json"


class ServedHub(witness_api.WitnessingHub, Protocol):
    """What the handlers need of a hub."""

    sequencer: Sequencer
    settings: Any

    @property
    def trust(self) -> Trust: ...
    @property
    def verifier(self) -> NoteVerifier: ...
    @property
    def publisher(self) -> feed.Publisher: ...
    @property
    def desk(self) -> Desk: ...
    @property
    def helping(self) -> Helping: ...
    @property
    def key(self) -> SigningKey: ...
    @property
    def own_keys(self) -> OwnKeys: ...
    def refresh_trust(self) -> Trust: ...
    def keep_fresh(self) -> None: ...
    def reload_trust(self) -> Trust: ...


def make_router(hub: ServedHub) -> APIRouter:
    """All routes for nodes and other hubs."""
    router = APIRouter()
    _add_submissions(router, hub)
    _add_reading(router, hub)
    _add_relay(router, hub)
    add_log(router, hub)

    def identify(request: Request, *names: str) -> Member:
        reader = verify_reader(hub, request)
        check_query(request, *names)
        return reader

    recall_api.add_routes(router, hub, identify, read_cursor)

    def identify_hub(request: Request, body: bytes) -> Member:
        check_query(request)
        return verify_reader(hub, request, body=body)

    sealed_api.add_routes(router, hub, identify_hub)
    _add_enrolment(router, hub)
    witness_api.add_routes(router, hub)
    add_membership(router, hub)
    add_cosignatures(router, hub)
    return router


def _add_submissions(router: APIRouter, hub: ServedHub) -> None:
    @router.post("/v1/submissions")
    async def submit(request: Request) -> Response:
        body = await read_json_body(request, MAX_ENVELOPE_BYTES, seconds=hub.body_seconds)
        check_software(_software(request), hub.trust.policy)
        submission = _check(hub, body)
        try:
            result = (await hub.sequencer.submit([submission]))[0]
        except SequencerFull:
            return _busy()
        if isinstance(result, ContractError):
            raise result
        return Response(result.receipt, status_code=201 if result.new else 200, media_type=JSON)

    @router.post("/v1/submissions/batch")
    async def submit_batch(request: Request) -> Response:
        body = await read_json_body(request, MAX_BATCH_BYTES, seconds=hub.body_seconds)
        check_software(_software(request), hub.trust.policy)
        results = await asyncio.to_thread(_check_batch, hub, body)
        good = [item for item in results if isinstance(item, Submission)]
        try:
            committed = iter(await hub.sequencer.submit(good) if good else [])
        except SequencerFull:
            return _busy()
        answers = [_item(next(committed) if isinstance(item, Submission) else item) for item in results]
        return Response(b'{"results":[' + b",".join(answers) + b"]}", media_type=JSON)


def _software(request: Request) -> str | None:
    """The version that the sender's program names. Nobody has to believe it: who lies only harms what it sends."""
    named = request.headers.get(VERSION_HEADER)
    return named if named is not None and re.fullmatch(VERSION_PATTERN, named) else None


def _check(hub: ServedHub, body: bytes) -> Submission:
    try:
        return check_submission(body, hub.trust, hub.clock())
    except VerificationError as error:
        if error.code not in CHANGED_BY_A_MEMBERSHIP:
            raise
    # Another process of this hub may have admitted or reactivated the member a moment ago.
    return check_submission(body, hub.refresh_trust(), hub.clock())


def _check_batch(hub: ServedHub, body: bytes) -> list[Submission | ContractError]:
    value = parse_strict(body)
    items = value.get("submissions")
    if set(value) != {"submissions"} or not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH_ITEMS:
        raise SchemaError(f"expected submissions, a list of 1 to {MAX_BATCH_ITEMS} envelopes")
    results: list[Submission | ContractError] = []
    for item in items:
        try:
            results.append(_check(hub, json.dumps(item).encode()))
        except ContractError as error:
            results.append(error)
    return results


def _item(result: Accepted | ContractError) -> bytes:
    if isinstance(result, ContractError):
        return json.dumps(
            {"status": STATUS[result.code], "problem": problem_object(result.code, result.message)}
        ).encode()
    return b'{"receipt":%b,"status":%d}' % (result.receipt, 201 if result.new else 200)


def _busy() -> Response:
    return problem_response(ProblemCode.BUSY, "expected to be asked again in a moment", {"Retry-After": "1"})


def _add_reading(router: APIRouter, hub: ServedHub) -> None:
    @router.get("/v1/feed")
    def read_feed(request: Request) -> Response:
        _check_not_held(hub)
        reader = verify_reader(hub, request)
        check_query(request, "from", "seen")
        first, seen = (read_cursor(request, name) for name in ("from", "seen"))
        hub.keep_fresh()
        with hub.database.read() as session:
            page = feed.make_page(session, first=first, seen=seen, reader=reader, hub=hub.publisher)
        with hub.database.write() as session:
            feed.note_reading(session, reader.name, first, hub.clock(), _software(request))
        return Response(page, media_type=JSON)

    @router.get("/v1/members/me")
    def read_own_state(request: Request) -> Response:
        _check_not_held(hub)  # what this hub knows of a member now may be less than what it knew
        reader = verify_reader(hub, request)
        with hub.database.read() as session:
            row = session.get(MemberRow, reader.name)
            highest = 0 if row is None else row.highest_seq
            last = charges.find_last(session, reader.name)
            missing = 0 if _software(request) is None else len(recovery.find_missing(session))
        answer: dict[str, Any] = {"name": reader.name, "status": reader.status.value, "highest_seq": highest}
        if last is not None:
            answer |= {"ledger_seq": last[0], "ledger_head": last[1]}
        if missing:
            answer["missing"] = missing
        return Response(json.dumps(answer), media_type=JSON)


def _check_not_held(hub: ServedHub) -> None:
    """Before anybody is recognised: who was admitted after the copy was made is unknown, and must not hear that."""
    with hub.database.read() as session:
        log.get_head(session).check_not_held()


def _add_relay(router: APIRouter, hub: ServedHub) -> None:
    @router.post("/v1/relay")
    async def submit_in_confidence(request: Request) -> Response:
        body = await read_json_body(request, MAX_ENVELOPE_BYTES, seconds=hub.body_seconds)
        check_software(_software(request), hub.trust.policy)
        taken = await asyncio.to_thread(_take_in_confidence, hub, body)
        return Response(taken.receipt, status_code=201 if taken.new else 200, media_type=JSON)

    @router.get("/v1/relay")
    def read_standing(request: Request) -> Response:
        reader = verify_reader(hub, request)
        check_query(request)
        with hub.database.read() as session:
            standing = standing_of(session, reader.name, hub.name)
        return Response(standing.to_bytes(), media_type=JSON, headers={"Cache-Control": "no-store"})


def _take_in_confidence(hub: ServedHub, body: bytes) -> relay_intake.Taken:
    now = hub.clock()
    sealed = relay_intake.check_request(body, trust=hub.refresh_trust(), desk=hub.desk, now=now)
    with hub.database.write() as session:
        return relay_intake.accept(session, sealed, desk=hub.desk, now=now)


def verify_reader(
    hub: ServedHub,
    request: Request,
    find_member: Callable[[str], Member | None] | None = None,
    *,
    body: bytes | None = None,
) -> Member:
    """The member that signed this request; by its key among the direct ones, unless `find_member` knows others.

    Raises VerificationError.
    """
    if find_member is not None:
        return _verify_lost_reader(hub, request, find_member)
    found: list[tuple[Trust, KnownKey]] = []

    def find_key(keyid: str) -> PublicKey | None:
        trust = hub.refresh_trust()
        known = trust.find_direct_key(keyid)
        if known is None:
            return None
        found.append((trust, known))
        return known.key

    verify_request(request.method, _url_of(hub, request), request.headers, find_key, hub.clock(), body=body)
    trust, known = found[0]
    (trust.check_may_read if body is None else trust.check_may_submit)(known.key.keyid, hub.clock())
    member = trust.find_direct(known.name)
    if member is None:
        raise VerificationError("expected a key of a member", code=ProblemCode.UNKNOWN_KEY)
    return member


def _url_of(hub: ServedHub, request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    url: str = hub.settings.public_url.rstrip("/") + request.url.path + query
    return url


def _verify_lost_reader(hub: ServedHub, request: Request, find_member: Callable[[str], Member | None]) -> Member:
    """A member that the hub has forgotten with an old copy, and that somebody has proved to it."""
    found: list[Member] = []

    def find_key(keyid: str) -> PublicKey | None:
        member = find_member(keyid)
        if member is None:
            return None
        found.append(member)
        return member.key

    verify_request(request.method, _url_of(hub, request), request.headers, find_key, hub.clock())
    found[0].check_may_sign(hub.clock())
    return found[0]


def check_query(request: Request, *names: str) -> None:
    """Each parameter at most once and no other: what a hub would ignore, a sender believes to be in force."""
    given = [name for name, _ in request.query_params.multi_items()]
    if not set(given) <= set(names) or len(given) != len(set(given)):
        known = f" but {' and '.join(names)}, each once" if names else ""
        raise HubError(f"expected no parameters{known}", code=ProblemCode.BAD_PARAMETER)


def read_cursor(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise HubError(f"expected {name} to be a whole number in digits 0 to 9", code=ProblemCode.BAD_CURSOR)
    return int(text)


def _add_enrolment(router: APIRouter, hub: ServedHub) -> None:
    @router.get("/v1/hub")
    def identity() -> Response:
        answer: dict[str, object] = {
            "api": 1,
            "name": hub.name,
            "level": hub.settings.level,
            "vkey": hub.verifier.vkey,
            "fingerprint": hub.verifier.key.fingerprint,
        }
        if hub.own_keys.rotations:  # nodes of an older release know no such field
            answer["rotations"] = shown(hub.own_keys.rotations)
        return Response(json.dumps(answer), media_type=JSON)

    @router.post("/v1/enrolments")
    async def enrol(request: Request) -> Response:
        body = await read_json_body(request, MAX_ENVELOPE_BYTES, seconds=hub.body_seconds)
        await asyncio.to_thread(_request_enrolment, hub, body)
        return Response(json.dumps({"state": "waiting"}), status_code=202, media_type=JSON)


def _request_enrolment(hub: ServedHub, body: bytes) -> None:
    with hub.database.write() as session:
        members.request_enrolment(session, body, now=hub.clock())

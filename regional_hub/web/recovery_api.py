"""What a hub that was restored needs of others, and what it gives them: heads, leaves, and where its recovery stands.

Heads and entries prove themselves, so anybody may bring them; only who has been heard is a matter of signatures.
"""

import asyncio
import json
from typing import Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from regional_hub import recovered_log, recovery
from regional_hub.errors import HubError
from regional_hub.members import Trust
from regional_hub.web.node_api import JSON, ServedHub, check_query, read_cursor, verify_reader
from shared_schema import canonical
from shared_schema.errors import ContractError
from shared_schema.keys import Member
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.recovery import MAX_RECOVERY_BYTES, BroughtEntries, RecoveryState, ShownHead
from shared_schema.service.limits import read_json_body

MAX_HEAD_BYTES: Final = 64 * 1024
NO_STORE: Final = {"Cache-Control": "no-store"}


class RecoveringHub(ServedHub, Protocol):
    """What these handlers need of a hub besides."""

    @property
    def own_pin(self) -> Pin: ...
    def keyids_at_hand(self) -> frozenset[str]: ...
    def reload_keys(self) -> None: ...
    def fold_trust_again(self) -> Trust: ...


def make_router(hub: RecoveringHub) -> APIRouter:
    """All routes of a recovery."""
    router = APIRouter()
    _add_heads(router, hub)
    _add_recovery(router, hub)
    return router


def _add_heads(router: APIRouter, hub: RecoveringHub) -> None:
    @router.get("/v1/seen/{origin}")
    def seen_head(origin: str) -> Response:
        head = None
        if origin.isprintable():  # PostgreSQL takes no zero byte, not even to say that there is no such row
            with hub.database.read() as session:
                head = recovery.newest_head(session, origin)
        if head is None:
            raise HubError("expected a hub that is followed here", code=ProblemCode.NOT_FOUND)
        return Response(head.to_bytes(), media_type=JSON, headers=NO_STORE)

    @router.post("/v1/heads")
    async def show_head(request: Request) -> Response:
        body = await read_json_body(request, MAX_HEAD_BYTES, seconds=hub.body_seconds)
        return _answer(await asyncio.to_thread(_take_head, hub, body))

    @router.get("/v1/mirror/{origin}")
    def mirror(origin: str, request: Request) -> Response:
        reader = verify_reader(hub, request)
        check_query(request, "from")
        first = read_cursor(request, "from")
        if reader.name != origin:
            raise HubError("expected the hub whose log it is", code=ProblemCode.NOT_A_MEMBER)
        with hub.database.read() as session:
            page = recovery.mirror_page(session, reader, first, hub.publisher)
        return Response(canonical.encode(page.to_object()), media_type=JSON, headers=NO_STORE)


def _take_head(hub: RecoveringHub, body: bytes) -> RecoveryState:
    canonical.parse_strict(body)
    shown = ShownHead.from_checked_bytes(body)
    with hub.database.read() as session:  # who shows what is known keeps nobody from writing
        checkpoint, is_later_key = recovery.check_own(session, shown, hub.own_pin)
        if not is_later_key and recovery.leads_to(session, checkpoint):
            return recovery.state_of(session)
    with hub.database.write() as session:
        recovery.take_head(session, shown, hub.own_pin, hub.clock())
        return recovery.state_of(session)


def _add_recovery(router: APIRouter, hub: RecoveringHub) -> None:
    @router.get("/v1/recovery")
    def read_state(request: Request) -> Response:
        check_query(request, "seen", "done", "after")
        seen, after = read_cursor(request, "seen"), request.query_params.get("after")
        if read_cursor(request, "done") == 1:
            _hear(hub, request, seen)
        with hub.database.read() as session:
            return _answer(recovery.state_of(session, after))

    @router.post("/v1/recovery/entries")
    async def bring_entries(request: Request) -> Response:
        await asyncio.to_thread(_check_wanted, hub)  # before 16 MB are read for nothing
        body = await read_json_body(request, MAX_RECOVERY_BYTES, seconds=hub.body_seconds)
        return _answer(await asyncio.to_thread(_take_entries, hub, body))


def _hear(hub: RecoveringHub, request: Request, seen: int) -> None:
    """The one that has signed this read was heard; then put everything back, if it was the last one."""
    member = _verify_known(hub, request)
    with hub.database.write() as session:
        recovery.hear(session, member.name, seen, hub.clock())
    finish(hub)


def _verify_known(hub: RecoveringHub, request: Request) -> Member:
    try:
        return verify_reader(hub, request)
    except ContractError as error:
        if error.code is not ProblemCode.UNKNOWN_KEY:
            raise
    with hub.database.read() as session:
        lost = recovered_log.staged_members(session, recovery.known_pin(session, hub.own_pin))
    return verify_reader(hub, request, lost.get)


def finish(hub: RecoveringHub) -> recovered_log.PutBack | None:
    """Put everything back if nothing is awaited any more, and contents that have come since in any case."""
    with hub.database.read() as session:
        if not recovery.is_open(session):
            return None
    trust = hub.fold_trust_again()
    with hub.database.write() as session:
        lost = recovered_log.staged_members(session, recovery.known_pin(session, hub.own_pin))
        names = tuple(member.name for member in lost.values() if member.status == "active")
        done = recovered_log.put_back(
            session,
            trust=trust,
            pin=hub.own_pin,
            keyids=hub.keyids_at_hand(),
            level=hub.publisher.level,
            now=hub.clock(),
            extra_members=names,
        )
    if done is not None:
        hub.reload_keys()  # the log may have announced another one in what came back
    trust = hub.fold_trust_again()
    with hub.database.write() as session:
        if recovered_log.fill_contents(session, trust=trust, level=hub.publisher.level, now=hub.clock()):
            done = done or recovered_log.PutBack(0, 0)
    hub.fold_trust_again()
    return done


def _check_wanted(hub: RecoveringHub) -> None:
    """Nobody has to be a member to bring entries, so a hub that misses none does not look at any."""
    with hub.database.read() as session:
        if not recovery.is_open(session) and not recovery.find_missing(session, limit=1):
            raise HubError("expected a hub that is being restored; show it its checkpoint first")


def _take_entries(hub: RecoveringHub, body: bytes) -> RecoveryState:
    canonical.parse_strict(body)
    brought = BroughtEntries.from_checked_bytes(body)
    with hub.database.read() as session:
        proven = recovery.prove(session, brought, hub.own_pin)
    with hub.database.write() as session:
        recovery.take_entries(session, brought, hub.own_pin, hub.clock(), proven)
    finish(hub)
    with hub.database.read() as session:
        return recovery.state_of(session)


def _answer(state: RecoveryState) -> Response:
    return Response(json.dumps(state.to_object()), media_type=JSON, headers=NO_STORE)

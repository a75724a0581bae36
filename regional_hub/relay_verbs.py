"""What the operator does at the relay. Only `list` says who asked for what; it is shown here and written nowhere."""

from collections.abc import Iterable

from sqlalchemy import select

from regional_hub import relay, relay_questions, relay_window, trends
from regional_hub.app import Hub
from regional_hub.orm import RelayItemRow, SourceRow
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.errors import ContractError
from shared_schema.relay import verify_relay_receipt
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable
from shared_schema.statement import format_time

SHORT_DIGEST = 8
REASONS = ("error", "consent", "outdated", "other")


def list_items(hub: Hub, _params: Params) -> Result:
    """What members asked to relay, who they are, and where it stands."""
    with hub.database.read() as session:
        return {"items": [_line(row) for row in relay.list_items(session)]}


def _line(row: RelayItemRow) -> Result:
    return {
        "request": row.digest,
        "member": row.origin,
        "kind": row.kind,
        "attribution": row.attribution,
        "audience": row.audience,
        "state": row.state,
        "received_at": format_time(row.received_at),
        "relayed": row.relayed,
        "reason": row.reason,
    }


def list_questions(hub: Hub, _params: Params) -> Result:
    """Questions about relayed items. The author is not named here: forwarding needs no name."""
    with hub.database.read() as session:
        questions = relay_questions.find_questions(session)
    return {
        "questions": [
            {
                "question": each.digest,
                "title": each.title,
                "asked_by": each.asked_by,
                "relayed": each.relayed,
                "forwarded": each.forwarded,
            }
            for each in questions
        ]
    }


def forward(hub: Hub, params: Params) -> Result:
    """Hand a question on to the author of the item that it is about."""
    with hub.database.read() as session:
        known = [each.digest for each in relay_questions.find_questions(session)]
    digest = _complete(str(params["question"]), known, "a question about a relayed item")
    with hub.database.write() as session:
        question = relay_questions.forward(session, digest, actor=actor_of(params), now=hub.clock())
    return {"question": question.digest, "relayed": question.relayed, "state": "forwarded"}


def publish(hub: Hub, _params: Params) -> Result:
    """Publish what is due; hand up what the hub above publishes, and hear from it what became of that."""
    trust, now = hub.refresh_trust(), hub.clock()
    with hub.database.write() as session:
        report = relay_window.close_window(
            session, hub.desk, trust=trust, cities=trends.expected_cities(trust), now=now
        )
    return {
        "published": report.published,
        "withdrawn": report.withdrawn,
        "handed_up": report.handed_up,
        "too_early": report.too_early,
        "too_few_cities": report.too_few_cities,
        "alone": report.alone,
        "problem": _talk_to_parent(hub),
    }


def withdraw(hub: Hub, params: Params) -> Result:
    """Take a relayed item back at once."""
    reason = str(params["reason"])
    if reason not in REASONS:
        raise VerbError("bad-parameter", f"expected one of {', '.join(REASONS)}")
    with hub.database.write() as session:
        known = [row.relayed for row in relay.list_items(session) if row.relayed is not None]
        digest = _complete(str(params["relayed"]), known, "an item that this hub has relayed")
        relay_window.take_back(session, hub.desk, digest, reason, actor=actor_of(params), now=hub.clock())
    return {"relayed": digest, "state": relay.RelayState.WITHDRAWN.value}


def _complete(beginning: str, known: Iterable[str], what: str) -> str:
    """The one digest that begins so. Raises VerbError."""
    found = [digest for digest in known if digest.startswith(beginning.lower())]
    if len(beginning) < SHORT_DIGEST or len(found) != 1:
        raise VerbError("not-found", f"expected the digest of {what}, or its first {SHORT_DIGEST} digits")
    return found[0]


# --- the hub above -------------------------------------------------------------------------------------------------


def _talk_to_parent(hub: Hub) -> str | None:
    """Send what it has not confirmed, then hear what it knows. Returns the code of what went wrong, or None."""
    with hub.database.read() as session:
        waiting = relay_window.unconfirmed(session)
        has_items = any(row.up is not None for row in relay.list_items(session))
        parent = relay.find_parent(hub.trust)
        url = session.scalar(select(SourceRow.url).where(SourceRow.name == parent))
    if not has_items or parent is None or url is None:
        return None
    try:
        with hub.api(url) as api:
            problem = _send_up(hub, api, parent, waiting)
            standing = api.relay_standing()
    except HubUnreachable:
        return "unreachable"
    except HubRefused as error:
        return error.code
    with hub.database.write() as session:
        relay_window.learn_standing(session, standing, hub.clock())
    return problem


def _send_up(hub: Hub, api: HubApi, parent: str, waiting: list[tuple[str, bytes]]) -> str | None:
    """Each on its own: one that is refused does not hold up those behind it. The last refusal, if there was one."""
    keys = [known.key for known in hub.trust.directory.keys_of(parent) if known.ended_at is None]
    problem = None
    for digest, envelope in waiting:
        refused = None
        try:
            receipt = api.relay(envelope)
            verify_relay_receipt(receipt, hub=parent, keys=keys, digest=digest)
        except (HubRefused, ContractError) as error:
            refused = str(error.code)[:40]
        with hub.database.write() as session:
            if not relay_window.note_answer(session, digest, refused):
                problem = refused
    return problem
